"""ECInstruct as a benchmark: its file, its tests, its answer spaces, its scores; a few real rows on a real engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation import learned_metrics
from evaluation.benchmark import Item, Options
from evaluation.journal import Batch
from evaluation.report import render_report
from evaluation.results import Results, make_results
from evaluation.runner import Answers
from evaluation.suites.ecinstruct.suite import ECINSTRUCT, PRIMARY_METRICS
from evaluation.table import format_results
from models.spaces.free_text import FreeText
from models.spaces.number_list import NumberList
from models.spaces.one_of import OneOf
from models.user_config import UserModel
from shopbench.ecinstruct import TASKS
from shopbench.errors import UserError
from shopbench.metrics import ModelMissing
from shopbench.sample import BadSample
from tests.evaluation.fakes import score
from training.data.sources.ecinstruct import EXAMPLES, FIELDS, as_published

ROWS = [{field: row[field] for field in FIELDS} for row in EXAMPLES.values()]
TEST = [{**row, "split": "test"} for row in ROWS]


def write(path: Path, rows: Any) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def row(short: str, **changes: Any) -> dict[str, Any]:
    return {**next(one for one in TEST if one["task"] == TASKS[short]), **changes}


def read(path: Path, **options: Any) -> list[Item]:
    return ECINSTRUCT.read(path, Options(**options))


def right(question: Item) -> str:
    """The output that says the truth."""
    if isinstance(question.truth, str):
        return question.truth
    return ",".join(question.truth) if question.details["task"] == "QPR" else json.dumps(question.truth)


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(answers: Any, truths: Any) -> Any:
        raise ModelMissing("get it there")

    monkeypatch.setattr(learned_metrics, "bert_scores", missing)
    monkeypatch.setattr(learned_metrics, "bleurt_scores", missing)


def test_all_ten_tasks_are_asked_in_the_papers_order_and_in_training_s_words(tmp_path: Path) -> None:
    questions = read(write(tmp_path / "ECInstruct.json", TEST))
    assert [question.details["task"] for question in questions] == list(PRIMARY_METRICS)
    assert questions[0].task == "AVE, in-domain, seen instructions, 0-shot"
    for question in questions:
        task = TASKS[question.details["task"]]
        trained = as_published(EXAMPLES[task], None)  # type: ignore[arg-type]
        assert trained and question.text == trained.input_field


def test_answers_are_held_to_their_spaces(tmp_path: Path) -> None:
    spaces = {question.details["task"]: question.space for question in read(write(tmp_path / "ECInstruct.json", TEST))}
    assert spaces["PRP"] == OneOf(("A", "B", "C"))
    assert spaces["SA"] == OneOf(tuple("ABCDE"))
    assert spaces["PM"] == spaces["PSI"] == spaces["AP"] == OneOf(("yes", "no"))
    assert spaces["QPR"] == NumberList(("A", "B", "C"), 3)
    assert isinstance(spaces["AVE"], FreeText) and isinstance(spaces["AG"], FreeText)


def test_right_answers_score_one_and_unreadable_ones_zero(tmp_path: Path, without_models: None) -> None:
    questions = read(write(tmp_path / "ECInstruct.json", TEST))
    scores = score(ECINSTRUCT, questions, [right(question) for question in questions])
    assert {test.score for name, test in scores.tasks.items() if not name.startswith("AG")} == {1.0}
    assert scores.tasks["AG, in-domain, seen instructions, 0-shot"].score is None
    assert scores.missing == {"BERTScore F": "get it there", "BLEURT": "get it there"}
    assert not any(one.unreadable for one in scores.answers)
    scores = score(ECINSTRUCT, questions, [""] * len(questions))
    assert all(scores.unreadable(name) == 1 for name in scores.tasks)
    assert {test.score for name, test in scores.tasks.items() if not name.startswith("AG")} == {0.0}


def test_every_metric_of_the_paper_is_there(tmp_path: Path, without_models: None) -> None:
    questions = read(write(tmp_path / "ECInstruct.json", TEST))
    tests = score(ECINSTRUCT, questions, [""] * len(questions)).tasks
    metrics = {name.split(",")[0]: set(test.metrics) for name, test in tests.items()}
    several = {"accuracy"} | {f"{kind} {name}" for kind in ("macro", "micro") for name in ("precision", "recall", "F1")}
    binary = {"accuracy", "precision", "recall", "F1", "specificity", "negative rate"}
    assert metrics["PRP"] == metrics["SA"] == metrics["MPC"] == several
    assert metrics["PM"] == metrics["PSI"] == metrics["AP"] == binary
    assert (metrics["SR"], metrics["AVE"]) == ({"HR@1"}, {"F1*", "precision*", "recall*"})
    assert metrics["AG"] == {"BERTScore P", "BERTScore R", "BERTScore F", "BLEURT"}
    assert {name.split(",")[0]: test.metric for name, test in tests.items()} == {
        **PRIMARY_METRICS,
        "QPR": "NDCG, labels assumed",
    }


def test_the_models_scores_of_answers_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_metrics, "bert_scores", lambda answers, truths: [(0.5, 0.7, 0.6), (0.0, 0.0, 0.0)])
    monkeypatch.setattr(learned_metrics, "bleurt_scores", lambda answers, truths: [0.4, 0.0])
    questions = read(write(tmp_path / "x.json", [row("AG"), row("AG", input="other")]))
    scores = score(ECINSTRUCT, questions, ["two cups", " "])
    [(name, test)] = scores.tasks.items()
    assert test.metrics == {"BERTScore P": 0.25, "BERTScore R": 0.35, "BERTScore F": 0.3, "BLEURT": 0.2}
    assert (test.score, scores.unreadable(name)) == (0.3, 1)
    assert [one.score for one in scores.answers] == [0.6, 0.0]


def test_unreadable_answers_count_wrong(tmp_path: Path) -> None:
    rows = [row("PM", output="yes"), row("PM", output="yes"), row("SR", output="A"), row("SR", output="B")]
    questions = read(write(tmp_path / "x.json", rows))
    outputs = ["yes", "perhaps", "A", "none"]
    counted = score(ECINSTRUCT, questions, outputs)
    assert [(test.score, counted.unreadable(name)) for name, test in counted.tasks.items()] == [
        (pytest.approx(2 / 3), 1),
        (0.5, 1),
    ]


def results_of(items: list[Item], outputs: list[str]) -> Results:
    answers = Answers(outputs, [1.0] * len(outputs), [Batch(list(range(len(outputs))), outputs, 1.0, {})], 0, 0)
    return make_results(ECINSTRUCT, "x.json", items, answers, Options(), Path("weights"))


def test_the_authors_script_stands_beside_ours(tmp_path: Path) -> None:
    """On malformed answers ours counts a failure as wrong; the script drops it, and reads "Both of them" as B."""
    rows = [row("PRP", output=truth, input=f"{n}") for n, truth in enumerate("AABBC")]
    rows += [row("PM", output="yes"), row("QPR", output="A,B,C", labels=["E", "S", "I"])]
    items = read(write(tmp_path / "x.json", rows))
    results = results_of(items, ["A", "Both of them", "B.", "unknown", "C: x", "yes", "A, B, C"])
    relations, matching, ranking = results["per_task"].values()
    # ours: A and B found once of twice, C once. Theirs, of four rows: A 1/1 and 1/2, B 1/2 and 1/1, C right.
    assert (relations["score"], relations["published"]["score"]) == pytest.approx(((2 / 3 + 2 / 3 + 1) / 3, 7 / 9))
    assert relations["published"]["metrics"]["#invalid"] == 1
    assert (matching["score"], matching["published"]["score"]) == (1, None)
    assert "both yes and no" in matching["published"]["undefined"]
    assert (ranking["score"], ranking["published"]["score"]) == (1, pytest.approx(1, abs=1e-5))
    mean = (7 / 9 + ranking["published"]["score"]) / 2
    assert results["published"] == {"score": pytest.approx(mean), "defined": 2, "tasks": 3}
    assert [group["published"] for group in results["per_group"].values()] == [results["published"]]
    assert [one["published_parsed"] for one in results["samples"]] == ["A", "B", "B", None, "C", "yes", [1]]

    table = format_results(results)
    assert "0.778 f1" in table and "not defined" in table and "0.889 (2 of 3 tasks)" in table
    assert f"not defined there: {items[5].task}: " in table
    page = render_report(results)
    assert "<th>Published</th>" in page and "0.778 f1" in page and "both yes and no" in page


def test_without_the_products_labels_the_script_says_nothing_of_a_ranking(tmp_path: Path) -> None:
    items = read(write(tmp_path / "x.json", [row("QPR")]))
    [task] = results_of(items, [right(items[0])])["per_task"].values()
    assert (task["published"]["score"], task["score"]) == (None, 1)
    assert "label.json" in task["published"]["undefined"]


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["{[]: 1}", "[None]", "[{}]", "[[[", "A" * 9_000, "\x00", "\ud800", "A,A,B", "B:", "yes.", "[{'attribute':"]
    ),
    st.lists(
        st.dictionaries(st.sampled_from(["attribute", "value", "source"]), st.none() | st.integers() | st.text())
    ).map(json.dumps),
)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outputs=st.lists(HOSTILE, min_size=10, max_size=10))
def test_no_output_breaks_the_scoring(tmp_path: Path, without_models: None, outputs: list[str]) -> None:
    results = results_of(read(write(tmp_path / "ECInstruct.json", TEST)), outputs)
    values = [value for test in results["per_task"].values() for value in test["metrics"].values()]
    assert all(value is None or 0 <= value <= 1 for value in values)
    assert len(results["samples"]) == 10
    json.dumps([one["parsed"] for one in results["samples"]])
    render_report(results)
    assert format_results(results)


SETTINGS = {
    "IND_Diverse_Instruction": "in-domain, seen instructions",
    "IND_Single_Instruction": "in-domain, one instruction",
    "IND_Unseen_Instruction": "in-domain, unseen instruction",
    "OOD_Diverse_Instruction": "out-of-domain, seen instructions",
    "OOD_Unseen_Instruction": "out-of-domain, unseen instruction",
    None: "no setting named",
}


def test_each_setting_is_a_test_of_its_own_and_limited_on_its_own(tmp_path: Path) -> None:
    rows = [row("PM", setting=setting, input=f"{n}") for setting in SETTINGS for n in range(3)]
    path = write(tmp_path / "x.json", rows)
    questions = read(path, limit=2)
    assert sorted({question.group for question in questions}) == sorted(f"{name}, 0-shot" for name in SETTINGS.values())
    assert len(questions) == 2 * len(SETTINGS)


def test_only_the_wanted_split_is_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", [row("PM"), row("SR", split="val"), row("PSI", split="train")])
    assert [question.details["task"] for question in read(path)] == ["PM"]
    assert [question.details["task"] for question in read(path, split="val")] == ["SR"]
    with pytest.raises(BadSample, match=r"no test rows .*train 1.*--split"):
        read(write(tmp_path / "x.json", [row("PM", split="train")]))


def test_the_files_own_spellings_of_tasks_are_known(tmp_path: Path) -> None:
    spelled = {
        "QPR": ("Query_Product_Rank", "Query_Product_Ranking"),
        "PSI": ("Product_Substitute_Identification", "Product_Substitue_Identification"),
        "PRP": ("Product_Relation_Prediction", "Product_Relation_Predicition"),
    }
    for short, names in spelled.items():
        questions = read(write(tmp_path / "x.json", [row(short, task=name) for name in names]))
        assert [question.details["task"] for question in questions] == [short] * len(names)


def test_a_worked_example_is_the_rows_own_or_a_training_row(tmp_path: Path) -> None:
    own = {"input": "own input", "options": None, "output": "no"}
    other = row("PM", split="train", input="training input", output="yes")
    for rows, shown in (
        ([row("PM", few_shot_example=json.dumps(own)), other], "Input: own input\nResponse: no"),
        ([row("PM", few_shot_example="As text: yes"), other], "As text: yes"),
        ([row("PM"), other, row("SR", split="train")], "Input: training input\nResponse: yes"),
    ):
        [question] = [one for one in read(write(tmp_path / "x.json", rows), shots=1) if one.task.startswith("PM")]
        assert f"Example:\n{shown}\n" in question.text
        assert question.text.endswith(f"Input: {row('PM')['input']}")
        assert question.group == "in-domain, seen instructions, 1-shot"
    with pytest.raises(BadSample, match="row 1: has no few_shot_example"):
        read(write(tmp_path / "x.json", [row("PM")]), shots=1)


def test_published_one_shot_rows_are_asked_for_one_shot_only(tmp_path: Path) -> None:
    ready = row("PM", setting="IND_Diverse_Instruction_1-shot", few_shot_example="Shown: yes", input="ready")
    path = write(tmp_path / "x.json", [row("PM", input="plain"), ready, row("PM", split="train")])
    [plain] = read(path)
    assert "plain" in plain.text
    [shown] = read(path, shots=1)
    assert "Shown: yes" in shown.text and "ready" in shown.text
    assert shown.task == "PM, in-domain, seen instructions, 1-shot"


def test_product_labels_come_from_our_builders_or_from_label_json(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    write(folder / "ECInstruct.json", [row("PM"), row("QPR"), row("QPR", output="A,B")])
    write(folder / "label.json", [["I", "E", "C"], ["S", "I"]])
    questions = read(folder)[1:]
    assert [question.details["labels"] for question in questions] == [
        {"A": "I", "B": "E", "C": "C"},
        {"A": "S", "B": "I"},
    ]
    assert score(ECINSTRUCT, questions, ["B,C,A", "A,B"]).tasks[questions[0].task].metrics == {"NDCG": 1.0}
    built = read(write(tmp_path / "built.json", [row("QPR", labels=["C", "E", "S"])]))
    assert built[0].details["labels"] == {"A": "C", "B": "E", "C": "S"}
    write(folder / "label.json", [["E", "I", "C"]])
    with pytest.raises(BadSample, match=r"label.json, entry 1: does not fit the order 'B,C,A'"):
        read(folder)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1]", "row 1: a JSON object is wanted"),
        ("[{}]", "row 1: field 'task' must be a text"),
        (json.dumps([row("PM", task="Essay")]), "row 1: unknown task 'Essay'; known: Attribute_Value_Extraction, "),
        (json.dumps([row("PM"), row("PM", output="maybe")]), "row 2: output 'maybe' is no answer of Product_Matching"),
        (json.dumps([row("SR", output="Z")]), "row 1: output 'Z' is no answer"),
        (json.dumps([row("AVE", output="red")]), "row 1: output 'red' is no answer"),
        (json.dumps([row("QPR", output="A,A")]), "'A,A'"),
        ("[{", "line 1: broken JSON"),
        ("{", "line 1: broken JSON"),
        ("", "no test rows"),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert says in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_missing_files_get_one_line(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "no.json", "cannot be read"), (tmp_path, "holds no .json")):
        with pytest.raises(UserError, match=says):
            read(path)


def test_real_rows_of_five_tasks_are_read_and_scored(shared: Path) -> None:
    questions = read(shared / "data/sources/ecinstruct", split="train")
    counts = {test: sum(question.task == test for question in questions) for test in {q.task for q in questions}}
    assert sum(counts.values()) == 97 + 1499 + 1497 + 1496 + 337
    scores = score(ECINSTRUCT, questions, [right(question) for question in questions])
    assert {round(test.score or 0, 9) for test in scores.tasks.values()} == {1.0}
    assert not any(map(scores.unreadable, scores.tasks))


@pytest.mark.engine
def test_real_rows_are_answered_within_their_spaces(shared: Path, real_model: UserModel) -> None:
    questions = read(shared / "data/sources/ecinstruct", split="train", limit=1, shots=1)
    ranking = Item(
        "QPR", "Rank the products by price.\nA: ring\nB: pen\nC: car", [], space=NumberList(("A", "B", "C"), 3)
    )
    asked = [item.constrained_prompt() for item in [*questions, ranking]]
    *outputs, order = real_model.answer(asked)
    assert sorted(order.split(",")) == ["A", "B", "C"]
    for question, output in zip(questions, outputs, strict=True):
        assert not isinstance(question.space, OneOf) or output in question.space.names
    scores = score(ECINSTRUCT, questions, outputs)
    assert not any(scores.unreadable(name) for name in scores.tasks if not name.startswith("AVE"))
    assert real_model.answer(asked[:5]) == outputs[:5]
