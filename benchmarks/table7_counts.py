"""`python -m benchmarks.table7_counts`: how many samples v7, v8, v7b and v9b get from data that fill Table 7's rows.

The data are made up, in the published forms and at about the published sizes (benchmarks/published_files.py); the
counts are held against the sums of the paper's Table 7: 417,000, 462,435, 152,496 and 40,000 (its section 4.3 rounds
them). v8 and v9b are built; v7 and v7b are rows of v8. Exit code 1 if a recipe gets less than 99% of what its rows of
Table 7 add up to.
"""

from __future__ import annotations

from shopbench.errors import DONE, NOT_GOOD, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.table7_counts")

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.published_files import write_all
from shopbench.arguments import above_zero, positive
from training.data.build.run import REPEAT, build
from training.data.catalogue import all_tasks, mixture_of
from training.recipes import recipe_named

PAPER = {"v7": 417_000, "v8": 462_435, "v7b": 152_496, "v9b": 40_000}
BUILT = ("v8", "v9b")
ENOUGH = 0.99


def main(argv: Sequence[str] | None = None) -> int:
    """Build and print; exit code 1 if a recipe falls short."""
    parser = argparse.ArgumentParser(prog="benchmarks.table7_counts", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("build/benchmark"))
    parser.add_argument("--scale", type=above_zero, default=1.0, help="share of the published sizes")
    parser.add_argument("--workers", type=positive, default=2)
    given = parser.parse_args(argv)
    sources = write_all(given.folder / f"table7-{given.scale:g}", given.scale)
    made: dict[str, int] = {}
    for name in BUILT:
        output = given.folder / f"counts-{name}"
        shutil.rmtree(output, ignore_errors=True)
        manifest = build(recipe_named(name), sources, output, workers=given.workers)
        for task, facts in manifest["tasks"].items():
            made[task] = facts["counts"].get("train", 0) - facts["dropped"].get(REPEAT, 0)
            print_short(task, made[task], facts["dropped"])
    good = True
    for name, published in PAPER.items():
        sizes = mixture_of(recipe_named(name))
        rows, total = sum(size or 0 for size in sizes.values()), sum(made[task] for task in sizes)
        print(f"{name}: {total} samples; its rows of Table 7 add up to {rows}, the paper says {published}")
        good = good and total >= ENOUGH * rows
    return DONE if good else NOT_GOOD


def print_short(task: str, made: int, dropped: Mapping[str, int]) -> None:
    """Print a row that is not full, and what was dropped."""
    row, size = all_tasks()[task].table7, all_tasks()[task].limit or 0
    if made < size:
        reasons = ", ".join(f"{count} {why}" for why, count in dropped.items())
        print(f"row {row}, {task}: {made} of {size}; dropped: {reasons or 'nothing'}")
