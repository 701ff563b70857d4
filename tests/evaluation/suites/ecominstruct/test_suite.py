"""EcomInstruct as a benchmark: reading the published folders and scoring whole tasks."""

from __future__ import annotations

import gzip
import json
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import local_evaluation
from evaluation.benchmark import Item, Options
from evaluation.suites.ecominstruct.suite import ECOMINSTRUCT
from models.planning import ConstrainedPrompt
from models.spaces.free_text import FreeText
from models.spaces.label_set import LabelSet
from models.spaces.one_of import OneOf
from models.spaces.quoted_spans import QuotedSpans
from models.user_config import UserModel
from shopbench.errors import UserError
from shopbench.sample import BadSample
from shopbench.tasks import TaskType
from tests.evaluation.fakes import make_weights, score

ALL = Options()
CHOICE = {
    "task": "EN-Shop-CLS-topic",
    "defi": "topic",
    "label_set": {"en": ["good", "bad"], "zh": ["好", "坏"]},
    "label_key": "zh",
    "label_sep": ", ",
    "test_prompt": {"instruction": "{sentences}\nOne of {label_set}.\n### Response:"},
}
TYPED = {
    **CHOICE,
    "task": "EN-Shop-NER-NER",
    "label_set": {"en": ["Brand", "Product"]},
    "label_key": "en",
    "test_prompt": {"instruction": "{sentences}\nExtract the {label_set}.\n### Response:"},
}


def write_task(folder: Path, meta: Any, rows: list[Any], file: str = "test.json") -> Path:
    folder.mkdir(parents=True)
    (folder / "meta-info.json").write_text(json.dumps(meta))
    (folder / file).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return folder


def test_the_published_tree_is_read(tmp_path: Path) -> None:
    rows = [{"sentences": f"row {n} {{label_set}}", "labels": {"zh": ["好"], "en": ["good"]}} for n in range(3)]
    write_task(tmp_path / "Shop/tasks/ZH-Shop-CLS-topic", CHOICE, rows)
    spans = [{"term": "Asus", "type": "Brand"}, {"term": "mouse", "type": "Product"}]
    write_task(tmp_path / "Shop/tasks/EN-Shop-NER-NER", TYPED, [{"sentences": "Asus mouse", "spans": spans}])
    entities, first, second = ECOMINSTRUCT.read(tmp_path, Options(limit=2))
    assert (entities.task, entities.group) == ("EN-Shop-NER-NER", "NER")
    assert entities.text == "Asus mouse\nExtract the Brand, Product.\n### Response:"
    assert entities.truth == ["brand: asus", "product: mouse"]
    assert entities.details["reference"] == "Brand: Asus\nProduct: mouse"
    assert entities.details["row"] == {"sentences": "Asus mouse", "spans": spans}
    assert first.text == "row 0 {label_set}\nOne of 好, 坏.\n### Response:"  # what a row holds is no template
    assert first.truth == second.truth == ["好"]
    assert first.space == OneOf(("好", "坏"))
    assert first.task_type is TaskType.GENERATION


def test_a_task_with_rows_of_several_labels_may_be_answered_with_several(tmp_path: Path) -> None:
    rows = [{"sentences": "a", "labels": {"zh": ["好"]}}, {"sentences": "b", "labels": {"zh": ["坏", "好"]}}]
    write_task(tmp_path / "ZH-Shop-CLS-topic", CHOICE, rows)
    questions = ECOMINSTRUCT.read(tmp_path, Options(limit=1))
    assert [question.space for question in questions] == [LabelSet(("好", "坏"))]


def test_rows_without_spans_are_read_and_right_when_nothing_is_found(tmp_path: Path) -> None:
    rows = [
        {"sentences": "Asus mouse", "spans": [{"term": "Asus", "type": "Brand"}]},
        {"sentences": "a mouse", "spans": []},
        {"sentences": "mouse", "spans": None},
        {"sentences": "the mouse"},
    ]
    write_task(tmp_path / "EN-Shop-Condition_Extract-brands", TYPED, rows)
    write_task(tmp_path / "EN-Shop-NER-NER", TYPED, rows)
    questions = ECOMINSTRUCT.read(tmp_path, ALL)
    assert [question.truth for question in questions] == [["asus"], [], [], [], ["brand: asus"], [], [], []]
    assert questions[0].space == FreeText(164)  # where nothing may be right, "None" must be sayable
    assert questions[5].details["reference"] == "Brand: None\nProduct: None"
    nothing = "Brand: None\nProduct: None"
    outputs = ["Asus", "None", "", "mouse", "Brand: Asus\nProduct: None", nothing, nothing, "Product: mouse"]
    scores = score(ECOMINSTRUCT, questions, outputs)
    spans, entities = scores.tasks.values()
    assert (spans.metric, spans.score) == ("rouge_l", 3 / 4)
    assert (entities.metric, entities.metrics["exact"]) == ("micro_f1", 3 / 4)
    assert not any(one.unreadable for one in scores.answers)


def test_a_type_that_only_a_row_names_is_to_be_found_too(tmp_path: Path) -> None:
    spans = [{"term": "Asus", "type": "Brand"}, {"term": "black", "type": "Colour"}]
    write_task(tmp_path / "EN-Shop-NER-NER", TYPED, [{"sentences": "Asus mouse, black", "spans": spans}])
    [question] = ECOMINSTRUCT.read(tmp_path, ALL)
    assert question.details["reference"] == "Brand: Asus\nProduct: None\nColour: black"
    assert question.truth == ["brand: asus", "colour: black"]


def test_the_headline_is_rouge_for_spans_and_titles_and_f1_else(tmp_path: Path) -> None:
    spans = [{"term": "Asus", "type": "Brand"}]
    for kind in ("Condition_Extract", "Extract", "NER", "Generate"):
        write_task(tmp_path / f"EN-Shop-{kind}-x", TYPED, [{"sentences": "Asus mouse", "spans": spans}])
    write_task(tmp_path / "ZH-Shop-CLS-x", CHOICE, [{"sentences": "?", "labels": {"zh": ["好"]}}])
    questions = ECOMINSTRUCT.read(tmp_path, ALL)
    scores = score(ECOMINSTRUCT, questions, ["x Asus"] * 5)
    wanted = {
        "EN-Shop-Condition_Extract-x": ("rouge_l", "rouge-l-f1"),
        "EN-Shop-Extract-x": ("rouge_l", "rouge-l-f1"),
        "EN-Shop-Generate-x": ("rouge_l", "rouge-l-f1"),
        "EN-Shop-NER-x": ("micro_f1", "micro-f1"),
        "ZH-Shop-CLS-x": ("micro_f1", "micro-f1"),
    }
    published = {one.item.task: ECOMINSTRUCT.published([one]) for one in scores.answers}
    assert {name: (task.metric, published[name].metric) for name, task in scores.tasks.items()} == wanted
    assert scores.answers[0].score == scores.tasks["EN-Shop-Condition_Extract-x"].score == pytest.approx(2 / 3)


def test_the_published_column_is_the_authors_script_on_the_rows_as_published(tmp_path: Path) -> None:
    rows = [{"sentences": text, "labels": {"zh": ["好"], "en": ["good"]}} for text in "abc"]
    write_task(tmp_path / "topics", {**CHOICE, "task": "odd"}, rows)  # no name says the kind
    scores = score(ECOMINSTRUCT, ECOMINSTRUCT.read(tmp_path, ALL), ["好", "好。", ""])
    assert scores.tasks["topics"].score == pytest.approx(4 / 5)  # 2 of 2 given, of 3: the full stop is none
    published = ECOMINSTRUCT.published(scores.answers)
    assert published.given.parsed == [["好"], ["好。"], ["error"]]
    assert published.score == pytest.approx(1 / 3)
    ended = ECOMINSTRUCT.published(score(ECOMINSTRUCT, [scores.answers[0].item], ["."]).answers)
    assert (ended.score, ended.given.undefined) == (None, "the script ends (the answer holds no sentence)")


def test_rows_of_another_form_than_the_scripts_have_no_published_number(tmp_path: Path) -> None:
    write_task(tmp_path / "EN-Shop-Extract-x", CHOICE, [{"sentences": "a", "labels": {"zh": ["a"]}}])
    scores = score(ECOMINSTRUCT, ECOMINSTRUCT.read(tmp_path, ALL), ["a"])
    published = ECOMINSTRUCT.published(scores.answers)
    assert (scores.tasks["EN-Shop-Extract-x"].score, published.score) == (1, None)
    assert published.given.undefined is not None
    assert "spans must be a list" in published.given.undefined


@pytest.mark.parametrize(
    ("folder", "task", "row", "kind"),
    [
        (
            "EN-Shop-Condition_Extract-x",
            "EN-Shop-NER-NER",
            {"spans": [{"term": "a", "type": "Brand"}]},
            "Condition_Extract",
        ),
        ("odd", "EN-Shop-NER-NER", {"spans": [{"term": "a", "type": "Brand"}]}, "NER"),
        ("odd", "odd", {"spans": [{"term": "a", "type": "Brand"}]}, "NER"),
        ("odd", "odd", {"spans": [{"term": "a"}]}, "Extract"),
        ("odd", "odd", {"labels": {"zh": ["好"]}}, "CLS"),
    ],
)
def test_the_folder_says_the_kind_then_the_description_then_the_rows(
    tmp_path: Path, folder: str, task: str, row: dict[str, Any], kind: str
) -> None:
    write_task(tmp_path / folder, {**CHOICE, "task": task}, [{"sentences": "a", **row}], "test.jsonl")
    assert [question.group for question in ECOMINSTRUCT.read(tmp_path, ALL)] == [kind]


GOOD = {"sentences": "a", "labels": {"zh": ["好"]}}


@pytest.mark.parametrize(
    ("meta", "rows", "says"),
    [
        ([], [GOOD], "meta-info.json: the task's description must be a JSON object"),
        ({**CHOICE, "test_prompt": {}}, [GOOD], "test_prompt.instruction must be a text with {sentences}"),
        (CHOICE, [], "holds no rows"),
        (CHOICE, [GOOD, [1]], "line 2: a JSON object is wanted"),
        (CHOICE, [{"labels": {"zh": ["好"]}}], "line 1: no row of a task (field 'sentences' must be text)"),
        (
            CHOICE,
            [GOOD, {"sentences": "a", "labels": {"fr": ["bon"]}}],
            "line 2: no row of a task (has neither labels 'zh'",
        ),
        (CHOICE, [{"sentences": "a", "labels": "好"}], "line 1: no row of a task"),
        (CHOICE, [{"sentences": "a", "spans": ["x"]}], "line 1: no row of a task"),
        (CHOICE, [GOOD, {"sentences": "a", "spans": []}], "line 2: no row of a task (has neither labels 'zh' nor"),
    ],
)
def test_a_bad_folder_gets_one_line(tmp_path: Path, meta: Any, rows: list[Any], says: str) -> None:
    write_task(tmp_path / "ZH-Shop-CLS-topic", meta, rows)
    with pytest.raises(UserError) as error:
        ECOMINSTRUCT.read(tmp_path, ALL)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_description_is_read_in_every_encoding_that_its_rows_are(encoding: str, tmp_path: Path) -> None:
    folder = write_task(tmp_path / "ZH-Shop-CLS-topic", CHOICE, [GOOD])
    (plain,) = ECOMINSTRUCT.read(tmp_path, ALL)
    for file in folder.iterdir():
        file.write_text(file.read_text(encoding="utf-8"), encoding=encoding)
    assert ECOMINSTRUCT.read(tmp_path, ALL) == [plain]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"{", "the task's description is broken JSON"),
        (b'{"a": "\xff"}', "the task's description is broken JSON"),
        (gzip.compress(b"{}" * 1000)[:-9], "cannot be unpacked"),
    ],
)
def test_what_is_no_description_gets_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    folder = write_task(tmp_path / "ZH-Shop-CLS-topic", CHOICE, [GOOD])
    (folder / "meta-info.json").write_bytes(content)
    with pytest.raises(BadSample) as error:
        ECOMINSTRUCT.read(tmp_path, ALL)
    assert says in str(error.value) and "meta-info.json" in str(error.value)


def test_a_folder_without_tasks_or_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSample, match=r"holds no meta-info\.json; give a folder"):
        ECOMINSTRUCT.read(tmp_path, ALL)
    write_task(tmp_path / "a", CHOICE, [GOOD], "train.jsonl")
    with pytest.raises(BadSample, match=r"has no test\.json or test\.jsonl"):
        ECOMINSTRUCT.read(tmp_path, ALL)


def question(kind: str, truth: list[str], reference: str) -> Item:
    details = {"labels": ["Brand", "Product"], "separator": ", ", "reference": reference}
    return Item("test", "?", truth, space=FreeText(9), group=kind, details=details)


def test_scores_by_hand() -> None:
    questions = [
        question("NER", ["brand: asus", "product: mouse"], "Brand: Asus\nProduct: mouse"),
        question("NER", ["brand: lego"], "Brand: Lego"),
        question("NER", ["brand: ty"], "Brand: Ty"),
    ]
    scores = score(ECOMINSTRUCT, questions, ["Brand: Asus", "Lego: Product", ""])
    assert [one.score for one in scores.answers] == [pytest.approx(2 / 3), 0, 0]
    assert [one.unreadable for one in scores.answers] == [False, False, True]
    test = scores.tasks["test"]
    assert (test.metric, scores.unreadable("test")) == ("micro_f1", 1)
    assert test.score == pytest.approx(2 / 6)  # 1 right, 1 wrong, 3 not found
    assert test.metrics["untyped_f1"] == pytest.approx(4 / 6)  # asus and lego are found, mouse and ty are not
    # words in order: brand asus of 4 words; lego of "lego product" and "brand lego"; nothing
    assert test.metrics["rouge_l"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_titles_have_rouge_only() -> None:
    questions = [question("Generate", ["红鞋"], "红鞋"), question("Generate", ["红鞋"], "红鞋")]
    test = score(ECOMINSTRUCT, questions, ["红鞋", "红"]).tasks["test"]
    assert test.metrics == {"rouge_l": pytest.approx((1 + 2 / 3) / 2)}
    nothing = score(ECOMINSTRUCT, questions, ["", ""])
    assert (nothing.tasks["test"].score, nothing.unreadable("test")) == (0, 2)


@pytest.mark.slow
def test_all_thirteen_folders_run_and_right_answers_score_one(shared: Path) -> None:
    questions = ECOMINSTRUCT.read(shared / "data/ecom_instruct", ALL)
    right = score(ECOMINSTRUCT, questions, [question.details["reference"] for question in questions])
    assert len(right.tasks) == 13
    assert len(questions) == len(right.answers) == 1300
    assert {test.score for test in right.tasks.values()} == {1.0}
    assert all(set(test.metrics.values()) == {1.0} for test in right.tasks.values())
    json.dumps([(question.truth, dict(question.details)) for question in questions])
    wrong = score(ECOMINSTRUCT, questions, ["\ufffd"] * len(questions))
    assert {test.score for test in wrong.tasks.values()} == {0.0}


@pytest.mark.slow
def test_answers_can_be_written_within_their_spaces(shared: Path) -> None:
    questions = ECOMINSTRUCT.read(shared / "data/ecom_instruct", ALL)
    written = [question.space.finish(question.details["reference"]) for question in questions]
    assert {test.score for test in score(ECOMINSTRUCT, questions, written).tasks.values()} == {1.0}


@pytest.mark.engine
def test_a_real_model_answers_one_row_of_each_folder(shared: Path, real_model: UserModel) -> None:
    questions = ECOMINSTRUCT.read(shared / "data/ecom_instruct", Options(limit=1))
    outputs = real_model.answer([question.constrained_prompt() for question in questions])
    scores = score(ECOMINSTRUCT, questions, outputs)
    assert len(scores.tasks) == 13
    for question, output in zip(questions, outputs, strict=True):
        if isinstance(question.space, OneOf):
            assert output in question.space.names
        if isinstance(question.space, LabelSet):
            assert set(output.split(", ")) <= set(question.space.names)
        if isinstance(question.space, QuotedSpans):
            assert all(part in question.text for part in output.split(", "))


class Reference:
    """A model that knows every answer."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def get_batch_size(self) -> int:
        return 16

    def answer(self, prompts: Sequence[ConstrainedPrompt]) -> list[str]:
        return [self.answers[one.text] for one in prompts]


def test_the_command_runs_all_thirteen_folders(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared / "data/ecom_instruct"
    answers = {one.text: one.details["reference"] for one in ECOMINSTRUCT.read(folder, Options(limit=20))}
    user_config = types.SimpleNamespace(UserModel=lambda: Reference(answers))
    monkeypatch.setitem(sys.modules, "models.user_config", user_config)  # type: ignore[arg-type]
    monkeypatch.setenv("SHOPBENCH_WEIGHTS", "")  # undone after the test, whatever main() sets
    files = {"questions": folder, "weights": make_weights(tmp_path / "weights")}
    files |= {name: tmp_path / name for name in ("output", "report")}
    arguments = [part for name, value in files.items() for part in (f"--{name}", str(value))]
    assert local_evaluation.main([*arguments, "--benchmark", "ecominstruct", "--limit", "20"]) == 0
    results = json.loads((tmp_path / "output").read_text())
    assert results["score"] == 1
    assert len(results["per_task"]) == 13
    assert {task["count"] for task in results["per_task"].values()} == {20}
    assert {group: one["tasks"] for group, one in results["per_group"].items()} == {
        "CLS": 6,
        "Condition_Extract": 2,
        "NER": 2,
        "Extract": 2,
        "Generate": 1,
    }
    assert results["per_group"]["CLS"]["metrics"]["macro_f1"] == 1
    printed = capsys.readouterr().out
    assert "macro_f1 1.000" in printed
    assert "means over 13 tasks: rouge_l 1.000\n" in printed  # what titles have too
    assert "ZH-MEPAVE-NER-attribute_value_extraction" in (tmp_path / "report").read_text()
