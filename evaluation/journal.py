"""What keeps an interrupted run's answers: one JSON line a batch, flushed to disk as soon as it is answered."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evaluation.benchmark import Item
from models.spaces.spec import to_spec
from shopbench.files import ROOT, append_line


@dataclass(frozen=True)
class Batch:
    indices: list[int]  # the questions' places in the file, in the order in which the model saw them
    outputs: list[str]  # joined to `indices` by position
    seconds: float  # wall time of the call
    counts: dict[str, int] = field(default_factory=dict)  # what the call added to the model's counters (repairs, ...)


def journal_key(items: Iterable[Item], weights: Path) -> str:
    """SHA-256 of what the answers depend on.

    That is the items as the model sees them, the weights' files (by size and time), settings, and code and prompts.
    """
    digest = hashlib.sha256()
    for item in items:
        told = item.is_multiple_choice if item.space is None else [str(item.task_type), to_spec(item.space)]
        digest.update(json.dumps([item.text, told]).encode())
    for file in sorted(weights.rglob("*")):
        if file.is_file():
            status = file.stat()
            digest.update(f"{file.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode())
    digest.update(json.dumps(settings()).encode())
    for folder in ("models", "shopbench", "prompts"):
        for file in sorted((ROOT / folder).rglob("*.*")):
            if file.suffix in (".py", ".txt"):
                digest.update(file.read_bytes())
    return digest.hexdigest()


def settings() -> dict[str, str]:
    """The SHOPBENCH_* environment variables that are set, but for the weights' folder."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("SHOPBENCH_") and name != "SHOPBENCH_WEIGHTS" and value
    }


class Journal:
    """The answers of a run so far. One of other questions, weights or code is replaced, never mixed in.

    Every line says by the key whose it is: another run's answers are none of this run's wherever they got in.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self._key = path, key
        self.batches, good_bytes = _read(path, key)
        if good_bytes:
            # What follows the last whole line was being written when the run died.
            os.truncate(path, good_bytes)
        else:
            path.unlink(missing_ok=True)
            self._write({})

    def append(self, batch: Batch) -> None:
        """Keep one answered batch; it is on disk when this returns."""
        self._write(asdict(batch))
        self.batches.append(batch)

    def _write(self, value: dict[str, Any]) -> None:
        with open(self.path, "ab", buffering=0) as file:  # a buffer would be written once more when it is closed
            append_line(file, {"key": self._key, **value})

    def remove(self) -> None:
        """The run is complete and its results are written: the journal has done its work."""
        self.path.unlink(missing_ok=True)


def _read(path: Path, key: str) -> tuple[list[Batch], int]:
    """The whole batches of a journal with this key, and how many bytes of the file they take."""
    if not path.is_file():
        return [], 0
    batches: list[Batch] = []
    good_bytes = 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
        if not line.endswith(b"\n"):
            break
        try:
            value = json.loads(line)
            if value.pop("key") != key or (not number and value):
                break
            if number:
                batches.append(Batch(**value))
        except (ValueError, TypeError, KeyError, AttributeError):
            break
        good_bytes += len(line)
    return batches, good_bytes
