"""Processes started for an engine do not outlive the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PARENT = """
import os, subprocess, sys, time
from models.engine.reaper import Reaper
reaper = Reaper()
marked = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=os.environ | reaper.mark)
free = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(marked.pid, free.pid, flush=True)
time.sleep(600)
"""


HOLDER = """
import sys, time
from models.user_config import UserModel
model = UserModel()
print([name for name in ("vllm", "sklearn") if name in sys.modules], flush=True)
time.sleep(600)
"""


def is_running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_only_the_engine_s_processes_follow_their_parent(how: str, repository: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=repository, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    marked, free = (psutil.Process(int(number)) for number in parent.stdout.readline().split())
    try:
        assert is_running(marked) and is_running(free)
        getattr(parent, how)()
        parent.wait()
        for _ in range(600):
            if not is_running(marked):
                break
            time.sleep(0.05)
        assert not is_running(marked)
        assert is_running(free)
    finally:
        free.kill()


@pytest.fixture(scope="module")
def holders(
    repository: Path, made_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[subprocess.Popen[str]]]:
    """Two programs that each hold a real engine: they start at once, as mostly each uses one core."""
    script = tmp_path_factory.mktemp("holder") / "holder.py"
    script.write_text(HOLDER, encoding="utf-8")
    environment = os.environ | {"SHOPBENCH_WEIGHTS": str(made_weights), "SHOPBENCH_CONTEXT": "256"}
    environment["PYTHONPATH"] = str(repository)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([sys.executable, str(script)], env=environment, **pipes) for _ in range(2)]
    yield list(started)
    for holder in started:
        holder.terminate()
        holder.communicate()


@pytest.mark.engine
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed, its engine hanging", "interrupted"])
def test_no_process_of_a_real_engine_outlives_the_model(
    how: signal.Signals, holders: list[subprocess.Popen[str]]
) -> None:
    holder = holders.pop()
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "[]\n", "only the engine's process imports vLLM, and nobody what takes long"
        processes = psutil.Process(holder.pid).children(recursive=True)
        mapped = {Path(one.path) for process in processes for one in process.memory_maps()}
        if how is signal.SIGKILL:
            engine = next(process for process in processes if "models.engine.child" in process.cmdline())
            engine.suspend()
    finally:
        holder.send_signal(how)
        holder.wait()
    assert len(processes) >= 2, "the engine and the reaper"
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not [process for process in alive if is_running(process)]
    assert not [path for path in mapped if path.is_relative_to("/dev/shm") and path.exists()], "memory is given back"
