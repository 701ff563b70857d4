"""How long until the model is ready, and how long a short evaluation takes: this checkout against another one.

    git worktree add ../before COMMIT
    python -m benchmarks.start --other ../before [--weights DIR] [--questions FILE] [--limit N] [--rounds N]

Both are processes of their own, timed from start to exit as a user waits for them: one makes a UserModel, which is
timed alone as well (`ready_s`), the other is local_evaluation.py. Rounds are interleaved, so that a busy machine is
busy for both, and the median counts. Also shown: processor seconds, which other work on the machine changes less.
Exit code 1 if this checkout takes more than the share of the other's time that `--ready` and `--whole` allow.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from shopbench.errors import DONE, NOT_GOOD, UserError, run_command
from shopbench.files import ROOT

READY = """
import json, time
from models.user_config import UserModel
if __name__ == "__main__":
    started = time.perf_counter()
    model = UserModel()
    print(json.dumps({"ready_s": time.perf_counter() - started}), flush=True)
    model.close()
"""
MEASURED = ("ready_s", "make and close", "evaluate", "processor: make and close", "processor: evaluate")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.start", description="Time the start against another checkout's.")
    parser.add_argument("--other", type=Path, required=True, metavar="DIR", help="the other checkout")
    parser.add_argument("--weights", type=Path, default=ROOT / "weights/embedded", metavar="DIR")
    parser.add_argument("--questions", type=Path, default=ROOT / "data/sample_questions.jsonl", metavar="FILE")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="questions to evaluate")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--ready", type=float, default=0.4, metavar="SHARE", help="default: %(default)s")
    parser.add_argument("--whole", type=float, default=0.45, metavar="SHARE", help="default: %(default)s")
    given = parser.parse_args(argv)
    if not (given.other / "local_evaluation.py").is_file():
        raise UserError(f"{given.other}: is no checkout of this repository; make one with `git worktree add`")
    checkouts = {"this": ROOT, "other": given.other.absolute()}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    for number in tqdm(range(given.rounds), desc="rounds", unit=" rounds"):
        for name in sorted(checkouts, reverse=bool(number % 2)):
            runs[name].append(measure(checkouts[name], given.weights, given.questions, given.limit))
            tqdm.write(json.dumps({"round": number, "checkout": name, **runs[name][-1]}), file=sys.stderr)
    medians = {name: [statistics.median(run[key] for run in runs[name]) for key in MEASURED] for name in runs}
    shares = [ours / theirs for ours, theirs in zip(medians["this"], medians["other"], strict=True)]
    table = [
        [what, f"{theirs:.1f}", f"{ours:.1f}", f"{share:.2f}"]
        for what, theirs, ours, share in zip(MEASURED, medians["other"], medians["this"], shares, strict=True)
    ]
    print(tabulate(table, ["seconds", "other", "this", "share"], disable_numparse=True))
    return DONE if shares[0] <= given.ready and shares[2] <= given.whole else NOT_GOOD


def measure(checkout: Path, weights: Path, questions: Path, limit: int) -> dict[str, float]:
    """The seconds of MEASURED, in one checkout."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "ready.py"
        script.write_text(READY, encoding="utf-8")
        environment = os.environ | {"SHOPBENCH_WEIGHTS": str(weights.absolute()), "PYTHONPATH": str(checkout)}
        printed, made, made_cpu = _timed([str(script)], checkout, environment)
        arguments = ["--questions", str(questions.absolute()), "--limit", str(limit), "--skip-missing-metrics"]
        command = ["local_evaluation.py", *arguments, "--output", str(Path(folder) / "results.json")]
        _, evaluated, evaluated_cpu = _timed(command, checkout, environment)
    ready = json.loads(printed.strip().splitlines()[-1])["ready_s"]
    return dict(zip(MEASURED, (ready, made, evaluated, made_cpu, evaluated_cpu), strict=True))


def _timed(command: list[str], checkout: Path, environment: dict[str, str]) -> tuple[str, float, float]:
    """What a Python program printed, its seconds from start to exit, and the processor seconds it used."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=checkout, env=environment, capture_output=True, text=True)
    took, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise UserError(f"{checkout}: {command[0]} failed ({(done.stderr.strip().splitlines() or ['?'])[-1]})")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, took, used


if __name__ == "__main__":
    run_command(main)
