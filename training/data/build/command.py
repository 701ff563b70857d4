"""`python -m training.data.build`: datasets -> samples of a recipe -> train.jsonl, validation.jsonl, manifest.json.

Exit code 1: the data are written, but a task made nothing of the dataset that is there; the last lines say why.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shopbench import answers
from shopbench.arguments import positive
from shopbench.errors import DONE, NOT_GOOD, UserError, nearest
from shopbench.prompts import messages
from training.data.build.parts import PartSpec, Tally, part_samples
from training.data.build.run import build
from training.data.build.shortfall import reason
from training.data.catalogue import all_tasks, mixture_of
from training.recipes import RECIPES, recipe_named

LEANING = 0.6
"""A share of one answer above this is named as a defect of a multiple-choice task."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.data.build", description=(__doc__ or "").split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", help=f"one of: {', '.join(RECIPES)}")
    what.add_argument("--preview", metavar="TASK", help="print a few samples of a task and stop")
    parser.add_argument("--sources", required=True, type=Path, help="folder that holds the datasets")
    parser.add_argument("--output", type=Path, help="folder for the result")
    parser.add_argument("--exclude", action="append", default=[], help="evaluation file to keep out (may be repeated)")
    parser.add_argument("--limit", type=positive, help="at most so many samples a task")
    parser.add_argument("--skip-missing", action="store_true", help="leave out tasks whose dataset is not there")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: parts as Ray tasks")
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1)
    given = parser.parse_args(argv)
    if given.preview:
        preview(given.preview, given.sources)
        return DONE
    if not given.output:
        parser.error("--recipe needs --output")
    recipe = recipe_named(given.recipe)
    if given.limit is not None:
        sizes = mixture_of(recipe).items()
        recipe = replace(recipe, tasks={name: min(given.limit, size or given.limit) for name, size in sizes})
    exclude, skip = tuple(given.exclude), given.skip_missing
    manifest = build(recipe, given.sources, given.output, exclude, given.workers, skip, given.engine)
    report(manifest)
    return DONE if warn(manifest, mixture_of(recipe)) else NOT_GOOD


def preview(name: str, sources: Path) -> None:
    """Print a few samples of a task as the model will see them."""
    tasks = all_tasks()
    if name not in tasks:
        raise UserError(f"unknown task {name!r}; {nearest(name, tasks)}")
    spec = PartSpec(name, 3, 0.0, None, 10**6, str(sources), (), "")
    tally = Tally()
    for _, sample in part_samples(tasks[name], spec, tally):
        for message in messages(sample.task_type, sample.input_field):
            print(f"[{message['role']}]\n{message['content']}")
        print(f"[assistant]\n{answers.write(sample.task_type, sample.output_field)}\n{'-' * 60}")
    if not tally.counts["train"]:
        why = reason(tasks[name], tally.counts, tally.dropped, sorted(tally.files), tally.unlike)
        raise UserError(f"{sources}: {name} makes no sample: {why}")


def report(manifest: dict[str, Any]) -> None:
    """Print a build's table: samples by task, what was dropped, and answers that lean to one option."""
    for name, task in manifest["tasks"].items():
        made, dropped = task["counts"].get("train", 0), sum(task["dropped"].values())
        lean = max(task["answers"].values(), default=0) / max(1, sum(task["answers"].values()))
        warning = f"  answers lean to one option ({lean:.0%})" if lean > LEANING and made >= 100 else ""
        print(f"{name:45s} {task['counts'].get('read', 0):8d} read {dropped:8d} dropped {made:8d} kept{warning}")
    for name, problem in manifest["missing"].items():
        print(f"{name:45s} left out: {problem}")
    samples = "{train} training and {validation} validation samples".format(**manifest["samples"])
    print(f"{samples}, about {manifest['tokens']} tokens")


def warn(manifest: dict[str, Any], sizes: Mapping[str, int | None]) -> bool:
    """Say on stderr which tasks made nothing or far fewer samples than their size, and why; whether each made some."""
    made = {name: task["counts"].get("train", 0) for name, task in manifest["tasks"].items()}
    short = {name: task["short"] for name, task in manifest["tasks"].items() if "short" in task}
    nothing = [name for name in short if not made[name]]
    if short:
        few = len(short) - len(nothing)
        print(
            f"WARNING: of {len(made)} tasks, {len(nothing)} made nothing, {few} less than half of their size:",
            file=sys.stderr,
        )
    for name in sorted(short, key=lambda task: (made[task] > 0, task)):
        size = f" of {sizes[name]}" if sizes[name] else ""
        print(f"  {name}: {made[name]}{size}: {short[name]}", file=sys.stderr)
    return not nothing
