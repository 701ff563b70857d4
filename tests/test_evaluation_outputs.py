"""local_evaluation.py and its outputs, as processes: two runs at once, kill and resume, full and wrong places."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shopbench.sample import write_samples
from tests.disks import mounted
from tests.evaluation.fakes import choice, make_weights

pytestmark = pytest.mark.slow  # whole commands as processes

RUN = """
import resource, sys, time, types
from shopbench.errors import run_command
from tests.evaluation.fakes import FakeModel

says, pause, most_bytes = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
if most_bytes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
def answer(question, asked=[]):
    print("asked", question, flush=True)
    time.sleep(pause if asked else 0)  # not before the first answer, for which tests wait
    asked.append(question)
    return says.encode().decode("unicode_escape")
sys.modules["models.user_config"] = types.SimpleNamespace(UserModel=lambda: FakeModel(answer, batch_size=1))
sys.argv[1:] = sys.argv[4:]
run_command("local_evaluation")
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, repository: Path) -> Start:
    """Start an evaluation of the questions "NAME 0" to "NAME 5", every answer to which is `says`.

    From the second question on each takes `pause` seconds.
    """
    weights = make_weights(tmp_path / "weights")

    def run(
        name: str, *more: str, says: str = "1", pause: float = 0.0, most_bytes: int = 0, output: str = "results.json"
    ) -> subprocess.Popen[str]:
        file = tmp_path / f"{name}.jsonl"
        if not file.exists():
            write_samples(file, [choice(f"{name} {number}") for number in range(6)])
        files = ["--questions", str(file), "--weights", str(weights), "--output", str(tmp_path / output)]
        command = [sys.executable, "-c", RUN, says, str(pause), str(most_bytes), *files, *more]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=repository, **pipes)

    return run


def ended(run: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    """Exit code, the questions asked, and the last line on stderr; there may be a progress bar before it."""
    printed, error = run.communicate(timeout=120)
    assert "Traceback" not in error, error
    asked = [line.removeprefix("asked ") for line in printed.splitlines() if line.startswith("asked")]
    return run.returncode, asked, (error.splitlines() or [""])[-1]


def wait_for_answers(run: subprocess.Popen[str], count: int, journal: Path) -> None:
    deadline = time.monotonic() + 60
    while not journal.exists() or len(journal.read_bytes().splitlines()) < count + 1:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def left(folder: Path) -> set[str]:
    """What stands beside questions and weights."""
    return {path.name for path in folder.iterdir() if path.suffix != ".jsonl" and path.name != "weights"}


def outputs_of(folder: Path, name: str = "results.json") -> list[str]:
    return [sample["output"] for sample in json.loads((folder / name).read_text(encoding="utf-8"))["samples"]]


def test_a_second_run_on_one_output_is_refused_and_the_first_keeps_its_answers(start: Start, tmp_path: Path) -> None:
    first = start("first", says="1", pause=0.3)
    journal = tmp_path / "results.json.answers.part"
    wait_for_answers(first, 1, journal)
    first.send_signal(signal.SIGSTOP)  # it is in its midst however fast it is
    code, asked, error = ended(start("second", says="2"))
    first.send_signal(signal.SIGCONT)
    assert (code, asked) == (2, [])
    assert error == f"error: {tmp_path}/results.json: another run is writing it; wait for it or give another --output"
    wait_for_answers(first, 3, journal)
    first.kill()
    first.wait()
    code, asked, _ = ended(start("first", says="3"))
    assert code == 0
    assert outputs_of(tmp_path) == ["1"] * (6 - len(asked)) + ["3"] * len(asked) and 0 < len(asked) <= 3
    assert left(tmp_path) == {"results.json"}


def test_runs_with_outputs_of_their_own_do_not_meet_but_one_report_is_one_run_s(start: Start, tmp_path: Path) -> None:
    report = ("--report", str(tmp_path / "report.html"))
    first = start("first", *report, pause=5, output="a.json")
    wait_for_answers(first, 1, tmp_path / "a.json.answers.part")
    assert ended(start("second", says="2", output="b.json"))[0] == 0
    code, _, error = ended(start("second", *report, says="2", output="c.json"))
    assert code == 2 and "report.html: another run is writing it" in error
    first.kill()
    first.wait()
    assert ended(start("first", *report, output="a.json"))[0] == 0
    assert outputs_of(tmp_path, "a.json") == ["1"] * 6 and outputs_of(tmp_path, "b.json") == ["2"] * 6
    assert left(tmp_path) == {"a.json", "b.json", "report.html"}


def test_a_killed_run_s_answers_are_never_another_run_s(start: Start, tmp_path: Path) -> None:
    """Nor where lines of another run stand in the journal, as runs that did not lock it wrote them."""
    journal = tmp_path / "results.json.answers.part"
    lines = {}
    for name in ("first", "second"):
        run = start(name, says=name[0], pause=0.2)
        wait_for_answers(run, 3, journal)
        run.kill()
        run.wait()
        lines[name] = journal.read_bytes().splitlines(keepends=True)
        journal.unlink()
    journal.write_bytes(b"".join([*lines["second"][:2], *lines["first"][2:4]]))
    code, asked, _ = ended(start("second", says="new"))
    assert (code, len(asked)) == (0, 5)
    assert outputs_of(tmp_path) == ["s"] + ["new"] * 5


@pytest.mark.parametrize("most_bytes", [100, 450, 2000])
def test_a_full_disk_is_one_line_and_what_was_answered_is_kept(start: Start, tmp_path: Path, most_bytes: int) -> None:
    """At the journal's first line, between its answers, and at results.json (3 kB) after all of them."""
    code, asked, error = ended(start("first", most_bytes=most_bytes))
    assert code == 2
    assert error.startswith(f"error: {tmp_path}/results.json") and "File too large; raise the limit" in error
    assert left(tmp_path) == {"results.json.answers.part"}
    code, again, _ = ended(start("first", says="2"))
    assert code == 0 and len(again) == 6 - max(0, len(asked) - (most_bytes < 2000))
    assert left(tmp_path) == {"results.json"}


def test_a_full_disk_of_its_own(start: Start, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=4k") as disk:
        code, asked, error = ended(start("first", output="disk/results.json"))
        assert (code, len(asked)) == (2, 6)
        assert error == f"error: {disk}/results.json: No space left on device; make room"
        assert [path.name for path in disk.iterdir()] == ["results.json.answers.part"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_leaves_the_journal_alone(start: Start, tmp_path: Path, stop: signal.Signals) -> None:
    run = start("first", pause=0.3)
    wait_for_answers(run, 2, tmp_path / "results.json.answers.part")
    run.send_signal(stop)
    code, _, error = ended(run)
    assert (code, error) == (130, "interrupted: give the same command again to go on from here")
    assert left(tmp_path) == {"results.json.answers.part"}


@pytest.mark.parametrize(
    "output", ["first.jsonl", "weights/model.safetensors", "weights/new.json", "/dev/null", "weights"]
)
def test_an_output_that_would_cost_something_is_refused(start: Start, tmp_path: Path, output: str) -> None:
    code, asked, error = ended(start("first", output=output))
    assert (code, asked) == (2, [])
    assert "cannot be written, it is " in error
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "first.jsonl").stat().st_size > 500 and left(tmp_path) == set()


def test_a_lone_surrogate_in_an_answer_is_scored(start: Start, tmp_path: Path) -> None:
    assert ended(start("first", says=r"0 \ud800 lamp"))[0] == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["score"] == 1.0
    assert {sample["output"] for sample in results["samples"]} == {"0 \ufffd lamp"}
