"""Rows are drawn fairly from files of all sizes, and an answer that is not the model's own fails the run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks import real_rows
from shopbench.sample import BadSample
from shopbench.tasks import TaskType


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "MCQ"
    folder.mkdir(parents=True)
    for name, count in {"small": 3, "middle": 20, "large": 50}.items():
        rows: list[dict[str, Any]] = [
            {"input_field": f"{name} {n}?\n0. a\n1. b", "output_field": n % 2} for n in range(count)
        ]
        rows.append({"input_field": "yes?", "output_field": "yes", "metric": "bool"})
        lines = [json.dumps({"task_type": "multiple-choice", "metric": "accuracy"} | row) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder.parent


def test_large_files_give_what_small_ones_lack(source: Path) -> None:
    drawn = real_rows.draw(source, 43)
    assert Counter(one.task_name for one in drawn) == {"MCQ/small": 3, "MCQ/middle": 20, "MCQ/large": 20}
    assert drawn == real_rows.draw(source, 43) != real_rows.draw(source, 43, seed=1)
    assert len({one.input_field for one in drawn}) == 43


def test_nothing_to_draw_is_said(source: Path) -> None:
    with pytest.raises(BadSample, match="holds no rows"):
        real_rows.draw(source, 10, TaskType.RANKING)


@pytest.mark.parametrize(("counts", "status"), [({"questions": 4}, 0), ({"questions": 4, "repaired": 1}, 1)])
def test_a_fallback_fails_the_run(
    counts: dict[str, int], status: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "results.json"

    def evaluate(arguments: list[str]) -> int:
        output.write_text(json.dumps({"model_counts": counts}), encoding="utf-8")
        return 0

    monkeypatch.setattr(real_rows, "evaluate", evaluate)
    assert real_rows.main(["--source", str(source), "--rows", "4", "--output", str(output)]) == status
