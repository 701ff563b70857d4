"""Are two lists of answers the same? By task type, and where long texts part."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from benchmarks.gpu.steps import CPU, STEPS
from shopbench.sample import Sample
from shopbench.tasks import TaskType

ALL = "all"
ENOUGH = {str(TaskType.MULTIPLE_CHOICE): 0.95, ALL: 0.80}
"""Shares of equal answers below which something is wrong: a near tie may fall either way, and a text that parts at one
word is another text from there on, but no more than one in twenty choices is a near tie."""
ROUNDED = {"merged": 0.10}
"""What may be missing besides where weights differ by a rounding: merging rounds the sum to the base's bfloat16."""


@dataclass(frozen=True)
class Agreement:
    """How many of the answers to questions of a task type are equal.

    `parted` has, for each text that differs, how many of its words come before it does.
    """

    equal: int
    total: int
    parted: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """ "17/20 (parted after 9 words)", the median of those that differ."""
        words = f" (parted after {statistics.median(self.parted):g} words)" if self.parted else ""
        return f"{self.equal}/{self.total}{words}"


def agreements(samples: Sequence[Sample], ours: Sequence[str], theirs: Sequence[str | None]) -> dict[str, Agreement]:
    """By task type, and for all of them; questions that the others were not asked (None) do not count."""
    found: dict[str, list[tuple[str, str]]] = {ALL: []}
    for sample, our, their in zip(samples, ours, theirs, strict=True):
        if their is not None:
            for kind in (ALL, str(sample.task_type)):
                found.setdefault(kind, []).append((our, their))
    return {
        kind: Agreement(
            sum(our == their for our, their in pairs),
            len(pairs),
            tuple(words_shared(*pair) for pair in pairs if pair[0] != pair[1] and kind == TaskType.GENERATION),
        )
        for kind, pairs in found.items()
    }


def words_shared(one: str, other: str) -> int:
    """Words with which both texts begin.

    >>> words_shared("A case for a phone.", "A case for tablets.")
    3
    """
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one.split(), other.split(), strict=False))))


def compare(
    samples: Sequence[Sample], steps: Mapping[str, Any], reference: Mapping[str, Sequence[str | None]]
) -> dict[str, dict[str, dict[str, Agreement]]]:
    """Step -> what its answers are compared with -> task type -> agreement, for all that there are.

    Args:
        steps: what each step found (kinds.py).
        reference: a CPU's answers by step, in the order of `samples`.
    """
    found: dict[str, dict[str, dict[str, Agreement]]] = {}
    for name, facts in steps.items():
        others = {one: steps[one].get("answers") for one in STEPS[name].compared_with if one in steps}
        others |= facts.get("others", {})
        if CPU in STEPS[name].compared_with:  # without graphs or with them, a CPU's answers are the same
            others[CPU] = reference.get(name) or (reference.get("exact") if name == "eager" else None)
        if answers := facts.get("answers"):
            known = {other: agreements(samples, answers, theirs) for other, theirs in others.items() if theirs}
            found[name] = {other: kinds for other, kinds in known.items() if kinds[ALL].total}
    return found


def is_enough(other: str, found: Mapping[str, Agreement]) -> bool:
    """Whether no share of answers equal to `other`'s is suspicious."""
    less = ROUNDED.get(other, 0.0)
    return all(
        found[kind].equal >= (share - less) * found[kind].total for kind, share in ENOUGH.items() if kind in found
    )
