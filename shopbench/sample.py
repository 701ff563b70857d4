"""Samples (a question, its true answer, and how it is scored) and their JSON lines.

The fields are those of the competition's development file. Truths by task type: an int (multiple-choice),
a tuple of option numbers (retrieval), of gains (ranking) or of texts (NER), a text (generation); the
generation tasks scored by sentence embeddings may have several reference texts, a tuple too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

from shopbench.errors import UserError
from shopbench.files import write_json_lines
from shopbench.tasks import TaskType, task_type_named
from shopbench.text_files import json_objects
from shopbench.tracks import track_of

Truth = int | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


T = TypeVar("T", str, bool)

LARGEST_GAIN = 100
"""A ranking's gain g counts as 2^g - 1: far below this already, one item is all that matters."""
LARGEST_OPTION = 9999


class BadSample(UserError):
    """A question file that cannot be used: the message says which file, which line, what and the remedy."""


@dataclass(frozen=True)
class Sample:
    """One question with its true answer."""

    input_field: str
    output_field: Truth
    task_name: str
    task_type: TaskType
    metric: str
    is_multiple_choice: bool
    track: str = ""

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Sample:
        """Build from a row of a ShopBench file; a ValueError names the field that is missing or wrong."""
        for field in ("input_field", "output_field", "task_type", "metric"):
            if field not in row:
                raise ValueError(f"field {field!r} is missing")
        task_type = task_type_named(_of_type(row, "task_type", str))
        is_multiple_choice = task_type is TaskType.MULTIPLE_CHOICE
        track = _of_type(row, "track", str, "")
        if track:
            track_of(track)
        return cls(
            input_field=_of_type(row, "input_field", str),
            output_field=_truth(task_type, row["output_field"]),
            task_name=_of_type(row, "task_name", str, str(task_type)),
            task_type=task_type,
            metric=_of_type(row, "metric", str),
            is_multiple_choice=_of_type(row, "is_multiple_choice", bool, is_multiple_choice),
            track=track,
        )

    def to_dict(self) -> dict[str, Any]:
        """The row as it stands in a ShopBench file (tuples become lists)."""
        truth = list(self.output_field) if isinstance(self.output_field, tuple) else self.output_field
        return {
            "input_field": self.input_field,
            "output_field": truth,
            "task_name": self.task_name,
            "task_type": str(self.task_type),
            "metric": self.metric,
            "is_multiple_choice": self.is_multiple_choice,
            "track": self.track,
        }


_NAMES = {str: "text", bool: "true or false"}


def _of_type(row: dict[str, Any], field: str, kind: type[T], default: T | None = None) -> T:
    """A field's value if it is of the kind, the default where the field is missing; else a ValueError."""
    value = row.get(field, default)
    if not isinstance(value, kind):
        raise ValueError(f"field {field!r} must be {_NAMES[kind]}, not {value!r:.80}")
    return value


def _truth(task_type: TaskType, value: Any) -> Truth:
    """`value` as the truth of a `task_type` question; a ValueError if it cannot be one."""
    problem = ValueError(f"field 'output_field' is no truth for {task_type}: {value!r:.80}")
    if task_type is TaskType.MULTIPLE_CHOICE:
        is_digits = isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,4}\s*", value)
        return _option_number(int(value) if is_digits else value, problem)
    if task_type is TaskType.GENERATION and isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise problem
    if task_type in (TaskType.GENERATION, TaskType.NER):
        if not all(isinstance(text, str) for text in value):
            raise problem
        return tuple(value)
    if task_type is TaskType.RETRIEVAL:
        return tuple(_option_number(number, problem) for number in value)
    if not all(_is_number(gain) and abs(gain) <= LARGEST_GAIN for gain in value):
        raise problem
    return tuple(value)


def _option_number(value: Any, problem: ValueError) -> int:
    """A whole number from 0 on; 2.0 is one (tables with gaps are written so), 2.5 and true are none."""
    if not _is_number(value) or value != int(value) or not 0 <= value <= LARGEST_OPTION:
        raise problem
    return int(value)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and (isinstance(value, int) or isfinite(value))
    )


def read_samples(path: str | os.PathLike[str], check: Callable[[Sample], None] | None = None) -> list[Sample]:
    """Read a ShopBench question file; BadSample for a missing, empty or broken one, or if `check` raises ValueError."""
    samples = []
    for where, row in json_objects(path):
        try:
            sample = Sample.from_dict(row)
            if check:
                check(sample)
            samples.append(sample)
        except ValueError as error:
            raise BadSample(f"{path}, {where}: {error}") from None
    if not samples:
        raise BadSample(f"{path}: holds no questions; give a file of JSON objects, one a line or in one list")
    return samples


def write_samples(path: str | os.PathLike[str], samples: Iterable[Sample]) -> int:
    """Write samples as JSON lines, all or none, and return their number."""
    return write_json_lines(path, (sample.to_dict() for sample in samples))
