"""Shortening keeps what a question cannot do without."""

from __future__ import annotations

import random

import pytest

from shopbench.shorten import cut_middle, shorten

INSTRUCTION = "Which of the following reviews is the most helpful for a customer?"
OPTIONS = [f"{number}. option {number}" for number in range(1, 6)]
LAST = "Answer:"


def words(text: str) -> int:
    return len(text.split())


def question(review_words: int) -> str:
    return "\n".join([INSTRUCTION, "Review: " + "lovely shoes, " * review_words, *OPTIONS, LAST])


def test_a_short_question_is_left_alone() -> None:
    assert shorten(question(3), 100, words) == question(3)


@pytest.mark.parametrize("review_words", [100, 5_000, 200_000])
def test_instruction_options_and_last_line_survive(review_words: int) -> None:
    shorter = shorten(question(review_words), 60, words)
    lines = shorter.split("\n")
    assert words(shorter) <= 60
    assert [lines[0], *lines[-6:]] == [INSTRUCTION, *OPTIONS, LAST]
    assert lines[1].startswith("Review: lovely") and " ... " in lines[1]


def test_long_options_are_shortened_alike_and_none_is_lost() -> None:
    options = [f"{number}. " + "long text " * 400 for number in range(5)]
    lines = shorten("\n".join(["Which?", *options, LAST]), 300, words).split("\n")
    assert [line[:2] for line in lines[1:-1]] == ["0.", "1.", "2.", "3.", "4."]
    assert max(map(len, lines[1:-1])) - min(map(len, lines[1:-1])) <= 1


def test_too_many_lines_lose_those_in_the_middle() -> None:
    text = "\n".join(["first line", *(f"line {number}" for number in range(50_000)), "last line"])
    shorter = shorten(text, 50, words)
    assert words(shorter) <= 50
    assert shorter.startswith("first line\nline 0") and shorter.endswith("last line")


def test_any_text_fits_any_limit() -> None:
    rng = random.Random(0)
    for _ in range(300):
        text = "".join(rng.choices("ab \n.,1é", k=rng.randrange(2000)))
        limit = rng.randrange(300)
        assert len(shorten(text, limit, len)) <= limit


def test_cut_middle_keeps_both_ends() -> None:
    assert cut_middle("abcdefghijklmnop", 11) == "abc ... nop"
    assert cut_middle("abcdef", 3) == "abc"
    assert cut_middle("abc", 3) == "abc"
