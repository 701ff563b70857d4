"""results.json: gone on with by the same run only; a reference is joined by the questions' places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.compare import Agreement
from benchmarks.gpu.results import DIFFERS, FAILED, OK, SKIPPED, Asked, Reference, Results
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


def header(places: list[int], sha256: str = "q", **changes: str) -> dict[str, Any]:
    return {"weights_sha256": "w", "prompt_hash": "p", "questions": {"sha256": sha256, "places": places}, **changes}


def test_a_reference_of_more_or_fewer_questions_is_joined_by_place(tmp_path: Path) -> None:
    path = tmp_path / "cpu.json"
    steps = {"exact": {"answers": ["a", "c"]}, "plain": {"questions_per_s": 1}}
    path.write_text(json.dumps({**header([0, 2]), "steps": steps}))
    found = Reference.read(path, header([0, 1, 2]))
    assert found.answers == {"exact": ["a", None, "c"]} and not found.notes
    assert Reference.read(path, header([2])).answers == {"exact": ["c"]}
    notes = Reference.read(path, header([0], weights_sha256="other")).notes
    assert notes == ("note: the CPU's answers (cpu.json) were made with other weights",)
    with pytest.raises(UserError, match="answers another file of questions"):
        Reference.read(path, header([0], "other"))
    with pytest.raises(UserError, match="cannot be read"):
        Reference.read(tmp_path / "nowhere.json", header([0]))
