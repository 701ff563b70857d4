"""Shopping MMLU as a benchmark: its files, both answers of an answer, and scores worked out by hand."""

from __future__ import annotations

import csv
import json
import math
import sys
import types
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import local_evaluation
from evaluation.benchmark import Item, Options
from evaluation.suites.shopping_mmlu.files import read_folder, skill_of
from evaluation.suites.shopping_mmlu.suite import SHOPPING_MMLU, parse_loosely
from models.planning import ConstrainedPrompt
from models.spaces.free_text import FreeText
from models.spaces.number_list import NumberList
from models.spaces.one_digit import OneDigit
from models.spaces.quoted_spans import QuotedSpans
from models.user_config import UserModel
from shopbench import embeddings
from shopbench.errors import UserError
from shopbench.tasks import TaskType
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import make_weights, score

ALL = Options()
CONCEPT, KNOWLEDGE, BEHAVIOR, MULTILINGUAL = (TRACKS[number].name for number in (1, 2, 3, 4))
RANKING = "Rank the five products by relevance to the query.\nQuery: kettle\n" + "".join(
    f"{number}. item {number}\n" for number in range(1, 6)
)
RETRIEVAL = "Select three snippets that fit.\n" + "".join(f"{number}. snippet {number}\n" for number in range(1, 9))


def write_csv(path: Path, rows: list[tuple[str, str, str]], header: str = "question,choices,answer") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([tuple(header.split(",")), *rows])
    return path


def write_json(path: Path, rows: list[Any], field: str = "target_field") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"input_field": row[0], field: row[1]} if isinstance(row, tuple) else row for row in rows]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A small release: every type, three skills."""
    choices = "['a cup', \"a dog's bowl\", 'a car, red', 'none']"
    first = tmp_path / "skill1_concept"
    write_csv(first / "multiple_choice/attribute_dataset.csv", [("Which holds tea?", choices, "0")] * 2)
    write_csv(first / "multiple_choice/review_rating_prediction_dataset.csv", [("Rate it from 1 to 5.", "", "4")])
    write_json(
        first / "named_entity_recognition/query_ner_dataset.json", [("Extract the brand.\nQuery: lego train", ["lego"])]
    )
    write_json(tmp_path / "skill2_knowledge/retrieval/snippets_dataset.json", [(RETRIEVAL, [1, 4, 7])])
    write_json(tmp_path / "skill3_behavior/ranking/products_dataset.json", [(RANKING, [1.0, 0.0, 0.1, 0.01, 0.0])])
    write_json(
        tmp_path / "skill3_behavior/generation/keyphrase_extraction_dataset.json", [("Shorten it.", "a red car")]
    )
    return tmp_path


def test_a_release_is_read_with_types_metrics_and_skills(release: Path) -> None:
    questions = {question.task: question for question in SHOPPING_MMLU.read(release, ALL)}
    assert {name: (one.group, str(one.task_type), one.metric) for name, one in questions.items()} == {
        "attribute": (CONCEPT, "multiple-choice", "accuracy"),
        "review_rating_prediction": (CONCEPT, "multiple-choice", "accuracy"),
        "query_ner": (CONCEPT, "named_entity_recognition", "micro f1"),
        "snippets": (KNOWLEDGE, "retrieval", "hit rate@3"),
        "products": (BEHAVIOR, "ranking", "ndcg"),
        "keyphrase_extraction": (BEHAVIOR, "generation", "rougel"),
    }
    asked = "Which holds tea?\n0. a cup\n1. a dog's bowl\n2. a car, red\n3. none\nAnswer: "
    assert (questions["attribute"].text, questions["attribute"].truth) == (asked, 0)
    assert questions["attribute"].space == OneDigit((0, 1, 2, 3))
    assert questions["review_rating_prediction"].text == "Rate it from 1 to 5.\nAnswer: "
    assert questions["review_rating_prediction"].space == OneDigit((1, 2, 3, 4, 5))
    assert questions["snippets"].space == NumberList(tuple(range(1, 9)), 3)
    assert questions["products"].space == NumberList((1, 2, 3, 4, 5), 5)
    assert isinstance(questions["query_ner"].space, QuotedSpans)
    assert isinstance(questions["keyphrase_extraction"].space, FreeText)
    assert json.dumps([(one.truth, dict(one.details)) for one in questions.values()])


def test_limit_is_by_task(release: Path) -> None:
    assert len(SHOPPING_MMLU.read(release, ALL)) == 7
    assert len(SHOPPING_MMLU.read(release, Options(limit=1))) == 6


def test_skill_files_are_read_instead_of_the_same_questions_by_task(release: Path) -> None:
    row = {
        "input_field": "Shorten it.",
        "output_field": "a red car",
        "task_name": "task6",
        "task_type": "generation",
        "metric": "rougel",
    }
    write_json(release / "skills/skill3_behavior.json", [row])
    write_json(release / "skills/skill4_multilingual.json", [{**row, "metric": "bleu", "task_name": "task17"}])
    questions = SHOPPING_MMLU.read(release, ALL)
    assert [(one.task, one.group, one.metric) for one in questions] == [
        ("task6", BEHAVIOR, "rougel"),
        ("task17", MULTILINGUAL, "bleu"),
    ]
    assert len(SHOPPING_MMLU.read(release / "skills/skill3_behavior.json", ALL)) == 1


def test_a_json_list_and_a_type_told_by_the_truth(tmp_path: Path) -> None:
    rows = [{"input_field": f"{truth}", "target_field": truth} for truth in ([1, 4, 7], [1, 0, 0.1], "text", ["a"])]
    (tmp_path / "mixed.json").write_text(json.dumps(rows))
    types = [str(sample.task_type) for sample, _ in read_folder(tmp_path)]
    assert types == ["retrieval", "ranking", "generation", "named_entity_recognition"]
    # four metrics under one file's name are four tests
    assert len({question.task for question in SHOPPING_MMLU.read(tmp_path, ALL)}) == 4


@pytest.mark.parametrize(
    ("path", "skill"),
    [
        ("skill1_concept/x.csv", TRACKS[1].challenge_id),
        ("skills/skill2_knowledge.json", TRACKS[2].challenge_id),
        ("data/user behaviour/ranking/x.json", TRACKS[3].challenge_id),
        ("Multi-lingual Abilities/multiple_choice/x.csv", TRACKS[4].challenge_id),
        ("multiple_choice/multilingual_x_dataset.csv", ""),
        ("mine/multiple_choice/x.csv", "mine"),
    ],
)
def test_the_path_names_the_skill(path: str, skill: str) -> None:
    assert skill_of(Path(path)) == skill


@pytest.mark.parametrize(
    ("task", "choices", "answer", "asked", "truth"),
    [
        ("attribute", "('a cup', 'a bowl')", "1", "?\n0. a cup\n1. a bowl\nAnswer: ", 1),
        ("attribute", "['a cup', 'a bowl']", "1.0", "?\n0. a cup\n1. a bowl\nAnswer: ", 1),
        ("attribute", "nan", "1", "?\nAnswer: ", 1),
        ("review_rating_prediction", "nan", "4.0", "?\nAnswer: ", 4),
        ("multilingual_review_rating_prediction_DE", "['1', '2', '3', '4', '5']", "5", "?\nAnswer: ", 5),
    ],
)
def test_choices_and_answers_as_data_frames_write_them(
    tmp_path: Path, task: str, choices: str, answer: str, asked: str, truth: int
) -> None:
    write_csv(tmp_path / f"{task}_dataset.csv", [("?", choices, answer)])
    [question] = SHOPPING_MMLU.read(tmp_path, ALL)
    assert (question.text, question.truth) == (asked, truth)
    assert question.space == OneDigit(
        (1, 2, 3, 4, 5) if "rating" in task else (0, 1, 2, 3) if choices == "nan" else (0, 1)
    )
    assert score(SHOPPING_MMLU, [question], [str(truth)]).tasks[question.task].score == 1
    json_row = {"input_field": "?", "output_field": float(truth), "task_name": "x", "task_type": "multiple-choice"}
    write_json(tmp_path / "skills/skill1_concept.json", [json_row])
    assert [question.truth for question in SHOPPING_MMLU.read(tmp_path, ALL)] == [truth]


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("a.csv", "question,choices\nx,\"['a', 'b']\"\n", "row 1: column 'answer' is missing"),
        ("a.csv", "question,choices,answer\nx,a or b,0\n", "row 1: choices 'a or b' are no list"),
        ("a.csv", "question,choices,answer\nx,\"['a', 'b']\",2\n", "row 1: answer '2' is no index of 2 choices"),
        ("a.csv", "question,choices,answer\nx,__import__('os'),1\n", "are no list"),
        ("a.csv", "question,choices,answer\nx,\"['a', 'b']\",0.5\n", "row 1: answer '0.5' is no index of 2 choices"),
        ("review_rating_prediction.csv", "question,answer\nx,6\n", "row 1: answer '6' is no rating from 1 to 5"),
        ("a.csv", 'question,choices,answer\nx,"[1', "cannot be read as csv"),
        ("a.csv", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("a.json", '{"input_field": "x"}\n', "line 1: field 'target_field' is missing"),
        ("a.json", '{"target_field": "x"}\n', "line 1: field 'input_field' is missing"),
        ("a.json", "{broken\n", "line 1: broken JSON"),
        ("a.json", "[1]", "row 1: a JSON object is wanted"),
        ("a.json", "[{]", "line 1: broken JSON"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.json", '{"input_field": "x", "target_field": {}}\n', "line 1: field 'output_field' is no truth"),
        ("a.json", '{"input_field": "x", "target_field": "y", "metric": "acc"}\n', "line 1: unknown metric 'acc'"),
        ("a.json", '{"input_field": "x", "target_field": "y", "task_type": ["x"]}\n', "line 1: "),
        ("a.txt", "x", "holds no questions; give the unpacked data folder"),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path: Path, file: str, content: str | bytes, says: str) -> None:
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        SHOPPING_MMLU.read(tmp_path, ALL)
    assert says in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("task_type", "text", "read"),
    [
        ("multiple-choice", "The answer is 2, not 3.", 2),
        ("multiple-choice", " 1", 1),
        ("multiple-choice", "② b", -1),
        ("multiple-choice", "", -1),
        ("retrieval", "1, 4, x, 7, 8\n9", [1, 4, 7]),
        ("retrieval", "1 and 4, 7", [7]),
        ("ranking", "3, 3, 12, 1\n2", [3, 3, 12, 1]),
        ("ranking", "-3, 2", [2]),
        ("named_entity_recognition", "Lego, train set\nthat is all", ["Lego", "train set"]),
        ("named_entity_recognition", "['lego']", ["['lego']"]),
        ("generation", " a car \n", "a car"),
    ],
)
def test_the_lenient_reading(task_type: str, text: str, read: Any) -> None:
    assert parse_loosely(TaskType(task_type), text) == read


def scores_of(questions: list[Item], *outputs: str) -> dict[str, dict[str, float | None]]:
    """The scores of each test: its own (read leniently), and as in the competition."""
    tests = score(SHOPPING_MMLU, questions, outputs).tasks
    assert all(list(test.metrics) == [test.metric, "competition"] for test in tests.values())
    return {name: {"own": test.score, "competition": test.metrics["competition"]} for name, test in tests.items()}


def pick(release: Path, *tests: str) -> list[Item]:
    return [question for question in SHOPPING_MMLU.read(release, ALL) if question.task in tests]


def test_both_ways_by_hand(release: Path) -> None:
    both = scores_of(pick(release, "attribute"), "0", "It is 0.")["attribute"]
    assert both == {"own": 1.0, "competition": 0.5}
    # the truth is 1, 4, 7: nobody reads a number in "4 and 7"
    assert scores_of(pick(release, "snippets"), "1, 4 and 7")["snippets"] == {
        "own": pytest.approx(1 / 3),
        "competition": pytest.approx(1 / 3),
    }
    assert scores_of(pick(release, "snippets"), "No. 1, no. 4, no. 7")["snippets"] == {"own": 0, "competition": 1}
    # tp 1, fp 0; as a list: no quoted lego without its brackets is right
    assert scores_of(pick(release, "query_ner"), "['Lego']")["query_ner"] == {"own": 0, "competition": 1}
    assert scores_of(pick(release, "query_ner"), "Lego\nI think")["query_ner"] == {"own": 1, "competition": 0}


def test_both_of_the_authors_scripts_stand_beside(release: Path) -> None:
    questions = pick(release, "attribute")
    published = SHOPPING_MMLU.published(score(SHOPPING_MMLU, questions, ["0", "It is 0."]).answers)
    assert (published.metric, published.score) == ("skill_wise", 0.5)
    assert published.given.metrics == {"skill_wise": 0.5, "task_wise": 1}
    assert published.given.parsed == [{"skill_wise": "0", "task_wise": "0"}, {"skill_wise": "I", "task_wise": "0"}]
    assert published.given.undefined is None
    # a task of a few choices: the first script takes any number of them, the second ends where one is missing
    few = [replace(one, details={"row": {"choices": ["a", "b"], "answer": 0}}) for one in questions]
    published = SHOPPING_MMLU.published(score(SHOPPING_MMLU, few, ["0", "0"]).answers)
    assert published.given.metrics == {"skill_wise": 1, "task_wise": None}
    assert str(published.given.undefined).startswith("task_wise: the script wants 4 choices")
    for test, answer, values in (
        ("snippets", "1, 4\n7", (1 / 3, 2 / 3)),
        ("review_rating_prediction", "4 stars", (1, 1)),
        ("query_ner", "Lego\nI think", (1, 1)),
        ("query_ner", "", (None, None)),
        ("keyphrase_extraction", "a red car", (1, 1)),
    ):
        found = SHOPPING_MMLU.published(score(SHOPPING_MMLU, pick(release, test), [answer]).answers)
        assert tuple(found.given.metrics.values()) == (pytest.approx(values[0]), pytest.approx(values[1]))


def test_a_repeated_item_gains_again_and_only_the_competition_refuses_it(release: Path) -> None:
    gains = [1.0, 0.1, 0.01]
    ideal = sum((2**gain - 1) / math.log2(place + 1) for place, gain in enumerate(gains, 1))
    repeated = 1 + 1 / math.log2(3)  # item 1 twice, then items without gain
    both = scores_of(pick(release, "products"), "1, 1, 2, 5, 9, 1")["products"]
    assert both == {"own": pytest.approx(repeated / ideal), "competition": 0}
    assert scores_of(pick(release, "products"), "1,3,4,2,5")["products"] == {"own": 1, "competition": 1}


def test_failed_answers_are_counted_as_wrong(release: Path) -> None:
    questions = pick(release, "attribute")
    scores = score(SHOPPING_MMLU, questions, ["0", "who knows"])
    assert [(one.parsed, one.unreadable, one.score) for one in scores.answers] == [(0, False, 1.0), (-1, True, 0.0)]
    assert (scores.unreadable("attribute"), scores.tasks["attribute"].score) == (1, 0.5)


def test_a_missing_model_leaves_its_task_unscored(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise embeddings.ModelMissing(f"{name} is not here; get it there")

    monkeypatch.setattr(embeddings, "find_model", missing)
    embeddings._model.cache_clear()
    write_json(release / "skill4_multilingual/generation/multilingual_explain_dataset.json", [("Erkläre", "Ein Topf.")])
    questions = pick(release, "multilingual_explain", "attribute")
    scores = score(SHOPPING_MMLU, questions, ["0", "1", "Ein Topf."])
    assert scores.tasks["multilingual_explain"].metrics == {
        "multilingual-sent-transformer": None,
        "competition": None,
    }
    assert scores.tasks["attribute"].score == 0.5
    assert list(scores.missing) == ["multilingual-sent-transformer"]


def test_right_answers_score_one_both_ways(release: Path) -> None:
    questions = SHOPPING_MMLU.read(release, ALL)
    truths = ["0", "0", "4", "lego", "1, 4, 7", "1, 3, 4, 2, 5", "a red car"]
    order = [
        "attribute",
        "attribute",
        "review_rating_prediction",
        "query_ner",
        "snippets",
        "products",
        "keyphrase_extraction",
    ]
    answers = dict(zip(order, truths, strict=True))
    metrics = scores_of(questions, *(answers[question.task] for question in questions))
    assert len(metrics) == 6
    assert all(one == {"own": 1, "competition": 1} for one in metrics.values())


@pytest.mark.engine
def test_a_real_model_answers_every_type(release: Path, real_model: UserModel) -> None:
    questions = SHOPPING_MMLU.read(release, ALL)
    outputs = real_model.answer([question.constrained_prompt() for question in questions])
    scores = score(SHOPPING_MMLU, questions, outputs)
    assert not any(one.unreadable for one in scores.answers)
    assert all(0 <= (test.score or 0) <= 1 for test in scores.tasks.values())


class SaysOne:
    """A model that always says the same."""

    def get_batch_size(self) -> int:
        return 4

    def answer(self, prompts: Sequence[ConstrainedPrompt]) -> list[str]:
        return ["It is 1, I think" for _ in prompts]


def test_the_command_averages_by_skill_both_ways(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user_config = types.SimpleNamespace(UserModel=SaysOne)
    monkeypatch.setitem(sys.modules, "models.user_config", user_config)  # type: ignore[arg-type]
    monkeypatch.setenv("SHOPBENCH_WEIGHTS", "")  # undone after the test, whatever main() sets
    data = tmp_path / "data"
    write_csv(data / "skill1_concept/a_dataset.csv", [("?", "['x', 'y', 'z', 'none']", "1")])
    write_csv(data / "skill1_concept/b_dataset.csv", [("?", "['x', 'y', 'z', 'none']", "0")])
    write_csv(data / "skill2_knowledge/c_dataset.csv", [("?", "['x', 'y', 'z', 'none']", "1")])
    output = tmp_path / "results.json"
    files = {"questions": data, "weights": make_weights(tmp_path / "weights"), "output": output}
    arguments = [part for name, value in files.items() for part in (f"--{name}", str(value))]
    assert local_evaluation.main([*arguments, "--benchmark", "shopping_mmlu"]) == 0
    results = json.loads(output.read_text())
    # read leniently, "1" is right in one of two tasks of the first skill and in the one of the second
    assert {name: group["score"] for name, group in results["per_group"].items()} == {CONCEPT: 0.5, KNOWLEDGE: 1}
    assert results["score"] == 0.75
    assert results["metrics"] == {"accuracy": 0.75, "competition": 0}
    # the leaderboard's script wants the number first
    assert (results["published"]["score"], results["published"]["defined"]) == (0, 3)
    assert results["per_task"]["a"]["published"]["metrics"] == {"skill_wise": 0, "task_wise": 1}
    assert "SCORE (mean over 2 groups): 0.750" in capsys.readouterr().out
