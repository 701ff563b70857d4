"""Folders to spill into: gone after use, and after a kill with the next use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from training.data import reading

HOLDER = """
import time
from training.data.reading import database
with database() as connection:
    connection.execute("SET memory_limit = '64MB'")
    connection.execute("CREATE TABLE much AS SELECT range AS number, hash(range) AS mixed FROM range(8000000)")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_killed_process_s_folder_goes_and_a_living_one_s_stays(temporary: Path, repository: Path) -> None:
    command = [sys.executable, "-c", HOLDER]
    environment = os.environ | {"TMPDIR": str(temporary)}
    holder = subprocess.Popen(command, cwd=repository, env=environment, stdout=subprocess.PIPE, text=True)
    assert holder.stdout and holder.stdout.readline() == "ready\n"
    (folder,) = temporary.glob(f"{reading.SPILL_PREFIX}*")
    try:
        with reading.database():
            assert folder.is_dir(), "its process lives"
        assert sum(file.stat().st_size for file in folder.rglob("*")) > 10**6, "there is something to leave behind"
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert folder.is_dir()
    with reading.database() as connection:
        assert not folder.exists()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_being_made_is_left_alone(temporary: Path) -> None:
    (temporary / f"{reading.SPILL_PREFIX}new").mkdir()
    with reading.database():
        assert len(list(temporary.iterdir())) == 2, "it has a folder of its own"
    assert [one.name for one in temporary.iterdir()] == [f"{reading.SPILL_PREFIX}new"]
