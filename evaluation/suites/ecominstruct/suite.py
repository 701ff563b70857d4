"""EcomInstruct's held-out tasks (EcomGPT [Li et al., AAAI 2024]), in the form in which its authors publish them.

A folder with one folder a task, at any depth (`ABSA/tasks/EN-ABSA-CLS-review_topic_category/`): `meta-info.json` and
`test.json` or `test.jsonl`, one row a line (fields: shopbench/ecominstruct.py). The third part of a task's name says
its kind, the first its language. A question is the description's own prompt with all of its labels; the published
script puts "Below is an instruction that describes the ... task" before it, here the system line stands there.

Answers: a label of the set (several where any row of the task has several), spans quoted from the sentences, free
text for typed spans and titles. Scores: ROUGE-L, and for all but titles set F1, micro (the headline) and macro, for
typed spans also micro F1 of the spans alone (a model that was not trained on this form leaves the types out);
evaluation/suites/ecominstruct/answers.py says how, and what the published script does otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Item, Options, Scored, TaskScores
from evaluation.suites.ecominstruct import answers
from evaluation.suites.ecominstruct.answers import Kind
from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.label_set import LabelSet
from models.spaces.one_of import OneOf
from models.spaces.quoted_spans import QuotedSpans
from shopbench import ecominstruct
from shopbench.metrics import mean, overlap
from shopbench.question import Question
from shopbench.sample import BadSample
from shopbench.tasks import TaskType
from shopbench.text_files import json_objects

ANSWER_TOKENS = 164
"""Of an answer at most, as in the published script."""
META = "meta-info.json"
_Row = dict[str, Any]


class EcomInstruct(Benchmark):
    name = "ecominstruct"
    title = "EcomInstruct"
    questions = f"a folder of EcomInstruct's tasks, each with {META} and test.json or test.jsonl"
    options = ("drop_failed",)

    def read(self, path: Path, options: Options) -> list[Item]:
        """The rows of every task folder under `path`, in the order of the folders' names."""
        folders = sorted((meta.parent for meta in path.rglob(META)), key=lambda folder: folder.name)
        if not folders:
            raise BadSample(f"{path}: holds no {META}; give {self.questions}")
        return [item for folder in folders for item in _read_task(folder, options.limit)]

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        """Each answer's F1 (ROUGE-L of a title); `details` is its ROUGE-L."""
        return list(map(_score_answer, items, outputs)), {}

    def score_task(self, scored: Sequence[Scored], options: Options) -> TaskScores:
        """ROUGE-L and set F1 of a task; an empty answer is wrong unless it is to be dropped; 0 where none is left."""
        kind, labels = Kind(scored[0].item.group), scored[0].item.details["labels"]
        kept = [one for one in scored if not (options.drop_failed and one.unreadable)]
        metrics: dict[str, float | None] = {"rouge_l": mean(one.details for one in kept) if kept else 0.0}
        if kind is Kind.TEXT:
            return TaskScores("rouge_l", metrics)
        pairs = [(one.parsed, one.item.truth) for one in kept]
        metrics |= answers.set_scores(pairs)
        if kind is Kind.ENTITIES:
            bare = [[answers.without_types(parts, labels) for parts in pair] for pair in pairs]
            metrics["untyped_f1"] = answers.set_scores(bare)["micro_f1"]
        return TaskScores("micro_f1", metrics)


def _read_task(folder: Path, limit: int | None) -> list[Item]:
    about = folder / META
    try:
        meta = json.loads(about.read_text(encoding="utf-8"))
        ecominstruct.question(meta, "")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise BadSample(f"{about}: is no description of a task ({error}); get it again") from None
    rows_file = next((file for name in ("test.jsonl", "test.json") if (file := folder / name).is_file()), None)
    if rows_file is None:
        raise BadSample(f"{folder}: has no test.json or test.jsonl beside its {META}; add the task's rows")
    rows = [_checked(f"{rows_file}, line {number}", row, meta) for number, row in json_objects(rows_file)]
    if not rows:
        raise BadSample(f"{rows_file}: holds no rows; give one JSON object a line")
    kind = _kind_of_task(folder.name, str(meta.get("task", "")), rows[0])
    several = any(len(ecominstruct.truths(meta, row)) > 1 for row in rows)
    return [_item(folder.name, kind, meta, row, several) for row in rows[:limit]]


def _checked(where: str, row: _Row, meta: _Row) -> _Row:
    """A row with its sentences as one text."""
    try:
        sentences = row.get("sentences")
        sentences = "".join(sentences) if isinstance(sentences, list) else sentences
        if not isinstance(sentences, str):
            raise ValueError("field 'sentences' must be text")
        if not ecominstruct.truths(meta, row):
            raise ValueError(f"has neither labels {meta.get('label_key', '')!r} nor spans")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadSample(f"{where}: no row of a task ({error})") from None
    return {**row, "sentences": sentences}


def _kind_of_task(folder: str, task: str, row: _Row) -> Kind:
    """The kind that the folder's name says, else the description's own, else what a row looks like."""
    for name in (folder, task):
        parts = name.split("-")
        if len(parts) > 2 and parts[2] in list(Kind):
            return Kind(parts[2])
    if "labels" in row:
        return Kind.CLASSIFICATION
    return Kind.ENTITIES if ecominstruct.typed_spans(row) else Kind.QUOTATION


def _item(task: str, kind: Kind, meta: _Row, row: _Row, several: bool) -> Item:
    text = ecominstruct.question(meta, row["sentences"])
    labels, separator = ecominstruct.offered_labels(meta), ecominstruct.separator(meta)
    if kind is Kind.ENTITIES:
        reference = answers.write_typed(ecominstruct.typed_spans(row), labels, separator)
    else:
        reference = separator.join(ecominstruct.truths(meta, row))
    task_type = Question.read(text, False).task_type
    return Item(
        task=task,
        group=str(kind),
        text=text,
        space=_space(kind, labels, row["sentences"], several),
        truth=answers.read_answer(kind, reference, labels, separator),
        # The same system line as training/data/sources/ecominstruct.py gives such a question.
        task_type=TaskType.NER if task_type is TaskType.NER else TaskType.GENERATION,
        details={"labels": labels, "separator": separator, "reference": reference},
    )


def _space(kind: Kind, labels: Sequence[str], sentences: str, several: bool) -> AnswerSpace:
    names = tuple(dict.fromkeys(label.strip() for label in labels))
    if kind is Kind.CLASSIFICATION and len(names) > 1:
        return LabelSet(names) if several and not any("," in name for name in names) else OneOf(names)
    if kind in (Kind.SPANS, Kind.QUOTATION):
        return QuotedSpans(sentences, ANSWER_TOKENS)
    return FreeText(ANSWER_TOKENS)


def _score_answer(item: Item, output: str) -> Scored:
    kind, details = Kind(item.group), item.details
    parts = answers.read_answer(kind, output, details["labels"], details["separator"])
    overlapping = answers.rouge(output, details["reference"])
    if kind is Kind.TEXT:
        return Scored(item, output, "".join(parts), not parts, overlapping, details=overlapping)
    return Scored(item, output, parts, not parts, answers.row_f1(overlap(parts, item.truth)), details=overlapping)


ECOMINSTRUCT = EcomInstruct()
