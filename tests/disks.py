"""Small disks of their own, for tests of what a full or a read-only one does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, option: str) -> Iterator[Path]:
    """A disk in memory, mounted at a new folder ("size=64k", "ro"); skips the test where nothing may be mounted."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("this user may mount nothing")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
