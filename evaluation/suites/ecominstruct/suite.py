"""EcomInstruct's held-out tasks (EcomGPT [Li et al., AAAI 2024]), in the form in which its authors publish them.

A folder with one folder a task, at any depth (`ABSA/tasks/EN-ABSA-CLS-review_topic_category/`): `meta-info.json` and
`test.json` or `test.jsonl`, one row a line (fields: shopbench/ecominstruct.py). The third part of a task's name says
its kind, the first its language. A question is the description's own prompt with all of its labels; the published
script puts "Below is an instruction that describes the ... task" before it, here the system line stands there.

Answers: a label of the set (several where any row of the task has several), spans quoted from the sentences, free
text for typed spans and titles, and for spans where any row of the task has none. Scores: ROUGE-L (the headline of
spans and titles), and for all but titles set F1, micro (the headline of labels and typed spans) and macro, for typed
spans also micro F1 of the spans alone (a model that was not trained on this form leaves the types out);
evaluation/suites/ecominstruct/answers.py says how. Beside them stands what the published script gives
(evaluation/published/ecomgpt.py): of all rows that are asked, where the script itself stops after five (--limit 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Item, Options, PublishedScores, Scored, TaskScores
from evaluation.published import BadCase, Published, ecomgpt
from evaluation.suites.ecominstruct import answers
from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.label_set import LabelSet
from models.spaces.one_of import OneOf
from models.spaces.quoted_spans import QuotedSpans
from shopbench import ecominstruct
from shopbench.ecominstruct import Kind
from shopbench.errors import UserError
from shopbench.files import read_json
from shopbench.metrics import mean, overlap
from shopbench.question import Question
from shopbench.sample import BadSample
from shopbench.tasks import TaskType
from shopbench.text_files import json_objects

ANSWER_TOKENS = 164
"""Of an answer at most, as in the published script."""
BY_ROUGE = (Kind.SPANS, Kind.QUOTATION, Kind.TEXT)
"""The kinds whose headline is ROUGE-L, as in the authors' README."""
META = "meta-info.json"
_Row = dict[str, Any]


class EcomInstruct(Benchmark):
    name = "ecominstruct"
    title = "EcomInstruct"
    questions = f"a folder of EcomInstruct's tasks, each with {META} and test.json or test.jsonl"

    def read(self, path: Path, options: Options) -> list[Item]:
        """The rows of every task folder under `path`, in the order of the folders' names."""
        folders = sorted((meta.parent for meta in path.rglob(META)), key=lambda folder: folder.name)
        if not folders:
            raise BadSample(f"{path}: holds no {META}; give {self.questions}")
        return [item for folder in folders for item in _read_task(folder, options.limit)]

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        """Each answer's F1, or its ROUGE-L where that is the headline; `details` is its ROUGE-L."""
        return list(map(_score_answer, items, outputs)), {}

    def score_task(self, scored: Sequence[Scored]) -> TaskScores:
        """ROUGE-L and set F1 of a task; an empty answer is wrong."""
        kind, labels = Kind(scored[0].item.group), scored[0].item.details["labels"]
        metrics: dict[str, float | None] = {"rouge_l": mean(one.details for one in scored)}
        if kind is Kind.TEXT:
            return TaskScores("rouge_l", metrics)
        pairs = [(one.parsed, one.item.truth) for one in scored]
        metrics |= answers.set_scores(pairs)
        if kind is Kind.ENTITIES:
            bare = [[answers.without_types(parts, labels) for parts in pair] for pair in pairs]
            metrics["untyped_f1"] = answers.set_scores(bare)["micro_f1"]
        return TaskScores("rouge_l" if kind in BY_ROUGE else "micro_f1", metrics)

    def published(self, scored: Sequence[Scored]) -> PublishedScores:
        """The authors' script on the answers."""
        first = scored[0].item
        rows, outputs = [one.item.details["row"] for one in scored], [one.output for one in scored]
        metric = ecomgpt.ROUGE if Kind(first.group) in BY_ROUGE else ecomgpt.MICRO
        try:
            given = ecomgpt.score(first.task, "", "", first.details["meta"], rows, outputs)
        except BadCase as error:  # rows that can be read here, of another form than the script's
            given = Published(dict.fromkeys(ecomgpt.METRICS), [None] * len(rows), str(error))
        return PublishedScores(metric, given)


def _read_task(folder: Path, limit: int | None) -> list[Item]:
    about = folder / META
    try:
        meta = read_json(about, "the task's description", "get it again")
        ecominstruct.question(meta, "")
    except UserError as error:
        raise BadSample(str(error)) from None
    except (ValueError, AttributeError) as error:
        raise BadSample(f"{about}: is no description of a task ({error}); get it again") from None
    rows_file = next((file for name in ("test.jsonl", "test.json") if (file := folder / name).is_file()), None)
    if rows_file is None:
        raise BadSample(f"{folder}: has no test.json or test.jsonl beside its {META}; add the task's rows")
    kind = Kind.of_task(folder.name) or Kind.of_task(str(meta.get("task", "")))
    rows = [_checked(f"{rows_file}, {where}", row, meta, kind) for where, row in json_objects(rows_file)]
    if not rows:
        raise BadSample(f"{rows_file}: holds no rows; give one JSON object a line")
    kind = kind or _kind_of(rows)
    counts = {len(ecominstruct.truths(meta, row)) for row in rows}
    return [_item(folder.name, kind, meta, row, counts) for row in rows[:limit]]


def _checked(where: str, row: _Row, meta: _Row, kind: Kind | None) -> _Row:
    """The row, of sentences with labels, or with spans, of which there may be none."""
    try:
        _text(row)
        wants_labels = kind is Kind.CLASSIFICATION or "labels" in row or (kind is None and "spans" not in row)
        if wants_labels and not ecominstruct.truths(meta, row):
            raise ValueError(f"has neither labels {meta.get('label_key', '')!r} nor spans")
        ecominstruct.typed_spans(row)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadSample(f"{where}: no row of a task ({error})") from None
    return row


def _text(row: _Row) -> str:
    """A row's sentences, which may be a list of words."""
    sentences = row.get("sentences")
    sentences = "".join(sentences) if isinstance(sentences, list) else sentences
    if not isinstance(sentences, str):
        raise ValueError("field 'sentences' must be text")
    return sentences


def _kind_of(rows: Sequence[_Row]) -> Kind:
    """What rows look like."""
    if "labels" in rows[0]:
        return Kind.CLASSIFICATION
    return Kind.ENTITIES if any(map(ecominstruct.typed_spans, rows)) else Kind.QUOTATION


def _item(task: str, kind: Kind, meta: _Row, row: _Row, counts: set[int]) -> Item:
    sentences = _text(row)
    text = ecominstruct.question(meta, sentences)
    labels, separator = ecominstruct.offered_labels(meta), ecominstruct.separator(meta)
    if kind is Kind.ENTITIES:
        spans = ecominstruct.typed_spans(row)
        kinds = list(dict.fromkeys([*labels, *(its_kind for _, its_kind in spans)]))  # a type may be in rows alone
        reference = ecominstruct.entities_text(spans, kinds, separator)
    else:
        reference = separator.join(ecominstruct.truths(meta, row))
    task_type = Question.read(text, False).task_type
    return Item(
        task=task,
        group=str(kind),
        text=text,
        space=_space(kind, labels, sentences, counts),
        truth=answers.read_answer(kind, reference, labels, separator),
        # The same system line as training/data/sources/ecominstruct.py gives such a question.
        task_type=TaskType.NER if task_type is TaskType.NER else TaskType.GENERATION,
        details={
            "labels": labels,
            "separator": separator,
            "reference": reference,
            "meta": {name: meta.get(name) for name in ("label_sep", "label_key", "label_set")} | {"kind": str(kind)},
            "row": {name: row[name] for name in ("sentences", "labels", "spans") if name in row},
        },
    )


def _space(kind: Kind, labels: Sequence[str], sentences: str, counts: set[int]) -> AnswerSpace:
    """What may be answered; `counts` are the numbers of right parts in the task's rows."""
    names = tuple(dict.fromkeys(label.strip() for label in labels))
    if kind is Kind.CLASSIFICATION and len(names) > 1:
        several = max(counts) > 1 and not any("," in name for name in names)
        return LabelSet(names) if several else OneOf(names)
    if kind in (Kind.SPANS, Kind.QUOTATION) and 0 not in counts:
        return QuotedSpans(sentences, ANSWER_TOKENS)
    return FreeText(ANSWER_TOKENS)


def _score_answer(item: Item, output: str) -> Scored:
    kind, details = Kind(item.group), item.details
    parts = answers.read_answer(kind, output, details["labels"], details["separator"])
    overlapping = answers.rouge(output, details["reference"])
    score = overlapping if kind in BY_ROUGE else answers.row_f1(overlap(parts, item.truth))
    unreadable = bool(item.truth) and answers.is_empty(output)
    return Scored(item, output, "".join(parts) if kind is Kind.TEXT else parts, unreadable, score, details=overlapping)


ECOMINSTRUCT = EcomInstruct()
