"""results.json: gone on with by the same run only; a reference is joined by the questions' places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu.compare import Agreement
from benchmarks.gpu.results import DIFFERS, FAILED, OK, SKIPPED, Asked, Results, read_reference
from shopbench.errors import UserError

HEADER = {"weights_sha256": "w", "questions": {"sha256": "q", "places": [0, 2]}}


def test_a_cut_run_goes_on_and_failed_steps_are_done_again(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = Results.open(path, HEADER)
    done = {"exact": OK, "eager": SKIPPED, "awq": DIFFERS, "lora": FAILED}
    results.steps = {name: {"result": result} for name, result in done.items()}
    results.save({"exact": {"cpu": {"all": Agreement(1, 2, (3,))}}})
    again = Results.open(path, HEADER)
    assert [name for name in (*done, "72b") if not again.is_done(name)] == ["lora", "72b"]
    assert again.steps["exact"]["same_as"] == {"cpu": {"all": {"equal": 1, "total": 2, "parted": [3]}}}
    assert json.loads(path.read_text())["weights_sha256"] == "w"


def test_results_of_another_run_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    Results.open(path, HEADER).save({})
    with pytest.raises(UserError, match=r"is of another run \(weights_sha256\)"):
        Results.open(path, HEADER | {"weights_sha256": "other"})


def test_questions_are_spread_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "q"
    file.write_text("x")
    assert Asked.of(file, 9, None).places == tuple(range(9))
    assert Asked.of(file, 9, 3).places == (0, 3, 6)
    assert Asked.of(file, 2, 5).places == (0, 1)


def test_a_reference_of_more_or_fewer_questions_is_joined_by_place(tmp_path: Path) -> None:
    path = tmp_path / "cpu.json"
    steps = {"exact": {"answers": ["a", "c"]}, "plain": {"questions_per_s": 1}}
    path.write_text(json.dumps({"questions": {"sha256": "q", "places": [0, 2]}, "steps": steps}))
    assert read_reference(path, Asked("q", (0, 1, 2))) == {"exact": ["a", None, "c"]}
    with pytest.raises(UserError, match="answers other questions"):
        read_reference(path, Asked("other", (0,)))
    with pytest.raises(UserError, match="cannot be read"):
        read_reference(tmp_path / "nowhere.json", Asked("q", (0,)))
