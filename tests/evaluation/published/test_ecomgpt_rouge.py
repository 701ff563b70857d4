"""ROUGE-L of the `rouge` package, against values worked out by hand from its definition."""

from __future__ import annotations

import pytest

from evaluation.published.ecomgpt_rouge import rouge_l


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("a red scarf", "a red scarf", 1),
        ("red scarf", "a red scarf", 2 * (2 / 3) / (1 + 2 / 3)),
        ("a red scarf a red scarf", "a red scarf", 1),  # different words, not words
        ("Red scarf", "red scarf", 1 / 2),  # case counts
        ("scarf,", "scarf", 0),  # and so does punctuation
        ("红色围巾", "红色 围巾", 0),  # one word against two
        ("scarf red", "red scarf", 1 / 2),  # in order, one of the two
        ("scarf.red", "red.scarf", 1),  # sentences: each of one is held against each of the other
        ("red\n\tscarf", "red scarf", 1),
        (" ", "red scarf", 0),  # a sentence of one word, the empty one
        ("red", "", None),
        ("...", "red", None),
        ("", "red", None),
    ],
)
def test_by_hand(answer: str, reference: str, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="holds no sentence"):
            rouge_l(answer, reference)
    else:
        assert rouge_l(answer, reference) == pytest.approx(expected, abs=1e-7)


def test_a_perfect_answer_is_a_little_below_one() -> None:
    assert rouge_l("a", "a") == 2 / (2 + 1e-8) < 1


def test_of_several_common_subsequences_the_packages_own_counts() -> None:
    # "x y" shares "x" or "y" with "y x": one word either way, but over two sentences the words add up.
    # From the end: "y" against "x" differ, neither table is larger, so the second text is shortened: "y" is found.
    assert rouge_l("y x", "x y") == pytest.approx(1 / 2)
    # ... and "x" is found in the second sentence, so both words are shared
    assert rouge_l("y x.x", "x y") == pytest.approx(1)
    assert rouge_l("y x.y", "x y") == pytest.approx(1 / 2)
