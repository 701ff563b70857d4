"""The script of eCeLLM [Peng et al., ICML 2024]: evaluate.py of the authors' repository, `main(task, setting)`.

What is peculiar to it, beside the paper's own definitions (evaluation/suites/ecinstruct/answers.py):
- An answer that cannot be read is left out, with its truth, instead of counted wrong ("#invalid" counts those).
- Letters are the first character, if it is one of A to E, whatever the options: "Answer: C" is A, "Both" is B. An
  empty answer ends the script. Recommendations must be the letter alone, yes and no the word alone.
- Attribute values: each pair of a true and a predicted entry that agree is a hit, so entries given twice bring rates
  above 1. Out of domain a part of the value and of the source is enough.
- A ranking's letters are the first characters between commas ("A, B" holds A only), and the best order that its
  NDCG is measured by is that of the letters read.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.published import BadCase, Published, column
from shopbench.ecinstruct import ESCI_GAINS, TASKS, YES_NO_TASKS, short_name
from shopbench.metrics import mean

YES_NO = ("acc", "recall", "precision", "f1", "specificity", "npr", "#invalid")
LETTERS = ("acc", "recall", "precision", "f1", "#invalid")
RECOMMENDATION = ("recall@1", "#invalid")
VALUES = ("recall", "precision", "f1", "#invalid")
RANKING = ("NDCG", "#invalid")
_NOTHING_READ = "no answer can be read, which ends the script (ValueError)"
_NO_JSON = object()
_FIELDS = ("attribute", "value", "source")


def score(
    task: str,
    setting: str,
    reading: str,
    meta: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[str],
) -> Published:
    """The scores of a task's answers as the script prints them, unrounded.

    Args:
        task: as the file of rows or the script spells it.
        setting: one that begins with OOD compares attribute values by parts.
        rows: `output`, the true answer; of a ranking `labels` besides, the E, S, C or I of A, B, ... in label.json.
    """
    short = short_name(task)
    if short is None or short == "AG":
        known = ", ".join(name for own, name in TASKS.items() if own != "AG")
        raise BadCase(f"task {task!r:.60} is none that is scored without a model; known: {known}")
    if not rows:
        raise BadCase("there are no rows to score; give at least one")
    if short == "QPR":
        return _ranking(column(rows, "labels", list), answers)
    truths = column(rows, "output")
    if short == "AVE":
        return _values(truths, answers, parts="OOD" in setting)
    if short == "SR":
        return _recommendation(truths, answers)
    return (_yes_no if short in YES_NO_TASKS else _letters)(truths, answers)


def _defined(names: Sequence[str], values: Sequence[float], parsed: Sequence[Any]) -> Published:
    return Published({name: float(value) for name, value in zip(names, values, strict=True)}, parsed)


def _undefined(names: Sequence[str], why: str, parsed: Sequence[Any]) -> Published:
    return Published(dict.fromkeys(names), parsed, why)


def _yes_no(truths: Sequence[str], answers: Sequence[str]) -> Published:
    words = [answer.lower().strip() for answer in answers]
    parsed = [word if word in ("yes", "no") else None for word in words]
    true, read = _read(truths, parsed)
    if not read:
        return _undefined(YES_NO, _NOTHING_READ, parsed)
    if len({*true, *read}) != 2 or "yes" not in {*true, *read}:
        why = "the answers that can be read and their truths must hold both yes and no, else the script ends"
        return _undefined(YES_NO, f"{why} (ValueError)", parsed)
    from sklearn import metrics  # costs seconds, which other benchmarks need not pay

    options = {"pos_label": "yes", "average": "binary", "zero_division": 0}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(true, read, **options)
    tn, fp, fn, _ = metrics.confusion_matrix(true, read).ravel()
    rates = (recall, precision, f1, tn / (tn + fp + 1e-8), tn / (tn + fn + 1e-8))
    return _defined(YES_NO, (metrics.accuracy_score(true, read), *rates, parsed.count(None)), parsed)


def _letters(truths: Sequence[str], answers: Sequence[str]) -> Published:
    firsts = [answer.strip()[:1] for answer in answers]
    parsed = [first if first in tuple("ABCDE") else None for first in firsts]
    true, read = _read([truth[:1] for truth in truths], parsed)
    if "" in firsts:
        return _undefined(LETTERS, "an answer is empty, which ends the script (IndexError)", parsed)
    if not read:
        return _undefined(LETTERS, _NOTHING_READ, parsed)
    from sklearn import metrics

    precision, recall, f1, _ = metrics.precision_recall_fscore_support(true, read, average="macro", zero_division=0)
    return _defined(LETTERS, (metrics.accuracy_score(true, read), recall, precision, f1, parsed.count(None)), parsed)


def _recommendation(truths: Sequence[str], answers: Sequence[str]) -> Published:
    words = [answer.strip() for answer in answers]
    parsed = [word if word in tuple("ABCDEFGHIJKLMNOPQRST") else None for word in words]
    true, read = _read(truths, parsed)
    if not read:
        return _undefined(RECOMMENDATION, _NOTHING_READ, parsed)
    hits = mean(float(own == truth) for own, truth in zip(read, true, strict=True))
    return _defined(RECOMMENDATION, (hits, parsed.count(None)), parsed)


def _read(truths: Sequence[str], parsed: Sequence[str | None]) -> tuple[list[str], list[str]]:
    """Truths and answers of the rows whose answer can be read."""
    kept = [(truth, answer) for truth, answer in zip(truths, parsed, strict=True) if answer is not None]
    return [truth for truth, _ in kept], [answer for _, answer in kept]


def _ranking(labels: Sequence[Sequence[Any]], answers: Sequence[str]) -> Published:
    parsed: list[list[float]] = []
    invalid = 0
    for own, answer in zip(labels, answers, strict=True):
        parts = answer.strip().split(",")
        gains = [ESCI_GAINS.get(_label(own, part[:1])) for part in parts]
        parsed.append([gain for gain in gains if gain is not None])
        invalid += gains.count(None)
    scores = [_dcg(gains) / (_dcg(sorted(gains, reverse=True)) + 1e-6) for gains in parsed]
    return _defined(RANKING, (mean(scores), invalid), parsed)


def _label(labels: Sequence[Any], letter: str) -> str:
    place = ord(letter) - ord("A") if letter else -1
    return str(labels[place]) if 0 <= place < len(labels) else ""


def _dcg(gains: Sequence[float]) -> float:
    return sum((2**gain - 1) / math.log2(place + 2) for place, gain in enumerate(gains))


def _values(truths: Sequence[str], answers: Sequence[str], parts: bool) -> Published:
    predicted = [_json(answer) for answer in answers]
    entries = [one if isinstance(one, list) else [] for one in predicted]
    parsed = [one if isinstance(one, list) else None for one in predicted]
    try:
        hits, wanted, found = _counts([_json(truth) for truth in truths], entries, parts)
    except (TypeError, KeyError) as error:
        why = f"an entry is not of attribute, value and source, which ends the script ({type(error).__name__})"
        return _undefined(VALUES, why, parsed)
    if not wanted:
        return _undefined(VALUES, "the truth holds no entry, which ends the script (ZeroDivisionError)", parsed)
    recall, precision = hits / wanted, hits / (found + 1e-6)
    f1 = 2 * recall * precision / (recall + precision + 1e-6)
    return _defined(VALUES, (recall, precision, f1, sum(one is _NO_JSON for one in predicted)), parsed)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON


def _counts(truths: Sequence[Any], predicted: Sequence[list[Any]], parts: bool) -> tuple[int, int, int]:
    """Hits, true entries and predicted ones; of untrusted JSON, indexed as the script does: what ends it ends this."""
    hits = wanted = found = 0
    for true, own in zip(truths, predicted, strict=True):
        for entry in () if true is _NO_JSON else true:
            hash(entry["attribute"])  # counted by attribute there, which a list of attributes ends
            wanted += 1
            hits += sum(_agree(entry, one, parts) for one in own)
    for one in itertools.chain(*predicted):
        if "attribute" in one:
            hash(one["attribute"])
            found += 1
    return hits, wanted, found


def _agree(true: Any, predicted: Any, parts: bool) -> bool:
    """Whether entries are the same; with `parts`, whether one's value and source lie in the other's."""
    if not all(name in predicted for name in _FIELDS) or not isinstance(predicted, dict):
        return False
    if all(predicted[name] == true[name] for name in _FIELDS):
        return True
    if not parts or predicted["attribute"] != true["attribute"]:
        return False
    value, source = predicted["value"], predicted["source"]
    if value is None or source is None or not _overlap(str(value), str(true["value"])):
        return False
    return _overlap(source, true["source"])


def _overlap(one: Any, other: Any) -> bool:
    return one in other or other in one
