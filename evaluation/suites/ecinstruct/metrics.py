"""ECInstruct's metrics (appendix A of paper 001) from answers that were read; an unreadable one is None.

An unreadable answer is no prediction and so lowers recall, accuracy, specificity, HR@1 and NDCG, but no precision:
that is what "counted as wrong predictions" means in the paper's tables (EcomGPT fails on 869 of 1,000 AVE questions
out of domain at a precision* of .042 and a recall* of .001).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TypeVar

from shopbench.metrics import ndcg

Label = TypeVar("Label")
GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}


def classes(truths: Sequence[str], answers: Sequence[str | None]) -> dict[str, float]:
    """Accuracy, and macro and micro precision, recall and F1 over the labels that occur in truths or answers."""
    labels = sorted({*truths, *(answer for answer in answers if answer is not None)})
    per_label = [_rates(*_counts(truths, answers, label)) for label in labels]
    right = sum(truth == answer for truth, answer in zip(truths, answers, strict=True))
    read = sum(answer is not None for answer in answers)
    precision, recall, f1 = _rates(right, read - right, len(truths) - right)
    macro = [share(sum(rates), len(labels)) for rates in zip(*per_label, strict=True)] or [0.0] * 3
    return {
        "accuracy": share(right, len(truths)),
        **dict(zip(("macro precision", "macro recall", "macro F1"), macro, strict=True)),
        "micro precision": precision,
        "micro recall": recall,
        "micro F1": f1,
    }


def yes_no(truths: Sequence[str], answers: Sequence[str | None]) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of "yes"; specificity is the recall of "no", negative rate its precision."""
    precision, recall, f1 = _rates(*_counts(truths, answers, "yes"))
    negative_rate, specificity, _ = _rates(*_counts(truths, answers, "no"))
    return {
        "accuracy": share(sum(truth == answer for truth, answer in zip(truths, answers, strict=True)), len(truths)),
        "precision": precision,
        "recall": recall,
        "F1": f1,
        "specificity": specificity,
        "negative rate": negative_rate,
    }


def _counts(truths: Sequence[Label], answers: Sequence[Label | None], label: Label) -> tuple[int, int, int]:
    """True positives, false positives and false negatives of a label."""
    pairs = list(zip(truths, answers, strict=True))
    found = sum(truth == answer == label for truth, answer in pairs)
    return found, sum(answer == label for answer in answers) - found, sum(truth == label for truth in truths) - found


def _rates(tp: float, fp: float, fn: float) -> tuple[float, float, float]:
    return share(tp, tp + fp), share(tp, tp + fn), share(2 * tp, 2 * tp + fp + fn)


def share(part: float, whole: float) -> float:
    """`part` of `whole`, 0 of nothing."""
    return part / whole if whole else 0.0


@dataclass(frozen=True)
class Entry:
    """An attribute's value and the field it was found in; the value is empty where there is none."""

    attribute: str
    value: str
    source: str


@dataclass(frozen=True)
class Values:
    """Counts of equation 1.

    Of attributes without a value: null (NV) and incorrect (IV) predictions; of others: correct (CV) and wrong (WV);
    `entries` (N) are those of the truth.
    """

    null: int = 0
    incorrect: int = 0
    correct: int = 0
    wrong: int = 0
    entries: int = 0

    def __add__(self, other: Values) -> Values:
        return Values(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    def rates(self) -> dict[str, float]:
        """precision*, recall* and F1* (equation 1)."""
        right = self.null + self.correct
        precision = share(right, right + self.incorrect + self.wrong)
        recall = share(right, self.entries)
        return {
            "precision*": precision,
            "recall*": recall,
            "F1*": share(2 * precision * recall, precision + recall),
        }


def values(truth: Sequence[Entry], predicted: Sequence[Entry] | None) -> Values:
    """Counts of one question; each entry of the truth can be found once.

    A value is correct if attribute and source are the truth's and it contains the true value ("bright yellow" for
    "yellow"), in any case of letters: the truths are in lower case. A predicted null where there are values is no
    prediction of any, as the equation has it, and an empty list says that there are no values.
    """
    left = list(truth)
    counts = Values(entries=len(truth))
    if predicted is None:
        return counts
    without_value = {entry.attribute for entry in truth if not entry.value}
    if not predicted:
        return counts + Values(null=sum(not entry.value for entry in truth))
    for entry in predicted:
        found = next((true for true in left if _agree(true, entry)), None)
        if found is not None:
            left.remove(found)
            counts += Values(correct=1) if entry.value else Values(null=1)
        elif entry.value:
            incorrect = entry.attribute in without_value or len(without_value) == len(truth)
            counts += Values(incorrect=1) if incorrect else Values(wrong=1)
    return counts


def _agree(true: Entry, predicted: Entry) -> bool:
    if true.attribute != predicted.attribute:
        return False
    if not true.value or not predicted.value:
        return true.value == predicted.value
    return true.source == predicted.source and true.value in predicted.value


def all_values(pairs: Iterable[tuple[Sequence[Entry], Sequence[Entry] | None]]) -> Values:
    """Counts of many questions."""
    return sum((values(truth, predicted) for truth, predicted in pairs), Values())


def ranked(labels: Mapping[str, str], order: Sequence[str] | None) -> float:
    """NDCG of products (letters, the best first), whose labels are E, S, C or I; the ideal ranks all products.

    A product that the answer leaves out gains nothing. (The published script ranks what the answer names against
    itself, so an answer of one product always gets 1.)
    """
    letters = list(labels)
    places = [letters.index(letter) + 1 for letter in order or ()]
    return ndcg(places, [GAINS[labels[letter]] for letter in letters])
