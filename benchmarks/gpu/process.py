"""A step in a process of its own, under its settings: what it found, and what vLLM's log says that it chose."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.models import Models
from benchmarks.gpu.results import FAILED, OK
from benchmarks.gpu.steps import STEPS, Step
from models.machine import machine
from models.settings import SettingsError, choose
from models.weights import WeightsError
from shopbench.files import ROOT, read_json_if_any

_CHOICES = (
    r"Using [\w.]+ (?:attention )?backend",
    r"Using \w+ for (?:AutoAWQ|mixed-precision)\w*",
    r"Using FlashAttention version \d",
    r"Model loading took [^\n]{0,40}",
    r"GPU KV cache size: [\d,]+ tokens",
    r"Graph capturing finished in [^\n]{0,40}",
)
"""Lines of vLLM's log."""
_TIMES_ON_CPU = 4
_ERROR = re.compile(r"^(error: |[\w.]+(Error|Exception|Died)\b)")


def why_not(step: Step, models: Models) -> str:
    """Why this machine cannot do a step, in a line; empty if it can. Makes the step's weights.

    UserError if they cannot be made.
    """
    found = machine()
    if step.gpu_only and not found.gpu_memory:
        return step.gpu_only
    weights = models.weights(step.weights)
    try:
        choose(weights, found, {**os.environ, **step.environment})
    except (WeightsError, SettingsError) as error:
        return str(error).removeprefix(f"{weights.folder}: ")
    return ""


def run_in_process(name: str, output: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Do a step; what kinds.py says it found, with "result", "reason" if it failed, and "vllm_says"."""
    seconds = STEPS[name].seconds * (1 if machine().gpu_memory else _TIMES_ON_CPU)
    step, log, found = STEPS[name], output / "logs" / f"{name}.log", output / "logs" / f"{name}.json"
    log.parent.mkdir(exist_ok=True)
    found.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments, "--steps", name, "--step", str(found)]
    environment = {**os.environ, "VLLM_LOGGING_LEVEL": "INFO", **step.environment}
    began = time.monotonic()
    with open(log, "w", encoding="utf-8") as file:
        options: dict[str, Any] = {"cwd": ROOT, "env": environment, "stdout": file, "stderr": file}
        with subprocess.Popen(command, stdin=subprocess.PIPE, **options) as process:
            try:
                code = process.wait(seconds)
                reason = f"exit code {code}" if code else ""
            except subprocess.TimeoutExpired:
                process.kill()
                reason = f"took longer than {seconds} s"
    said = log.read_text(encoding="utf-8", errors="replace")
    facts: dict[str, Any] = {"seconds": round(time.monotonic() - began, 1), "vllm_says": choices(said)}
    if reason:
        return {"result": FAILED, "reason": f"{reason}; {last_error(said)} ({log.name})", **facts}
    if missing := [word for word in step.must_choose if word not in " ".join(facts["vllm_says"])]:
        return {"result": FAILED, "reason": f"vLLM has not chosen {' and '.join(missing)}", **facts}
    return {"result": OK, **facts, **read_json_if_any(found)}


def end_with_parent() -> None:
    """In a step's process: end when the one that started it does, so that no GPU is kept by a run that was killed."""

    def wait() -> None:
        os.read(0, 1)  # nothing is ever written there; a lock of sys.stdin would be held when Python ends
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def choices(log: str) -> list[str]:
    """What vLLM says that it has chosen, each line once."""
    return list(dict.fromkeys(found for pattern in _CHOICES for found in re.findall(pattern, log)))


def last_error(log: str) -> str:
    """The last line of a log that names an error, else its last line, of bounded length."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or ["it said nothing"])[-1][:300]
