"""Run a long command so that one sees it move: one changing line on a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SECONDS_BETWEEN_LINES = 10
_DOWNLOAD = re.compile(r"\s*Downloading \S+ \(([\d.]+) (bytes|kB|MB|GB)\)")
_UNITS = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


class Failed(Exception):
    """The command failed; `output` is all it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


class PipOutput:
    """What pip has said so far, as one line: first what it collects and downloads, then what it has unpacked.

    Args:
        count: packages that will be there.
        installed: says how many are there now.
    """

    def __init__(self, count: int, installed: Callable[[], int]) -> None:
        self.count, self.installed = count, installed
        self.collected, self.megabytes, self.unpacks = 0, 0.0, False

    def read(self, line: str) -> None:
        self.collected += line.startswith(("Collecting ", "Requirement already satisfied: "))
        self.unpacks = self.unpacks or line.startswith("Installing collected packages")
        if found := _DOWNLOAD.match(line):
            self.megabytes += float(found[1]) * _UNITS[found[2]]

    def __str__(self) -> str:
        if self.unpacks:
            return f"{min(self.installed(), self.count)} of {self.count} packages unpacked"
        return f"{self.collected} of {self.count} packages found, {self.megabytes:.0f} MB downloaded"


def run_visibly(
    command: Sequence[str],
    label: str,
    log: Path,
    *,
    status: PipOutput | None = None,
    environment: dict[str, str] | None = None,
) -> None:
    """Run `command`, what it says into `log`, while a line shows `label`, `status` and the time.

    Raises:
        Failed: its exit status is not 0.
    """
    lines: list[str] = []
    started, shown, width = time.monotonic(), time.monotonic(), 0
    with log.open("a", encoding="utf-8") as book:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            close_fds=False,  # it shares our lock: where we are killed, the next set-up waits for its end
        )
        reader = threading.Thread(target=_read, args=(process, lines, book.write, status), daemon=True)
        reader.start()
        while reader.is_alive():
            reader.join(0.5)
            passed = time.monotonic() - started
            line = f"{label}: {status}, {passed:.0f} s" if status else f"{label}: {passed:.0f} s"
            if sys.stdout.isatty():
                print(f"\r{line:<{width}}", end="", flush=True)
                width = len(line)
            elif time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
                shown = time.monotonic()
                print(line, flush=True)
        failed = process.wait()
    if sys.stdout.isatty():
        print(f"\r{'':<{width}}\r", end="", flush=True)
    if failed:
        raise Failed("".join(lines))


def _read(
    process: subprocess.Popen[str], lines: list[str], write: Callable[[str], int], status: PipOutput | None
) -> None:
    for line in process.stdout or ():
        lines.append(line)
        write(line)
        if status:
            status.read(line)
