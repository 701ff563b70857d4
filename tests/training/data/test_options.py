"""Option lists: truths name what is right, every position is as likely as the others."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from shopbench.question import Question
from training.data.options import MARKS, Style, distinct, multiple_choice, one_line, ranking, retrieval


def even(counts: Counter[int], places: int) -> bool:
    """Whether 4,000 draws spread over the places as chance has it (within four standard deviations)."""
    expected = 4000 / places
    return all(abs(counts[place] - expected) < 4 * (expected * (1 - 1 / places)) ** 0.5 for place in range(places))


def test_multiple_choice_truth_is_the_number_shown() -> None:
    places: Counter[int] = Counter()
    for seed in range(4000):
        shown = multiple_choice("cup", ["hat", "sock", "belt", "coat"], random.Random(seed))
        assert shown is not None
        lines = shown.text.splitlines()
        place = int(shown.truth) - shown.style.first  # type: ignore[arg-type]
        assert lines[place] == shown.style.mark.format(shown.truth) + "cup"
        places[place] += 1
    assert even(places, 4)


def test_retrieval_truth_names_all_right_options_and_only_them() -> None:
    places: Counter[int] = Counter()
    for seed in range(4000):
        shown = retrieval(["a1", "a2", "a3"], [f"b{n}" for n in range(9)], random.Random(seed), 8)
        assert shown is not None and isinstance(shown.truth, tuple)
        named = {shown.text.splitlines()[int(number) - 1][-2:] for number in shown.truth}
        assert named == {"a1", "a2", "a3"} and len(shown.text.splitlines()) == 8
        places[int(random.Random(seed).choice(shown.truth)) - 1] += 1
    assert even(places, 8)


def test_ranking_gains_follow_the_list_shown() -> None:
    places: Counter[int] = Counter()
    gains = {"v": 1.0, "w": 0.1, "x": 0.01, "y": 0.0, "z": 0.0}
    for seed in range(4000):
        shown = ranking(list(gains.items()), random.Random(seed))
        assert shown is not None and isinstance(shown.truth, tuple)
        assert [gains[line[-1]] for line in shown.text.splitlines()] == list(shown.truth)
        assert shown.style.first == 1
        places[shown.truth.index(1.0)] += 1
    assert even(places, 5)


@pytest.mark.parametrize(
    "shown",
    [
        multiple_choice("cup", ["Cup!", "hat", "hat "], random.Random(0)),
        multiple_choice("", ["a", "b", "c"], random.Random(0)),
        retrieval(["a", "A."], ["b", "c", "d", "e"], random.Random(0), 5),
        retrieval(["a"], ["b"], random.Random(0), 5),
        ranking([("a", 1.0), ("a ", 0.0), ("b", 0), ("c", 0), ("d", 0)], random.Random(0)),
        ranking([(text, 1.0) for text in "abcde"], random.Random(0)),
    ],
)
def test_too_few_distinct_options_make_no_list(shown: object) -> None:
    assert shown is None


@pytest.mark.parametrize("option", ["2 cups", ") soft", "½ inch", "(2 pack) cups"])
def test_only_a_letter_touches_its_number(option: str) -> None:
    for seed in range(200):
        shown = multiple_choice(option, ["hats", "socks", "belts"], random.Random(seed))
        assert shown is not None and shown.style.mark != "{}."
        assert len(Question.read(f"Which is it?\n{shown.text}", True).options) == 4
    assert "{}." in MARKS


def test_texts_become_single_clean_lines() -> None:
    assert one_line("<p>salt &amp;\n pepper</p>") == "salt & pepper"
    assert one_line(None) == ""
    assert one_line("a < b and c > d") == "a < b and c > d"
    assert one_line("alpha beta gamma", 12) == "alpha beta"
    assert distinct(["A b", "a, b!", "", None, "c"], taken=["C"]) == ["A b"]
    assert Style(0, "({}) ").show(["x", "y"]) == "(0) x\n(1) y"
