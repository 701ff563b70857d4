"""Reordered options and combined votes."""

from __future__ import annotations

import pytest

from models.voting import further_orders, winner

QUESTION = "Which of these?\n0. mouse pad\n1. leash\n2. camera\nAnswer: "


def options(question: str) -> dict[int, str]:
    return {int(line[0]): line[3:] for line in question.split("\n") if line[:1].isdigit()}


def test_every_option_stands_in_every_place_once() -> None:
    orders = further_orders(QUESTION, 9)
    assert len(orders) == 2
    before = options(QUESTION)
    for number in range(3):
        texts = {before[number], *(options(order.question)[number] for order in orders)}
        assert texts == set(before.values())


def test_votes_are_led_back_to_the_question_s_own_numbers() -> None:
    for order in further_orders(QUESTION, 3):
        for number, text in options(order.question).items():
            assert options(QUESTION)[order.original[number]] == text


def test_what_is_around_the_options_stays() -> None:
    (order, *_) = further_orders(QUESTION, 2)
    assert order.question.startswith("Which of these?\n0. ") and order.question.endswith("\nAnswer: ")


@pytest.mark.parametrize("question", ["Rate it on a scale of 1 to 5.\nReview: good", "Which? 0. red 1. blue", ""])
def test_questions_without_option_lines_have_no_other_order(question: str) -> None:
    assert further_orders(question, 4) == []


@pytest.mark.parametrize(
    ("ballots", "best"),
    [
        ([{0: 0.6, 1: 0.4}], 0),
        ([{0: 0.6, 1: 0.4}, {0: 0.1, 1: 0.9}], 1),
        ([{0: 0.6, 1: 0.4}, {0: 0.4, 1: 0.6}], 0),  # a tie: the question as it was asked decides
        ([{0: 0.0, 1: 0.0}, {1: 0.2}], 1),
        ([], None),
    ],
)
def test_the_largest_summed_share_wins(ballots: list[dict[int, float]], best: int | None) -> None:
    assert winner(ballots) == best
