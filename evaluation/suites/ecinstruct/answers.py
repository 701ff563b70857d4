"""How an answer to ECInstruct is read and scored, the file's own outputs too: letters, yes or no, orders, values.

None is "cannot be read" (#failed in the paper's tables). Reading is a little wider than the published script's: a
yes or a letter may be followed by a full stop, a letter by its option, a list of values may stand in other text.

The metrics are those of eCeLLM [Peng et al., ICML 2024], appendix A. An unreadable answer is no prediction and so
lowers recall, accuracy, specificity, HR@1 and NDCG, but no precision: that is what "counted as wrong predictions"
(appendix G) means in the paper's tables (Table A8: EcomGPT fails on 869 of 1,000 AVE questions out of domain at a
precision* of .042 and a recall* of .001).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from evaluation.scoring import share
from shopbench.ecinstruct import ESCI_GAINS, Fields, value
from shopbench.metrics import ndcg

_LETTER = re.compile(r"\(?([A-Z])(?![\w/\\'’&+-]|\.[A-Z]\b|[^\S\n\r]+[^\s])")
"""A mark, a line end or nothing follows: neither "A good product" nor "N/A", "T-shirt", "U.S." or "I'd" is a letter."""
_LINE_END = re.compile(r"(?<![,\s])[^\S\n\r]*[\n\r]")  # of a list that goes on by no comma
_OPTION = re.compile(r"\s*\(?([A-Z])\s*[:.)]")
_NULLS = frozenset({"", "none", "null", "n/a", "nan"})
_LIST = re.compile(r"\[.*\]|\{.*\}", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """An attribute's value and the field it was found in; the value is empty where there is none."""

    attribute: str
    value: str
    source: str


def option_letters(row: Fields, count: int) -> tuple[str, ...]:
    """The letters of a row's options; the first `count` letters where the row lists none."""
    listed = value(row.get("options"))
    if isinstance(listed, dict):
        return tuple(str(letter) for letter in listed)
    options = [str(option) for option in listed] if isinstance(listed, list) else []
    marks = [_OPTION.match(option) for option in options]
    if marks and all(marks):
        return tuple(mark[1] for mark in marks if mark)
    return tuple(ascii_uppercase[: len(options) or count])


def read_letter(text: str, letters: Sequence[str]) -> str | None:
    """The letter of an option: alone, or before its text or a line end ("B", "B.", "(B) positive", "B\\nIt fits")."""
    found = _LETTER.match(text.strip())
    return found[1] if found and found[1] in letters else None


def read_yes_no(text: str) -> str | None:
    """ "yes" or "no"."""
    word = text.strip().rstrip(".").lower()
    return word if word in ("yes", "no") else None


def read_order(text: str, letters: Sequence[str]) -> list[str] | None:
    """Letters by commas, each once (the first time counts); what is no letter of the list is passed over.

    What stands in lines after them ("B,A\\nB fits, A does not") is no part of the list.
    """
    listed = _LINE_END.split(text.strip(), maxsplit=1)[0]
    parts = [part.strip().strip("()[]'\"").removeprefix("Product ") for part in listed.split(",")]
    order = [letter for part in parts if (letter := read_letter(part, letters))]
    return list(dict.fromkeys(order)) or None


def read_ranking(text: str) -> list[str] | None:
    """A whole ranking, as the file has it: each of the first letters of the alphabet once."""
    order = read_order(text, ascii_uppercase) or []
    whole = len(order) == text.count(",") + 1 and sorted(order) == list(ascii_uppercase[: len(order)])
    return order if whole else None


def read_entries(text: str) -> list[Entry] | None:
    """The JSON list of attribute, value and source (a Python literal or one object will do), compared as lower case."""
    listed = value(text)
    if isinstance(listed, str) and (inside := _LIST.search(text)):
        listed = value(inside[0])
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list):
        return None
    whole = all(isinstance(entry, dict) and {"attribute", "value"} <= entry.keys() for entry in listed)
    return list(dict.fromkeys(map(_entry, listed))) if whole else None


def _entry(fields: dict[str, Any]) -> Entry:
    attribute, given, source = (_plain(fields.get(name)) for name in ("attribute", "value", "source"))
    # "title" is "product title": the instructions say the one, the outputs the other.
    return Entry(attribute, "", "") if given in _NULLS else Entry(attribute, given, source.removeprefix("product "))


def _plain(field: Any) -> str:
    return "" if field is None else " ".join(str(field).lower().split())


def classes(truths: Sequence[str], answers: Sequence[str | None]) -> dict[str, float]:
    """Accuracy, and macro and micro precision, recall and F1 over the labels that occur in truths or answers."""
    labels = sorted({*truths, *(answer for answer in answers if answer is not None)})
    scores = {"accuracy": _accuracy(truths, answers)}
    for average in ("macro", "micro"):
        for name, rate in zip(("precision", "recall", "F1"), _rates(truths, answers, labels, average), strict=True):
            scores[f"{average} {name}"] = float(rate)
    return scores


def yes_no(truths: Sequence[str], answers: Sequence[str | None]) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of "yes"; specificity is the recall of "no", negative rate its precision."""
    precision, recall, f1 = _rates(truths, answers, ["yes", "no"])
    return {
        "accuracy": _accuracy(truths, answers),
        "precision": float(precision[0]),
        "recall": float(recall[0]),
        "F1": float(f1[0]),
        "specificity": float(recall[1]),
        "negative rate": float(precision[1]),
    }


def _rates(truths: Sequence[str], answers: Sequence[str | None], labels: list[str], average: str | None = None) -> Any:
    """Precision, recall and F1: averaged, or an array of one a label; 0 of no questions."""
    from sklearn.metrics import precision_recall_fscore_support  # costs seconds, which other benchmarks need not pay

    if not truths:
        return [0.0] * 3 if average else [[0.0] * len(labels)] * 3
    read = [answer or "" for answer in answers]  # "" is no label: it counts as missed, not as predicted
    return precision_recall_fscore_support(truths, read, labels=labels, average=average, zero_division=0)[:3]


def _accuracy(truths: Sequence[str], answers: Sequence[str | None]) -> float:
    return share(sum(truth == answer for truth, answer in zip(truths, answers, strict=True)), len(truths))


Values = Counter[str]
"""Counts of equation 1 (appendix A.1.1).

Of attributes without a value: "null" (NV) and "incorrect" (IV) predictions; of others: "correct" (CV) and "wrong" (WV);
"entries" (N) are those of the truth.
"""


def rates(counts: Values) -> dict[str, float]:
    """precision*, recall* and F1* (equation 1)."""
    right = counts["null"] + counts["correct"]
    precision = share(right, right + counts["incorrect"] + counts["wrong"])
    recall = share(right, counts["entries"])
    return {"precision*": precision, "recall*": recall, "F1*": share(2 * precision * recall, precision + recall)}


def values(truth: Sequence[Entry], predicted: Sequence[Entry] | None) -> Values:
    """Counts of one question; each entry of the truth can be found once.

    A value is correct if attribute and source are the truth's and it contains the true value ("bright yellow" for
    "yellow"), in any case of letters: the truths are in lower case. A predicted null where there are values is no
    prediction of any, as the equation has it, and an empty list says that there are no values.
    """
    counts = Values(entries=len(truth))
    if predicted is None:
        return counts
    without_value = {entry.attribute for entry in truth if not entry.value}
    if not predicted:
        counts["null"] = sum(not entry.value for entry in truth)
    left = list(truth)
    for entry in predicted:
        found = next((true for true in left if _agree(true, entry)), None)
        if found is not None:
            left.remove(found)
            counts["correct" if entry.value else "null"] += 1
        elif entry.value:
            incorrect = entry.attribute in without_value or len(without_value) == len(truth)
            counts["incorrect" if incorrect else "wrong"] += 1
    return counts


def _agree(true: Entry, predicted: Entry) -> bool:
    if true.attribute != predicted.attribute:
        return False
    if not true.value or not predicted.value:
        return true.value == predicted.value
    return true.source == predicted.source and true.value in predicted.value


def ranked(labels: Mapping[str, str], order: Sequence[str] | None) -> float:
    """NDCG of products (letters, the best first), whose labels are E, S, C or I; the ideal ranks all products.

    A product that the answer leaves out gains nothing. (The published script ranks what the answer names against
    itself, so an answer of one product always gets 1.)
    """
    letters = list(labels)
    places = [letters.index(letter) + 1 for letter in order or ()]
    return ndcg(places, [ESCI_GAINS[labels[letter]] for letter in letters])
