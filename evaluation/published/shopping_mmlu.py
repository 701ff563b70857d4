from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.published import Published


def score(
    task: str,
    setting: str,
    reading: str,
    meta: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[str],
) -> Published:
    raise NotImplementedError
