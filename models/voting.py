"""Asking a multiple-choice question again with its options in another order, and combining the answers.

A model leans to certain positions ("1" is likelier than "3" whatever stands there); over rotations of the
options the leaning cancels out. Off by default: every further order costs a prefill (SHOPBENCH_VOTES).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopbench.options import shown_options

_MARK = re.compile(r"^[ \t]*[(\[（]?(\d{1,2})[.):\]．）：][ \t]*", re.MULTILINE)


@dataclass(frozen=True)
class Order:
    """A question with reordered options; `original[number]` is the number that this option has in the question."""

    question: str
    original: Mapping[int, int]


def further_orders(question: str, votes: int) -> list[Order]:
    """The question with its options rotated by one, two, ... places: at most `votes` - 1 orders, all different.

    Empty where the options do not stand one a line (a rating scale, options on one line).

    >>> [order.question for order in further_orders("Which?\\n0. red\\n1. blue\\nAnswer:", 9)]
    ['Which?\\n0. blue\\n1. red\\nAnswer:']
    """
    shown = shown_options(question)
    if not shown:
        return []
    region = question[shown.start : shown.end]
    marks = list(_MARK.finditer(region))
    numbers = [int(mark[1]) for mark in marks]
    if numbers != list(shown.numbers) or max(numbers) > 9:
        return []
    ends = [*(mark.start() for mark in marks[1:]), len(region)]
    bodies = [region[mark.end() : end].rstrip("\n") for mark, end in zip(marks, ends, strict=True)]
    orders = []
    for turn in range(1, min(votes, len(numbers))):
        turned = [(place + turn) % len(numbers) for place in range(len(numbers))]
        lines = "\n".join(mark[0] + bodies[place] for mark, place in zip(marks, turned, strict=True))
        original = {number: numbers[place] for number, place in zip(numbers, turned, strict=True)}
        orders.append(Order(question[: shown.start] + lines + question[shown.end :], original))
    return orders


def winner(ballots: Sequence[Mapping[int, float]]) -> int | None:
    """The option with the largest summed share; the first ballot's favourite wins a tie, None without any vote.

    Each ballot gives an option's probability, by the number it has in the question.
    """
    totals: dict[int, float] = {}
    for ballot in ballots:
        whole = sum(ballot.values())
        for option, share in ballot.items():
            totals[option] = totals.get(option, 0.0) + (share / whole if whole else 0.0)
    if not totals:
        return None
    best = max(totals.values())
    first = ballots[0]
    return max((option for option in totals if totals[option] >= best - 1e-9), key=lambda o: first.get(o, 0.0))
