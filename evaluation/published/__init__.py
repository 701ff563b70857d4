"""The published evaluators, as their authors' code behaves, peculiarities included.

A module a benchmark, each with one function,

    score(task, setting, reading, meta, rows, answers) -> Published

which takes a task's rows as published and the model's answers to them, one a row. The scores that compare with the
papers' definitions are the suites' own (evaluation/suites); these are for comparing with published tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """What the authors' script gives for a task's answers."""

    metrics: Mapping[str, float | None]
    """By the script's own names; None where it gives no number: it ends there, or gives nan, or one that depends on the
    order of a set."""
    parsed: Sequence[Any]
    """What it reads from each answer, in order; JSON can hold it."""
    undefined: str | None = None
    """Why a metric is None, in words."""
