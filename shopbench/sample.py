"""Samples (a question, its true answer, and how it is scored) and their JSON lines.

The fields are those of the competition's development file. Truths by task type: an int (multiple-choice),
a tuple of option numbers (retrieval), of gains (ranking) or of texts (NER), a text (generation); the
generation tasks scored by sentence embeddings may have several reference texts, a tuple too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from shopbench.errors import UserError
from shopbench.files import write_json_lines
from shopbench.tasks import TaskType, task_type_named

Truth = int | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


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
        if not isinstance(row["input_field"], str):
            raise ValueError(f"field 'input_field' must be text, not {type(row['input_field']).__name__}")
        task_type = task_type_named(row["task_type"])
        return cls(
            input_field=row["input_field"],
            output_field=_truth(task_type, row["output_field"]),
            task_name=str(row.get("task_name", task_type)),
            task_type=task_type,
            metric=row["metric"],
            is_multiple_choice=bool(row.get("is_multiple_choice", task_type is TaskType.MULTIPLE_CHOICE)),
            track=str(row.get("track", "")),
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


def _truth(task_type: TaskType, value: Any) -> Truth:
    """`value` as the truth of a `task_type` question; a ValueError if it cannot be one."""
    problem = f"field 'output_field' is no truth for {task_type}: {value!r:.80}"
    if task_type is TaskType.MULTIPLE_CHOICE:
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip().isdecimal():
            raise ValueError(problem)
        return int(value)
    if task_type is TaskType.GENERATION:
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
            return tuple(value)
        raise ValueError(problem)
    kind: type | tuple[type, ...] = str if task_type is TaskType.NER else (int, float)
    if not isinstance(value, list) or not value or not all(isinstance(item, kind) for item in value):
        raise ValueError(problem)
    return tuple(int(item) for item in value) if task_type is TaskType.RETRIEVAL else tuple(value)


def read_json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a JSON-lines file; blank lines are skipped, anything else bad is BadSample."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _json_object(path, number, line)
    except OSError as error:
        raise BadSample(f"{path}: cannot be read ({error.strerror}); give a JSON-lines file of questions") from None
    except UnicodeDecodeError as error:
        raise BadSample(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _json_object(path: str | os.PathLike[str], number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadSample(f"{path}, line {number}: broken JSON ({error.msg}); mend or delete that line") from None
    if not isinstance(row, dict):
        raise BadSample(f"{path}, line {number}: a JSON object is wanted, not {type(row).__name__}")
    return row


def read_samples(path: str | os.PathLike[str], check: Callable[[Sample], None] | None = None) -> list[Sample]:
    """Read a ShopBench question file; BadSample for a missing, empty or broken one, or if `check` raises ValueError."""
    samples = []
    for number, row in read_json_lines(path):
        try:
            sample = Sample.from_dict(row)
            if check:
                check(sample)
            samples.append(sample)
        except ValueError as error:
            raise BadSample(f"{path}, line {number}: {error}") from None
    if not samples:
        raise BadSample(f"{path}: holds no questions; give a file with one JSON object a line")
    return samples


def write_samples(path: str | os.PathLike[str], samples: Iterable[Sample]) -> int:
    """Write samples as JSON lines, all or none, and return their number."""
    return write_json_lines(path, (sample.to_dict() for sample in samples))
