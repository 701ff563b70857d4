"""The command: what it refuses, what it skips, how it goes on, what it shows and its exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import command, process
from benchmarks.gpu.command import main
from benchmarks.gpu.process import choices, last_error, run_in_process, why_not
from benchmarks.gpu.steps import STEPS
from benchmarks.gpu.table import table
from models.machine import Machine
from models.weights import Weights
from shopbench.errors import exit_code_of

GIB = 1024**3
CPU, T4 = Machine(cpu_flags=frozenset({"avx2", "avx512f"})), Machine(gpu_memory=(15 * GIB,), capability=(7, 5))


class Steps:
    """Stands for the processes: answers, or the failure of one step."""

    def __init__(self, fails: str = "", **answers: list[str]) -> None:
        self.done: list[str] = []
        self._fails, self._answers = fails, answers

    def __call__(self, name: str, output: Path, arguments: Sequence[str]) -> dict[str, Any]:
        self.done.append(name)
        if name == self._fails:
            return {"result": "failed", "reason": "exit code 2; error: out of memory", "seconds": 1.0}
        return {"result": "ok", "seconds": 1.0, "questions_per_s": 4.0, "answers": self._answers[name]}


@pytest.fixture
def machine(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CPU with the embedded weights in place and no reference; the folder for results."""
    if not (repository / "weights/embedded/config.json").is_file():
        pytest.skip("no weights are built: run `make weights`")
    for module in (command, process):
        monkeypatch.setattr(module, "machine", lambda: CPU)
    monkeypatch.setattr(command, "REFERENCE", tmp_path / "no_reference.json")
    return tmp_path / "out"


def call(output: Path, *more: str) -> int:
    return exit_code_of(main, ["--device", "cpu", "--limit", "3", "--output", str(output), *more])


def test_without_a_gpu_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "machine", lambda: CPU)
    assert exit_code_of(main, ["--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no GPU that the installed vLLM can use") and error.count("\n") == 1
    assert "--device cpu" in error and not (tmp_path / "out").exists()
    monkeypatch.setattr(command, "machine", lambda: T4)
    assert exit_code_of(main, ["--device", "cpu"]) == 2
    assert "leave --device out" in capsys.readouterr().err


def test_a_cut_run_loses_one_step_and_goes_on(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"exact": ["1", "2", "x y"], "winners": ["1", "2", "x z"], "awq": ["1", "2", "x"]}
    first = Steps(fails="winners", **answers)
    monkeypatch.setattr(command, "run_in_process", first)
    steps = ("--steps", "exact", "eager", "winners")
    assert call(machine, *steps) == 1
    assert first.done == ["exact", "winners"], "a CPU has no graphs"
    known = json.loads((machine / "results.json").read_text())
    assert {name: facts["result"] for name, facts in known["steps"].items()} == {
        "exact": "ok", "eager": "skipped", "winners": "failed"
    }  # fmt: skip
    assert "winners: failed, exit code 2; error: out of memory" in capsys.readouterr().err

    again = Steps(**answers)
    monkeypatch.setattr(command, "run_in_process", again)
    assert call(machine, *steps) == 0
    assert again.done == ["winners"]
    assert "exact to winners: 1.00" in capsys.readouterr().out
    assert call(machine, "--steps", "exact", "--questions", str(machine / "results.json")) == 2
    assert exit_code_of(main, ["--device", "cpu", "--limit", "2", "--output", str(machine), *steps]) == 2
    assert "is of another run" in capsys.readouterr().err


def test_too_few_equal_answers_are_no_success(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "run_in_process", Steps(exact=["1", "2", "3"]))
    assert call(machine, "--steps", "exact", "--reference", str(machine / "none.json")) == 2
    assert call(machine, "--steps", "exact") == 0, "nothing to compare with"
    reference = json.loads((machine / "results.json").read_text())
    reference["steps"]["exact"]["answers"] = ["1", "no", "no"]
    other = machine / "reference.json"
    other.write_text(json.dumps(reference))
    capsys.readouterr()
    assert call(machine, "--steps", "exact", "--reference", str(other)) == 1
    shown = capsys.readouterr().out
    assert "differs" in shown and "1/3" in shown


def test_what_a_machine_cannot_do_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Made:
        def weights(self, name: str) -> Weights:
            return Weights(Path(name), {"num_attention_heads": 64}, 41 * GIB)

    monkeypatch.setattr(process, "machine", lambda: CPU)
    assert why_not(STEPS["awq_t4"], Made()) == "kernels of GPUs"  # type: ignore[arg-type]
    assert why_not(STEPS["72b"], Made()) == ""  # type: ignore[arg-type]
    monkeypatch.setattr(process, "machine", lambda: T4)
    assert why_not(STEPS["72b"], Made()).startswith("41.0 GiB of weights on 1 x 15.0 GiB")  # type: ignore[arg-type]
    monkeypatch.setattr(process, "machine", lambda: Machine(gpu_memory=(80 * GIB,), capability=(8, 0)))
    assert why_not(STEPS["72b"], Made()) == ""  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_step_that_fails_is_told_by_the_last_error_of_its_log(tmp_path: Path) -> None:
    found = run_in_process("exact", tmp_path, ["--questions", str(tmp_path / "nowhere.jsonl")])
    assert found["result"] == "failed"
    assert found["reason"].startswith(f"exit code 2; error: {tmp_path / 'nowhere.jsonl'}: cannot be read")
    assert found["vllm_says"] == []


def test_what_vllm_s_log_says_that_it_chose() -> None:
    log = """INFO [cuda.py:507] Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN', 'X'].
INFO [cuda.py:446] Using TRITON_ATTN backend.
INFO Using MarlinLinearKernel for AutoAWQMarlinLinearMethod
INFO Using MarlinLinearKernel for AutoAWQMarlinLinearMethod
INFO [x] Graph capturing finished in 3 secs, took 0.1 GiB
ValueError: too small
INFO the end"""
    assert choices(log) == [
        "Using FLASH_ATTN attention backend",
        "Using TRITON_ATTN backend",
        "Using MarlinLinearKernel for AutoAWQMarlinLinearMethod",
        "Graph capturing finished in 3 secs, took 0.1 GiB",
    ]
    assert last_error(log) == "ValueError: too small"
    assert last_error("one\ntwo\n") == "two" and last_error("") == "it said nothing"


def test_the_table_says_how_measured_times_stand_to_projected_ones() -> None:
    steps = {
        "72b": {
            "result": "ok",
            "measured_ms": {"prompt_token": 0.5, "decode_step": 15.0},
            "projected_ms": {"prompt_token": [0.4, 0.3, 0.2], "decode_step": [20.0, 15.0, 12.0]},
            "projected_on": "1 x H100",
        },
        "lora": {"result": "ok", "questions_per_s": 6.0, "merged_questions_per_s": 8.0},
    }
    shown = table(steps, {})
    assert "72b, ms a prompt token: 0.5, projected 0.3 (0.2 to 0.4) on 1 x H100: slower than the range" in shown
    assert "72b, ms a decode step: 15, projected 15 (12 to 20) on 1 x H100: within the range" in shown
    assert "adapter served to merged: 0.75" in shown


@pytest.mark.slow
def test_a_step_ends_with_the_run_that_started_it_and_not_before() -> None:
    wait = "from benchmarks.gpu.process import end_with_parent; end_with_parent(); import time; time.sleep({})"
    with subprocess.Popen([sys.executable, "-c", wait.format(0.5)], stdin=subprocess.PIPE) as process:
        assert process.wait(60) == 0
    with subprocess.Popen([sys.executable, "-c", wait.format(60)], stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.close()
        assert process.wait(30) == -signal.SIGKILL
