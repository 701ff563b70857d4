"""A small process that outlives us and then ends the engine's processes.

    python -m models.engine.reaper MARK

The engine's process may compute or hang when the one that started it is killed (kill -9, out of memory), and vLLM's
workers would wait for work for ever, with gigabytes of memory. So each engine gets one of these beside it. Its
standard input ends when we do, and then it kills the engine's processes and their children.

It knows them by a mark in their environment. As vLLM's processes write their titles over that, it looks for the mark
every now and then while the engine starts, and remembers who had it.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import uuid
from collections.abc import Iterable

import psutil

from shopbench.files import ROOT

_VARIABLE = "SHOPBENCH_ENGINE_MARK"
_LOOK_SECONDS = 0.5
"""Between two looks: a process of vLLM's imports for seconds before it writes its title."""


class Reaper:
    """Processes that are started with `mark` in their environment die soon after this one does, however that ends."""

    def __init__(self) -> None:
        mark = uuid.uuid4().hex
        self.mark = {_VARIABLE: mark}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "models.engine.reaper", mark],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, not for it
        )

    def know(self) -> None:
        """All processes have been started: look no more."""
        with contextlib.suppress(OSError):  # it may have been killed; the engine works without it
            assert self._process.stdin
            self._process.stdin.write(b"started\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """End what is left of the marked processes, and the reaper."""
        with contextlib.suppress(OSError):
            assert self._process.stdin
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill processes, but for Python's own that gives shared memory back: it ends by itself when the others have."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if not any("multiprocessing.resource_tracker" in part for part in process.cmdline()):
                process.kill()


def main() -> int:
    """Remember the processes with the mark until standard input says "started", and kill them at its end."""
    mark, known = sys.argv[1], set[psutil.Process]()
    while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
        known |= _marked(mark)
    known |= _marked(mark)
    sys.stdin.buffer.read()
    known |= _marked(mark)
    for process in list(known):
        with contextlib.suppress(psutil.Error):
            known.update(process.children(recursive=True))
    kill(known)
    return 0


def _marked(mark: str) -> set[psutil.Process]:
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(_VARIABLE) == mark:
                found.add(process)
    return found


if __name__ == "__main__":
    sys.exit(main())
