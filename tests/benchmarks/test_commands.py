"""Benchmarks end as every command does: what the user can mend is one line and exit code 2."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import data_build, inference, m2_shaped, merge, prefix_order, real_rows, scoring, start
from benchmarks.data_build import Usage
from shopbench.errors import exit_code_of


@pytest.mark.parametrize(
    ("main", "arguments", "says"),
    [
        (inference.main, [], "--peer: name the script that runs the other flow"),
        (inference.main, ["--peer", "nowhere.py"], "nowhere.py: no such peer script; give one that exists"),
        (inference.main, ["--peer", "x", "--questions", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (real_rows.main, ["--source", "{tmp}", "--output", "{tmp}/r.json"], "{tmp}: holds no rows to draw from"),
        (prefix_order.main, ["--questions", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (scoring.main, ["--questions", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (start.main, ["--other", "{tmp}"], "{tmp}: is no checkout of this repository"),
    ],
)
def test_bad_input_is_one_line(
    main: Callable[..., int],
    arguments: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code_of(main, [argument.format(tmp=tmp_path) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {says.format(tmp=tmp_path)}")
    assert error.count("\n") == 1


def test_speed_is_reported_with_the_processor_it_was_measured_on() -> None:
    described = inference.describe_cpu()
    assert f", {len(os.sched_getaffinity(0))} cores, " in described and "avx" in described.lower()


@pytest.mark.parametrize("main", [real_rows.main, merge.main, m2_shaped.main])
def test_data_outside_the_repository_must_be_named(main: Callable[..., int]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2


def test_a_build_that_fails_is_no_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data_build, "write_dataset", lambda folder, scale: folder)
    monkeypatch.setattr(data_build, "measured", lambda command: Usage(1.0, 1.0, 1, 7))
    assert exit_code_of(data_build.main, ["--folder", str(tmp_path)]) == 2
    assert "the build failed with exit code 7" in capsys.readouterr().err
