"""`python -m benchmarks.data_build`: the ESCI tasks of v8 and v9b from a dataset of ESCI's full size.

Three runs in processes of their own: one to the end (time, and the memory of the whole process tree), one killed
with SIGKILL half-way and one that takes it up again; the bytes must be the same. Claim: under 5 minutes and under
4 GB on two cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.esci_shaped import write_dataset
from shopbench.errors import DONE, NOT_GOOD, UserError, run_command
from shopbench.files import read_json

CLAIM_SECONDS, CLAIM_BYTES = 300, 4 * 1024**3
CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
from training.data.build.mixture import mixture_of
from training.data.build.run import build
from training.data.catalogue import all_tasks
from training.recipes import RECIPES
if __name__ == "__main__":
    tasks = {}
    for name in ("v8", "v9b"):
        sizes = mixture_of(RECIPES[name], all_tasks())
        tasks |= {task: size for task, size in sizes.items() if task.startswith("esci_")}
    recipe = replace(RECIPES["v8"], name="esci", tasks=tasks)
    build(recipe, Path(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]))
"""


@dataclass(frozen=True)
class Usage:
    """What a build took: seconds on the clock and of processors, and the tree's largest memory in bytes (PSS).

    `status` is its exit code; negative: the signal that killed it.
    """

    seconds: float
    cpu: float
    peak: int
    status: int


def measured(command: Sequence[str], kill_after: float | None = None) -> Usage:
    """Run a command; the whole tree is killed with SIGKILL after so many seconds, if given."""
    process, peak, start = subprocess.Popen(command, start_new_session=True), 0, time.monotonic()
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        peak = max(peak, _tree_bytes(process.pid))
        if kill_after is not None and time.monotonic() - start > kill_after:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.5)
    cpu = usage.ru_utime + usage.ru_stime
    return Usage(time.monotonic() - start, cpu, peak, os.waitstatus_to_exitcode(status))


def _tree_bytes(pid: int) -> int:
    total = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.Error):  # it ended between the listing and the reading
            total += process.memory_full_info().pss
    return total


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; exit code 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.data_build", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of ESCI's size")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmark"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-kill", action="store_true", help="only the plain run")
    given = parser.parse_args(argv)
    sources = write_dataset(given.folder / f"esci-{given.scale:g}", given.scale)
    whole, resumed = given.folder / "whole", given.folder / "resumed"
    for folder in (whole, resumed):
        shutil.rmtree(folder, ignore_errors=True)

    def command(output: Path) -> list[str]:
        return [sys.executable, "-c", CHILD, str(sources), str(output), str(given.workers)]

    run = measured(command(whole))
    if run.status:
        raise UserError(f"the build failed with exit code {run.status}; mend what it says above")
    manifest = read_json(whole / "manifest.json", "the build's manifest")
    print(
        f"{manifest['samples']['train']} samples, {run.seconds:.0f} s ({run.cpu:.0f} s of processor time), "
        f"peak {run.peak / 1024**3:.2f} GB, {given.workers} workers"
    )
    kept = run.seconds < CLAIM_SECONDS and run.peak < CLAIM_BYTES
    if not given.no_kill:
        killed = measured(command(resumed), kill_after=run.seconds / 2)
        finished = [path.stem for path in (resumed / "parts").glob("*.json")]
        again = measured(command(resumed))
        same = again.status == 0 and (
            read_json(resumed / "manifest.json", "the build's manifest")["sha256"] == manifest["sha256"]
        )
        print(
            f"killed after {killed.seconds:.0f} s with {len(finished)} parts finished, taken up again in "
            f"{again.seconds:.0f} s: {'the same bytes' if same else 'OTHER BYTES'}"
        )
        kept = kept and same
    return DONE if kept else NOT_GOOD


if __name__ == "__main__":
    run_command(main)
