"""ECInstruct's metrics (eCeLLM [Peng et al., ICML 2024], appendix A) from answers that were read; unreadable is None.

An unreadable answer is no prediction and so lowers recall, accuracy, specificity, HR@1 and NDCG, but no precision:
that is what "counted as wrong predictions" means in the paper's tables (EcomGPT fails on 869 of 1,000 AVE questions
out of domain at a precision* of .042 and a recall* of .001).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopbench.ecinstruct import ESCI_GAINS
from shopbench.metrics import ndcg


def classes(truths: Sequence[str], answers: Sequence[str | None]) -> dict[str, float]:
    """Accuracy, and macro and micro precision, recall and F1 over the labels that occur in truths or answers."""
    labels = sorted({*truths, *(answer for answer in answers if answer is not None)})
    names = ("precision", "recall", "F1")
    return {
        "accuracy": _accuracy(truths, answers),
        **{
            f"{average} {name}": float(rate)
            for average in ("macro", "micro")
            for name, rate in zip(names, _rates(truths, answers, labels, average) or (0.0,) * 3, strict=True)
        },
    }


def yes_no(truths: Sequence[str], answers: Sequence[str | None]) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of "yes"; specificity is the recall of "no", negative rate its precision."""
    precision, recall, f1 = _rates(truths, answers, ["yes", "no"]) or ((0.0, 0.0),) * 3
    return {
        "accuracy": _accuracy(truths, answers),
        "precision": float(precision[0]),
        "recall": float(recall[0]),
        "F1": float(f1[0]),
        "specificity": float(recall[1]),
        "negative rate": float(precision[1]),
    }


def _rates(truths: Sequence[str], answers: Sequence[str | None], labels: list[str], average: str | None = None) -> Any:
    """Precision, recall and F1: averaged, or an array of one a label; None of no questions."""
    from sklearn.metrics import precision_recall_fscore_support  # costs seconds, which other benchmarks need not pay

    if not truths:
        return None
    read = [answer or "" for answer in answers]  # "" is no label: it counts as missed, not as predicted
    return precision_recall_fscore_support(truths, read, labels=labels, average=average, zero_division=0)[:3]


def _accuracy(truths: Sequence[str], answers: Sequence[str | None]) -> float:
    return share(sum(truth == answer for truth, answer in zip(truths, answers, strict=True)), len(truths))


def share(part: float, whole: float) -> float:
    """`part` of `whole`, 0 of nothing."""
    return part / whole if whole else 0.0


@dataclass(frozen=True)
class Entry:
    """An attribute's value and the field it was found in; the value is empty where there is none."""

    attribute: str
    value: str
    source: str


Values = Counter[str]
"""Counts of equation 1.

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
