"""A file of cases with the numbers that an authors' script gave, held against evaluation/published.

One JSON object a line, a case under one metric: `case` (its name), `benchmark`, `task`, `setting`, `reading` and `meta`
(where its script has such), `rows`, `answers`, `metric` and `value` (null: the script gives no number), `parsed` and
`gold_texts` where the script's own are known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.published import BadCase, Published, ecellm, ecomgpt, shopping_mmlu
from shopbench.text_files import json_objects

Score = Callable[[str, str, str, Mapping[str, Any], Sequence[Mapping[str, Any]], Sequence[str]], Published]
BENCHMARKS: dict[str, Score] = {
    "ecellm": ecellm.score,
    "ecomgpt": ecomgpt.score,
    "shopping_mmlu": shopping_mmlu.score,
}
TOLERANCE, EMBEDDING_TOLERANCE = 1e-6, 1e-4
"""How far a number may be off: files hold ten decimals; similarities of embeddings change with the machine."""


@dataclass(frozen=True)
class Line:
    """A line of the file: whether it matches, and if not, what is different."""

    where: str
    case: str
    difference: str | None


def replay(path: Path) -> Iterator[Line]:
    """Every line against our number and reading.

    Raises:
        BadSample, BadCase: the file cannot be read, or a line is no case; the message names the line.
    """
    known: dict[str, Published] = {}
    for where, row in json_objects(path):
        try:
            _check(row)
            # The lines of a case differ by their metric: each is scored once.
            given = [row.get(name) for name in ("benchmark", "task", "setting", "reading", "meta", "rows", "answers")]
            key = json.dumps(given)
            if key not in known:
                known[key] = _score(row)
            yield Line(where, f"{row['case']} {row['task']}", _difference(row, known[key]))
        except BadCase as error:
            raise BadCase(f"{path}, {where}: {error}") from None


def _check(row: dict[str, Any]) -> None:
    wanted = {"case": str, "benchmark": str, "task": str, "metric": str, "rows": list, "answers": list}
    for name, kind in (wanted | {"setting": str, "reading": str, "meta": dict}).items():
        if (name in row or name in wanted) and not isinstance(row.get(name), kind):
            raise BadCase(f"field {name!r} must be {kind.__name__}, not {row.get(name)!r:.40}")
    if row["benchmark"] not in BENCHMARKS:
        raise BadCase(f"unknown benchmark {row['benchmark']!r:.40}; known: {', '.join(BENCHMARKS)}")
    if not all(isinstance(one, dict) for one in row["rows"]) or not all(isinstance(one, str) for one in row["answers"]):
        raise BadCase("rows must be JSON objects and answers texts")
    if not row["rows"] or len(row["rows"]) != len(row["answers"]):
        raise BadCase(f"{len(row['answers'])} answers to {len(row['rows'])} rows; one for each row is wanted")
    value = row.get("value", "missing")
    if value is not None and not (_is_number(value) and math.isfinite(value)):
        raise BadCase(f"field 'value' must be a number or null, not {value!r:.40}")


def _score(row: dict[str, Any]) -> Published:
    score = BENCHMARKS[row["benchmark"]]
    setting, reading, meta = row.get("setting", ""), row.get("reading", ""), row.get("meta", {})
    return score(row["task"], setting, reading, meta, row["rows"], row["answers"])


def _difference(row: dict[str, Any], ours: Published) -> str | None:
    """What differs, in words; None where nothing does."""
    metric, wanted = row["metric"], row["value"]
    if metric not in ours.metrics:
        return f"{metric} is unknown here (known: {', '.join(ours.metrics)})"
    found = ours.metrics[metric]
    if (found is None) != (wanted is None) or not _same(found, wanted, metric):
        reason = f" ({ours.undefined})" if found is None and ours.undefined else ""
        return f"{metric} is {_shown(found)}{reason}, there {_shown(wanted)}"
    for name, own in (("parsed", ours.parsed), ("gold_texts", ours.gold_texts)):
        if name in row and not _same(own, row[name]):
            return f"{name} is {_excerpt(own)}, there {_excerpt(row[name])}"
    return None


def _same(ours: Any, theirs: Any, metric: str = "") -> bool:
    """Whether two JSON values are the same, numbers within the tolerance (a text's reading is no number)."""
    if _is_number(ours) and _is_number(theirs):
        return abs(ours - theirs) <= (EMBEDDING_TOLERANCE if "transformer" in metric else TOLERANCE)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return bool(ours == theirs)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.10g}"


def _excerpt(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:299]}…"
