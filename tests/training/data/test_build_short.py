"""A build that falls short says so and why; one that makes nothing is no success; its workers end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from shopbench.errors import exit_code_of
from training.data.build.command import main
from training.data.build.shortfall import difference, is_short

from . import published

pytestmark = pytest.mark.slow  # builds start worker processes


def run(*arguments: object) -> int:
    return exit_code_of(main, [str(argument) for argument in arguments])


def build(sources: Path, recipe: str = "v7b", *more: object) -> int:
    return run("--recipe", recipe, "--sources", sources, "--output", sources.parent / "out", "--workers", 1, *more)


def mmlu(folder: Path, **changed: Any) -> Path:
    rows = [
        {"question": f"Which of these is number {n}?", "subject": "arithmetic", "answer": n % 4, **changed}
        | {"choices": [f"number {n + step}" for step in range(4)]}
        for n in range(30)
    ]
    published.write_lines(folder / "mmlu/test.jsonl", rows)
    return folder


def test_a_task_that_makes_nothing_is_said_loudly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = mmlu(tmp_path / "sources")
    published.amazon_reviews(sources)
    for path in (sources / "amazon_reviews_2023").rglob("*meta*"):
        for file in path.rglob("*.parquet"):
            file.unlink()
    (sources / "amazon_reviews_2018/meta_Garden.json.gz").unlink()  # nobody knows what is bought together
    assert build(sources) == 1
    said = capsys.readouterr().err
    assert "WARNING: of 6 tasks, 2 made nothing, 4 less than half of their size:" in said
    assert (
        "amazon_reviews_also_bought: 0 of 5815: no usable row in All_Beauty.jsonl.gz; wanted: One row a product" in said
    )
    assert "mmlu_question: 30 of 115700: 30 rows read of its files" in said
    assert (tmp_path / "out/train.jsonl").exists() and (tmp_path / "out/manifest.json").exists()


def test_full_tasks_are_not_spoken_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(mmlu(tmp_path / "sources"), "v7b", "--skip-missing", "--limit", 20) == 0
    assert "WARNING" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"answer": 7}, "mmlu_question: 30 rows read of its files; 30 dropped: no sample can be made of it"),
        (
            {"answer": None, "label": 2},
            "no field 'answer' in its first rows (found: question, subject, label, choices)",
        ),
        ({"answer": "B"}, "mmlu/test.jsonl"),
    ],
)
def test_a_build_that_makes_nothing_is_no_success(
    changed: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(mmlu(tmp_path / "sources", **changed), "v7b", "--skip-missing") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not (tmp_path / "out/train.jsonl").exists() and not (tmp_path / "out/manifest.json").exists()
    assert run("--preview", "mmlu_question", "--sources", tmp_path / "sources") == 2
    assert "mmlu" in capsys.readouterr().err


def test_a_typo_in_sources_is_not_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mmlu(tmp_path / "sources")
    assert build(tmp_path / "sourcse", "v7b", "--skip-missing") == 2
    assert "sourcse: no such folder; --sources names" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert build(tmp_path / "empty", "v7b", "--skip-missing") == 2
    assert "none of the datasets of 6 tasks is there; is it the right folder?" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--limit", "--workers"])
@pytest.mark.parametrize("number", ["0", "-3", "1.5"])
def test_counts_are_above_0(option: str, number: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        build(mmlu(tmp_path / "sources"), "v7b", option, number)


def test_what_differs_from_the_example_is_named() -> None:
    example = {"question": "Which?", "answer": 0, "note": None}
    assert difference({"question": "Q", "answer": 2.0, "note": "x"}, example) == ""
    assert difference({"answer": "B"}, example) == "found no question, answer='B' (wanted like '0')"
    assert [is_short(*one) for one in ((0, None), (1, None), (49, 100), (50, 100))] == [True, False, True, False]


def begun(sources: Path, repository: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A build with two workers, and these, stopped: they are in their midst however fast they are."""
    command = [sys.executable, "-m", "training.data.build", "--recipe", "v9b", "--sources", str(sources)]
    command += ["--output", str(sources.parent / "out"), "--workers", "2", "--skip-missing"]
    process = subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True)
    workers: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    for worker in workers:
        os.kill(worker.pid, signal.SIGSTOP)
    assert len(workers) == 2
    return process, workers


def test_workers_end_with_a_killed_build(tmp_path: Path, repository: Path) -> None:
    published.esci(tmp_path / "sources")
    process, workers = begun(tmp_path / "sources", repository)
    process.kill()
    for worker in workers:
        os.kill(worker.pid, signal.SIGCONT)
    gone, alive = psutil.wait_procs(workers, timeout=30)
    for worker in alive:
        worker.kill()
    process.communicate()
    assert len(gone) == 2, "no worker is left"


def test_a_build_whose_worker_was_killed_says_so_in_one_line(tmp_path: Path, repository: Path) -> None:
    published.esci(tmp_path / "sources")
    process, workers = begun(tmp_path / "sources", repository)
    workers[0].kill()
    os.kill(workers[1].pid, signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    (line,) = [line for line in said.splitlines() if "a worker was killed" in line]
    assert process.returncode == 2 and line.startswith("error: ") and "finished tasks are kept" in line
    assert "Traceback" not in said
