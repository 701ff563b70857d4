"""Why a task of a build made nothing, or far fewer samples than it is to have, in words for the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from typing import Any

from training.data.formats import DataTask, Row

FAR_BELOW = 0.5
"""Less than this share of a task's size is said loudly."""
NO_SAMPLE = "no sample can be made of it"


def is_short(made: int, size: int | None) -> bool:
    """Whether a task is far below its size (None: as many as there are), or makes nothing."""
    return made == 0 or (size is not None and made < FAR_BELOW * size)


def reason(task: DataTask, counts: Mapping[str, int], dropped: Mapping[str, int], files: list[str], unlike: str) -> str:
    """Why so few samples were made: nothing read (of which files, what is wanted), or what was dropped.

    Args:
        unlike: how the first row that made no sample differs from the task's example (`difference`).
    """
    if not counts.get("read"):
        names = ", ".join(sorted({Path(path).name for path in files})[:6])
        wanted = (task.rows.__doc__ or "").strip().split("\n")[0] or f"fields like {', '.join(task.example)}"
        return f"no usable row in {names}; wanted: {wanted}"
    said = [f"{counts['read']} rows read of its files"]
    said += [f"{count} dropped: {why}" for why, count in Counter(dropped).most_common(3)]
    if not counts.get("train") and unlike:
        said.append(unlike)
    return "; ".join(said)


def difference(row: Row, example: Row) -> str:
    """How a row differs from a task's example: fields that it lacks, and values of another type; empty if it does not.

    >>> difference({"answer": "B"}, {"question": "Which?", "answer": 1})
    "found no question, answer='B' (wanted like '1')"
    """
    found = []
    for name, wanted in example.items():
        value = row.get(name)
        if value is None and wanted is not None:
            found.append(f"no {name}")
        elif wanted is not None and _kind(value) is not _kind(wanted):
            found.append(f"{name}={str(value)[:40]!r} (wanted like {str(wanted)[:40]!r})")
    return f"found {', '.join(found)}" if found else ""


def _kind(value: Any) -> type:
    return Number if isinstance(value, Number) else type(value)
