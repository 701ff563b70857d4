"""A small process that outlives us and then ends the engine's processes.

    python -m models.engine.reaper MARK

vLLM's processes do not notice when the process that started them is killed (kill -9, out of memory): they would
wait for work for ever, with gigabytes of memory. So each engine starts one of these beside them. Its standard input
ends when we do, and then it kills the engine's processes and their children.

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
from collections.abc import Iterator

import psutil

from shopbench.files import ROOT

_VARIABLE = "SHOPBENCH_ENGINE_MARK"
_LOOK_SECONDS = 0.5
"""Between two looks: a process of vLLM's imports for seconds before it writes its title."""


@contextlib.contextmanager
def marked_children() -> Iterator[None]:
    """Within this context, processes that are started die soon after this one does, however that ends."""
    mark = uuid.uuid4().hex
    reaper = subprocess.Popen(
        [sys.executable, "-m", "models.engine.reaper", mark],
        stdin=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,  # a Ctrl-C in the terminal is for us, not for it
    )
    _KEPT.append(reaper)
    os.environ[_VARIABLE] = mark
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)
        with contextlib.suppress(OSError):  # it may have been killed; the engine works without it
            assert reaper.stdin
            reaper.stdin.write(b"started\n")
            reaper.stdin.flush()


_KEPT: list[subprocess.Popen[bytes]] = []
"""Their standard inputs must stay open as long as this process lives."""


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
    for process in known:
        with contextlib.suppress(psutil.Error):
            if not _is_tracker(process):
                process.kill()
    return 0


def _marked(mark: str) -> set[psutil.Process]:
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(_VARIABLE) == mark:
                found.add(process)
    return found


def _is_tracker(process: psutil.Process) -> bool:
    """Whether it is Python's own, which gives shared memory back when the others have ended, and then ends."""
    return any("multiprocessing.resource_tracker" in part for part in process.cmdline())


if __name__ == "__main__":
    sys.exit(main())
