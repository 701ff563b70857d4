"""Writing whole or not at all: what a reader finds, and what a user reads, when the disk is full in the middle."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from shopbench.errors import BAD_INPUT, exit_code_of
from shopbench.files import replacing


def test_a_full_disk_leaves_what_was_there_and_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "results.json"
    target.write_text("before")

    def main() -> int:
        with replacing(target) as file:
            file.write("half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as file.write raises it: without a path

    assert exit_code_of(main) == BAD_INPUT
    assert capsys.readouterr().err == f"error: {target}: No space left on device; make room\n"
    assert target.read_text() == "before" and list(tmp_path.iterdir()) == [target]
