"""A small process that outlives us and then ends the engine's processes.

    python -m models.reaper MARK

vLLM's processes do not notice when the process that started them is killed (kill -9, out of memory): they would
wait for work for ever, with gigabytes of memory. So each engine starts one of these beside them. It reads its
standard input, which ends when we do, and kills every process that carries the engine's mark in its environment.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

_VARIABLE = "SHOPBENCH_ENGINE_MARK"


@contextlib.contextmanager
def marked_children() -> Iterator[None]:
    """Within this context, processes that are started die soon after this one does, however that ends."""
    mark = uuid.uuid4().hex
    reaper = subprocess.Popen(
        [sys.executable, "-m", "models.reaper", mark],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).resolve().parent.parent,
        start_new_session=True,  # a Ctrl-C in the terminal is for us, not for it
    )
    _KEPT.append(reaper)
    os.environ[_VARIABLE] = mark
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)


_KEPT: list[subprocess.Popen[bytes]] = []
"""Their standard inputs must stay open as long as this process lives."""


def main() -> int:
    """Wait for the end of standard input, then kill the processes with the mark."""
    mark = sys.argv[1]
    sys.stdin.buffer.read()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(_VARIABLE) == mark:
                process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
