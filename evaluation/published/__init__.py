"""The published evaluators, as their authors' scripts behave, peculiarities included.

Each module is one benchmark's and has one function,

    score(task, setting, reading, meta, rows, answers) -> Published

of a task's rows as published and a model's answers to them, one a row; `setting`, `reading` and `meta` are what the
script is told besides ("" and {} where it is told nothing). These numbers compare with published tables; those that
compare with the papers' definitions are the suites' own (evaluation/suites). `python -m evaluation.published` replays
files of cases whose numbers the scripts have given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopbench.errors import UserError


@dataclass(frozen=True)
class Published:
    """What the authors' script gives for the answers to a task."""

    metrics: Mapping[str, float | None]
    """By the script's names of them; None where it gives no number: it ends there, or the number is nan, or changes
    with the order of a set."""
    parsed: Sequence[Any]
    """What it reads from each answer, in their order; JSON can hold it."""
    undefined: str | None = None
    """Why a metric is None, in words."""
    gold_texts: Sequence[str] | None = None
    """The reference texts, where the script writes them itself."""


class BadCase(UserError):
    """Rows, answers or a task's name that the script is not made for."""


def column(rows: Sequence[Mapping[str, Any]], name: str, kind: type = str) -> list[Any]:
    """A field of every row; a BadCase where it is missing or of another type."""
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get(name), kind):
            raise BadCase(f"row {number}: field {name!r} must be {kind.__name__}, not {row.get(name)!r:.40}")
    return [row[name] for row in rows]
