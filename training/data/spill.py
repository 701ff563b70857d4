"""Temporary folders that a killed process does not leave for ever: the next one that needs a folder removes them.

A folder in use holds a file `lock` that its process keeps locked; the kernel ends the lock with the process, however
that ends. (filelock's lock file exists before it is locked: a folder that is being made would look like a stray.)
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "shopbench-duckdb-"
_LOCK = "lock"


@contextmanager
def spill_folder() -> Iterator[Path]:
    """A folder for the time of this context; those that killed processes have left are removed first."""
    _remove_strays(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, open(Path(name) / "new", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(lock.name).rename(Path(name) / _LOCK)  # it appears locked: nobody takes the folder for a stray
        yield Path(name)


def _remove_strays(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        # Without a lock file it is being made, with a locked one it is in use, and others' folders are not ours.
        with suppress(OSError), open(folder / _LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
