"""ECInstruct's metrics against values worked out by hand and against counts of our own."""

from __future__ import annotations

import math
import random

import pytest

from evaluation.suites.ecinstruct.answers import Entry, Values, classes, ranked, rates, values, yes_no

RED, NOTHING = Entry("colour", "red", "title"), Entry("colour", "", "")


def test_classes_by_hand() -> None:
    # A: tp 2, fp 1, fn 1; B: tp 1, fp 1, fn 1 (the unreadable one); C: tp 0, fp 0, fn 1
    found = classes(["A", "A", "A", "B", "B", "C"], ["A", "A", "B", "B", None, "A"])
    assert found["accuracy"] == pytest.approx(3 / 6)
    assert found["macro precision"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found["macro recall"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found["macro F1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert (found["micro precision"], found["micro recall"]) == (pytest.approx(3 / 5), pytest.approx(3 / 6))
    assert found["micro F1"] == pytest.approx(2 * 3 / 5 * 3 / 6 / (3 / 5 + 3 / 6))


def test_yes_and_no_by_hand() -> None:
    # yes: tp 2, fp 1, fn 1; no: tn 1, one no taken for yes, one unreadable
    found = yes_no(["yes", "yes", "yes", "no", "no", "no"], ["yes", "yes", "no", "yes", "no", None])
    assert found == {
        "accuracy": pytest.approx(3 / 6),
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "F1": pytest.approx(2 / 3),
        "specificity": pytest.approx(1 / 3),
        "negative rate": pytest.approx(1 / 2),
    }


def counted(truths: list[str], answers: list[str | None], labels: list[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of some labels together, by counting."""
    pairs = list(zip(truths, answers, strict=True))
    tp = sum(truth == answer for truth, answer in pairs if answer in labels)
    given, true = sum(answer in labels for answer in answers), sum(truth in labels for truth in truths)
    return tp / given if given else 0.0, tp / true if true else 0.0, 2 * tp / (given + true) if given + true else 0.0


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_counted(seed: int) -> None:
    rng = random.Random(seed)
    truths = rng.choices("ABCDE", weights=(9, 5, 3, 1, 1), k=200)
    answers = [rng.choice([truth, *"ABCDEF"]) if rng.random() < 0.9 else None for truth in truths]
    labels = sorted({*truths, *filter(None, answers)})
    found = classes(truths, answers)
    assert found["accuracy"] == sum(truth == answer for truth, answer in zip(truths, answers, strict=True)) / 200
    each = [counted(truths, answers, [label]) for label in labels]
    macro = [sum(column) / len(labels) for column in zip(*each, strict=True)]
    for average, expected in (("macro", macro), ("micro", counted(truths, answers, labels))):
        ours = [found[f"{average} {name}"] for name in ("precision", "recall", "F1")]
        assert ours == pytest.approx(list(expected))


@pytest.mark.parametrize("seed", range(5))
def test_yes_and_no_are_counted(seed: int) -> None:
    rng = random.Random(seed)
    truths = rng.choices(("yes", "no"), weights=(2, 1), k=80)
    answers = [rng.choice([truth, "yes", "no"]) if rng.random() < 0.9 else None for truth in truths]
    (p_yes, r_yes, f_yes), (p_no, r_no, _) = (counted(truths, answers, [label]) for label in ("yes", "no"))
    found = yes_no(truths, answers)
    names = ("precision", "recall", "F1", "specificity", "negative rate")
    assert [found[name] for name in names] == pytest.approx([p_yes, r_yes, f_yes, r_no, p_no])


def test_labels_that_never_occur_and_answers_that_are_all_unreadable_are_zero() -> None:
    assert yes_no(["yes", "yes"], ["yes", "yes"])["specificity"] == 0.0
    assert yes_no(["no"], ["no"])["F1"] == 0.0
    assert set(classes(["A", "B"], [None, None]).values()) == {0.0}
    assert set(yes_no(["yes", "no"], [None, None]).values()) == {0.0}


def test_nothing_to_score_is_zero() -> None:
    assert set(classes([], []).values()) == {0.0}
    assert set(yes_no([], []).values()) == {0.0}


@pytest.mark.parametrize(
    ("truth", "predicted", "counts"),
    [
        ([RED], [RED], Values(correct=1, entries=1)),
        ([RED], [Entry("colour", "bright red", "title")], Values(correct=1, entries=1)),
        ([RED], [Entry("colour", "r", "title")], Values(wrong=1, entries=1)),
        ([RED], [Entry("colour", "red", "brand")], Values(wrong=1, entries=1)),
        ([RED], [Entry("size", "red", "title")], Values(wrong=1, entries=1)),
        ([RED], [NOTHING], Values(entries=1)),
        ([RED], [], Values(entries=1)),
        ([RED], None, Values(entries=1)),
        ([RED], [RED, RED], Values(correct=1, wrong=1, entries=1)),
        ([RED, Entry("colour", "red", "description")], [RED], Values(correct=1, entries=2)),
        ([NOTHING], [NOTHING], Values(null=1, entries=1)),
        ([NOTHING], [], Values(null=1, entries=1)),
        ([NOTHING], None, Values(entries=1)),
        ([NOTHING], [RED, Entry("size", "9", "title")], Values(incorrect=2, entries=1)),
        ([RED, Entry("size", "", "")], [RED, Entry("size", "9", "title")], Values(correct=1, incorrect=1, entries=2)),
        ([RED, Entry("size", "", "")], [Entry("size", "", "")], Values(null=1, entries=2)),
    ],
)
def test_counts_of_values(truth: list[Entry], predicted: list[Entry] | None, counts: Values) -> None:
    assert values(truth, predicted) == counts


def test_equation_1_by_hand() -> None:
    wrong = Entry("colour", "b", "title")
    pairs = [([RED], [RED]), ([NOTHING], [NOTHING]), ([NOTHING], [RED]), ([RED], [wrong]), ([RED], None)]
    total = sum((values(truth, predicted) for truth, predicted in pairs), Values())
    assert total == Values(null=1, incorrect=1, correct=1, wrong=1, entries=5)
    assert rates(total) == {"precision*": 2 / 4, "recall*": 2 / 5, "F1*": pytest.approx(2 * 0.5 * 0.4 / 0.9)}


def test_ndcg_by_hand() -> None:
    labels = {"A": "S", "B": "E", "C": "I"}

    def gain(value: float, place: int) -> float:
        return (2**value - 1) / math.log2(place + 1)

    ideal = gain(1.0, 1) + gain(0.1, 2)
    assert ranked(labels, ["B", "A", "C"]) == 1.0
    assert ranked(labels, ["A", "B", "C"]) == pytest.approx((gain(0.1, 1) + gain(1.0, 2)) / ideal)
    assert ranked(labels, ["A"]) == pytest.approx(gain(0.1, 1) / ideal)  # 1.0 by the published script
    assert ranked(labels, None) == 0.0
    assert ranked({"A": "C", "B": "I"}, ["B", "A"]) == pytest.approx(1 / math.log2(3))
