"""Replay files of cases whose numbers the authors' scripts gave: `python -m evaluation.published FILE.jsonl`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from evaluation.benchmark import grouped
from evaluation.published.replay import replay
from shopbench.errors import DONE, NOT_GOOD, run_command
from shopbench.sample import BadSample

SHOWN = 5


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.published",
        description="Hold the published evaluators as they are written here against the numbers that the authors' own "
        "scripts gave.",
        epilog="exit codes: 0 every case matches; 1 some do not; 2 a file cannot be read",
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="cases as JSON lines, one metric a line")
    return max(_replay(path) for path in parser.parse_args(argv).files)


def _replay(path: Path) -> int:
    """Print how many cases of a file match, and the first lines that do not."""
    lines = list(tqdm(replay(path), desc=path.name, unit=" lines", leave=False))
    if not lines:
        raise BadSample(f"{path}: holds no cases; give JSON lines, one metric of a case each")
    different = [line for line in lines if line.difference]
    cases, failed = grouped(lines, lambda line: line.case), {line.case for line in different}
    matching = f"{len(lines) - len(different)} of {len(lines)} lines"
    print(f"{path.name}: {len(cases) - len(failed)} of {len(cases)} cases match ({matching})")
    for line in different[:SHOWN]:
        print(f"{line.where}, case {line.case}: {line.difference}")
    if len(different) > SHOWN:
        print(f"... and {len(different) - SHOWN} lines more")
    return NOT_GOOD if different else DONE


if __name__ == "__main__":
    run_command(main)
