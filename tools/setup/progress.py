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
_PIP = re.compile(r"\s*(?:Downloading|Using cached) (\S+) \(([\d.]+) ?(\w+)\)")
_UV = re.compile(r"\s*Downloaded (\S+)")
_UNITS = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3, "KiB": 1.024e-3, "MiB": 1.049, "GiB": 1074}


class Failed(Exception):
    """The command failed; `output` is all it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


class InstallStatus:
    """What pip or uv has done so far, as it says it: first downloads, then packages unpacked.

    Args:
        megabytes: that it will download.
        packages: that will be there.
        installed: says how many are there now.
    """

    def __init__(self, megabytes: int, packages: int, installed: Callable[[], int]) -> None:
        self.megabytes, self.packages, self.installed = megabytes, packages, installed
        self.downloaded, self.announced = 0.0, {}  # type: float, dict[str, float]
        self.unpacks = False

    def read(self, line: str) -> None:
        self.unpacks = self.unpacks or line.startswith(("Installing collected packages", "Prepared "))
        if found := _PIP.match(line):
            size = float(found[2]) * _UNITS.get(found[3], 0.0)
            if found[3].endswith("iB"):  # uv starts all downloads at once and tells each one's end
                self.announced[found[1]] = size
            else:
                self.downloaded += size
        elif found := _UV.match(line):
            self.downloaded += self.announced.pop(found[1], 0.0)

    def __str__(self) -> str:
        if self.unpacks:
            return f"{min(self.installed(), self.packages)} of {self.packages} packages unpacked"
        return f"{self.downloaded:.0f} of {self.megabytes:,} MB downloaded"


def run_visibly(
    command: Sequence[str],
    label: str,
    log: Path,
    *,
    status: InstallStatus | None = None,
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
    process: subprocess.Popen[str], lines: list[str], write: Callable[[str], int], status: InstallStatus | None
) -> None:
    for line in process.stdout or ():
        lines.append(line)
        write(line)
        if status:
            status.read(line)
