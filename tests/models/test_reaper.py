"""Processes started for an engine do not outlive the one that started them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PARENT = """
import subprocess, sys, time
from models.reaper import marked_children
with marked_children():
    marked = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
free = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(marked.pid, free.pid, flush=True)
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
