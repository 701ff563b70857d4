"""EcomGPT's script [Li et al., AAAI 2024]: Alibaba-NLP/EcomGPT, src/eval.py with src/data/task_{cls,extract}.py.

What is peculiar to it, beside the suite's own scores (evaluation/suites/ecominstruct/answers.py):
- An empty answer becomes the text "error", a wrong label or span; for a Condition_Extract answer of one character the
  same, and for its empty reference, so that an empty answer is right where nothing is to be found.
- Labels lose every "." and what stands around them; case counts, and only the separator with its blank divides.
- Macro F1 is that of the rows' mean precision and mean recall; a row without a given or a true part has 0 of both.
- F1 of a generated text is over its set of characters.
- Entities are scored by tags on the sentence's characters (ecomgpt_entities.py), ROUGE by ecomgpt_rouge.py.
- A text of full stops only ends the script, and for labels one of blanks.
Not followed: the script reads no more than the first five rows of a task. Here all that are given count; give it five.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from evaluation.published import BadCase, Published
from evaluation.published import ecomgpt_entities as entities
from evaluation.published.ecomgpt_rouge import rouge_l
from evaluation.scoring import share
from shopbench import ecominstruct
from shopbench.ecominstruct import Kind
from shopbench.metrics import mean

METRICS = MICRO, MACRO, ROUGE = "micro-f1", "macro-f1", "rouge-l-f1"
ERROR = "error"
"""What stands for an empty answer."""
_UNDEFINED = "no type occurs (nan), or spans of a type overlap and the order of a set decides"


class _Texts(NamedTuple):
    """What ROUGE compares, and what the set scores read from it."""

    answer: str
    reference: str
    given: str
    true: str


def score(
    task: str,
    setting: str,
    reading: str,
    meta: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[str],
) -> Published:
    """The scores of a task's answers, as they go to the script's file of results.

    Args:
        task: a folder's name, whose third part says what the task is; or `meta` holds a "kind".
        meta: of meta-info.json the label_sep, and for entities the label_set and label_key.
        rows: `sentences` with `labels` or `spans`.
    """
    _check(meta)
    kind, separator = _kind(task, meta), ecominstruct.separator(dict(meta))
    gold = gold_texts(meta, rows) if kind is Kind.ENTITIES else None
    references = [_joined(kind, meta, row) for row in rows] if gold is None else gold
    texts = [_READINGS[kind](answer, truth) for answer, truth in zip(answers, references, strict=True)]
    parsed: list[Any] = [_parts(kind, one.given, separator) for one in texts]
    true = [_parts(kind, one.true, separator) for one in texts]
    micro: float | None
    macro: float | None
    if kind is Kind.ENTITIES:
        micro, macro = entities.f1(zip(map(_sentences, rows), true, parsed, strict=True))
        parsed = [{name: sorted(spans) for name, spans in one.items()} for one in parsed]
    else:
        micro, macro = _set_f1(true, parsed)
    try:
        rouge = mean(rouge_l(one.answer, one.reference) for one in texts)
    except ValueError as error:
        return Published(dict.fromkeys(METRICS), parsed, f"the script ends ({error})", gold)
    why = _UNDEFINED if None in (micro, macro) else None
    return Published({MICRO: micro, MACRO: macro, ROUGE: rouge}, parsed, why, gold)


def _check(meta: Mapping[str, Any]) -> None:
    """BadCase for fields of another type than meta-info.json has."""
    label_set = meta.get("label_set") or []
    offered = label_set.values() if isinstance(label_set, dict) else [label_set]
    if not all(isinstance(labels, list) for labels in offered):
        raise BadCase(f"meta: label_set must be lists of labels, not {label_set!r:.60}")
    for name in ("label_key", "label_sep"):
        if not isinstance(meta.get(name) or "", str):
            raise BadCase(f"meta: {name} must be text, not {meta[name]!r:.40}")


def _parts(kind: Kind, text: str, separator: str) -> Any:
    """What F1 compares: spans by type, the text whose characters count, or labels or spans."""
    if kind is Kind.ENTITIES:
        return entities.read(text, separator)
    return text if kind is Kind.TEXT else text.split(separator)


def gold_texts(meta: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The reference texts of an entity task: a line for every type, "Type: None" for those without spans."""
    labels, separator = ecominstruct.offered_labels(dict(meta)), ecominstruct.separator(dict(meta))
    return [ecominstruct.entities_text(_spans(row, "term", "type"), labels, separator) for row in rows]


def _kind(task: str, meta: Mapping[str, Any]) -> Kind:
    name = meta.get("kind") or (task.split("-") + [""] * 3)[2]
    if name not in list(Kind):
        raise BadCase(f"the third part of task {task!r:.80} must be one of {', '.join(Kind)}")
    return Kind(name)


def _joined(kind: Kind, meta: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The reference text of a row that is no entity task's."""
    if kind is not Kind.CLASSIFICATION:
        separator = ecominstruct.SEPARATOR if kind is Kind.SPANS else ecominstruct.separator(dict(meta))
        return separator.join(term for [term] in _spans(row, "term"))
    labels = row.get("labels")
    own = labels.get(meta.get("label_key", "")) if isinstance(labels, dict) else None
    if not isinstance(own, list):
        raise BadCase(f"a row's labels must hold a list {meta.get('label_key', '')!r}, not {labels!r:.60}")
    return ecominstruct.separator(dict(meta)).join(map(str, own))


def _spans(row: Mapping[str, Any], *fields: str) -> list[list[str]]:
    """These fields of each span."""
    spans = row.get("spans")
    try:
        found = [[span[field] for field in fields] for span in spans or []]
    except (TypeError, KeyError):
        found = [[]]
    if not isinstance(spans, list) or not all(isinstance(text, str) for texts in found for text in texts or [None]):
        raise BadCase(f"a row's spans must be a list of objects with {' and '.join(fields)}, not {spans!r:.60}")
    return found


def _sentences(row: Mapping[str, Any]) -> str | list[str]:
    sentences = row.get("sentences")
    if not isinstance(sentences, str | list):
        raise BadCase(f"a row's sentences must be text, not {sentences!r:.60}")
    return sentences


def _labels(answer: str, truth: str) -> _Texts:
    read = answer.strip().replace(".", "") if answer else ERROR
    return _Texts(read, truth, read, truth)


def _condition(answer: str, truth: str) -> _Texts:
    read, true = answer if len(answer.strip()) > 1 else ERROR, truth or ERROR
    return _Texts(read, true, read, true)


def _quotation(answer: str, truth: str) -> _Texts:
    read = answer if answer.replace(".", "").strip() else ERROR
    return _Texts(read, truth, read.strip(), truth.strip())


def _text(answer: str, truth: str) -> _Texts:
    return _Texts(answer or ERROR, truth, (answer or ERROR).strip(), truth.strip())


def _entities(answer: str, truth: str) -> _Texts:
    return _Texts(answer or ERROR, truth, answer or ERROR, truth)


_READINGS: dict[Kind, Callable[[str, str], _Texts]] = {
    Kind.CLASSIFICATION: _labels,
    Kind.SPANS: _condition,
    Kind.QUOTATION: _quotation,
    Kind.TEXT: _text,
    Kind.ENTITIES: _entities,
}


def _set_f1(truths: Sequence[Sequence[str]], answers: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Micro F1 of the summed counts, and F1 of the rows' mean precision and recall."""
    sets = [(set(truth), set(answer)) for truth, answer in zip(truths, answers, strict=True)]
    right = [len(truth & answer) for truth, answer in sets]
    true, given = sum(len(truth) for truth, _ in sets), sum(len(answer) for _, answer in sets)
    precision = mean(share(tp, len(answer)) for tp, (_, answer) in zip(right, sets, strict=True))
    recall = mean(share(tp, len(truth)) for tp, (truth, _) in zip(right, sets, strict=True))
    return share(2 * sum(right), true + given), share(2 * precision * recall, precision + recall)
