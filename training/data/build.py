"""`python -m training.data.build`: datasets -> samples of a recipe -> train.jsonl, validation.jsonl, manifest.json.

Each task becomes one part (training/data/parts.py), made by any number of workers; a run that was killed goes on
after the parts that are finished. In the end the parts are mixed in an order that a hash gives, so the same seed
gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shopbench import answers
from shopbench.prompts import messages
from shopbench.sample import BadSample
from training.data.mixture import mixture_of
from training.data.options import same_key
from training.data.parts import Order, Tally, code_hash, finished_part, make_part, part_samples
from training.data.reading import SourceError
from training.data.small_files import digest
from training.data.sources import all_tasks
from training.recipes import RECIPES, Recipe, nearest, recipe_named

SPLITS = ("train", "validation")
HASHED_WHOLE = 2 * 1024**3
"""Larger source files are hashed by their size and 256 blocks of a megabyte."""
LEANING = 0.6
"""A share of one answer above this is named as a defect of a multiple-choice task."""


def orders_of(recipe: Recipe, sources: Path, exclude: tuple[str, ...]) -> list[Order]:
    """The parts of a recipe; a ValueError with the nearest names for an unknown task."""
    return [
        Order(
            task=name,
            limit=limit,
            validation_share=recipe.validation_share,
            validation_limit=recipe.validation_limit,
            max_tokens=recipe.training.max_length,
            sources=str(sources),
            exclude=exclude,
            code=code_hash(),
        )
        for name, limit in mixture_of(recipe, all_tasks()).items()
    ]


def build(
    recipe: Recipe,
    sources: Path,
    output: Path,
    exclude: tuple[str, ...] = (),
    workers: int = 1,
    skip_missing: bool = False,
    engine: str = "local",
) -> dict[str, Any]:
    """Build a recipe's data under `output` and return the manifest.

    Raises FileNotFoundError for a dataset that is not under `sources` (unless `skip_missing`), SourceError for a
    broken one, ValueError for an unknown task. Finished parts stay for the next run.
    """
    orders = orders_of(recipe, sources, exclude)
    folder = output / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [order for order in orders if finished_part(order, folder) is None]
    missing: dict[str, str] = {}
    with tqdm(total=len(orders), initial=len(orders) - len(todo), unit="task", desc=recipe.name) as bar:
        for order, problem in _made(todo, folder, workers, engine):
            if isinstance(problem, FileNotFoundError) and skip_missing:
                missing[order.task] = str(problem)
            elif problem is not None:
                raise problem
            bar.set_postfix_str(order.task)
            bar.update()
    manifest = mix(recipe, [order for order in orders if order.task not in missing], folder, output, missing)
    shutil.rmtree(folder)
    return manifest


Outcome = tuple[Order, BaseException | None]


def _made(orders: list[Order], folder: Path, workers: int, engine: str) -> Iterator[Outcome]:
    """Make the parts and yield each order when its part is finished, with what went wrong if something did."""
    if engine == "ray":
        from training.data.ray_engine import made_with_ray

        yield from made_with_ray(orders, folder, workers)
        return
    with ProcessPoolExecutor(max(1, workers), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(make_part, order, str(folder)): order for order in orders}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.exception()
        finally:
            pool.shutdown(cancel_futures=True)


def mix(recipe: Recipe, orders: list[Order], folder: Path, output: Path, missing: dict[str, str]) -> dict[str, Any]:
    """Mix the parts into train.jsonl and validation.jsonl, without what two tasks have in common; the manifest."""
    places: list[tuple[str, str, int, str]] = []
    seen: set[str] = set()
    tasks: dict[str, Any] = {}
    files: set[str] = set()
    for order in orders:
        known = finished_part(order, folder)
        if known is None:
            raise SourceError(f"{order.task}: its files changed while the build ran; run it again")
        start = repeats = 0
        with open(folder / f"{order.task}.jsonl", "rb") as file:
            for line in file:
                row = json.loads(line)
                key = digest(same_key(row["input_field"]))
                if key in seen:
                    repeats += 1
                else:
                    seen.add(key)
                    places.append((digest(recipe.seed, key), order.task, start, row["split"]))
                start += len(line)
        if repeats:
            known["facts"]["dropped"]["repeat of another task"] = repeats
        tasks[order.task] = known["facts"]
        files.update(known["files"])
    places.sort()
    (output / "manifest.json").unlink(missing_ok=True)  # no manifest beside data it does not describe
    hashes = {split: _write_split(split, places, folder, output) for split in SPLITS}
    manifest = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "code": code_hash(),
        "samples": {split: sum(place[3] == split for place in places) for split in SPLITS},
        "sha256": hashes,
        "tokens": sum(task["counts"].get("tokens", 0) for task in tasks.values()),
        "excluded": {path: file_hash(Path(path)) for path in (orders[0].exclude if orders else ())},
        "missing": missing,
        "sources": {path: file_hash(Path(path)) for path in sorted(files)},
        "tasks": tasks,
    }
    beside = output / "manifest.json.part"
    beside.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, output / "manifest.json")
    return manifest


def _write_split(split: str, places: list[tuple[str, str, int, str]], folder: Path, output: Path) -> str:
    """Write the samples of one split in their mixed order; the file's SHA-256."""
    beside, hashed = output / f"{split}.jsonl.part", hashlib.sha256()
    parts = {task: open(folder / f"{task}.jsonl", "rb") for task in sorted({place[1] for place in places})}  # noqa: SIM115
    try:
        with open(beside, "wb") as target:
            for _, task, start, in_split in places:
                if in_split == split:
                    parts[task].seek(start)
                    row = json.loads(parts[task].readline())
                    del row["split"]
                    line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
                    hashed.update(line)
                    target.write(line)
    finally:
        for file in parts.values():
            file.close()
    os.replace(beside, output / f"{split}.jsonl")
    return hashed.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file; of its size and evenly spaced blocks ("sampled:") where it is very large."""
    size, hashed = path.stat().st_size, hashlib.sha256()
    with open(path, "rb") as file:
        if size <= HASHED_WHOLE:
            for block in iter(partial(file.read, 1 << 20), b""):
                hashed.update(block)
            return hashed.hexdigest()
        hashed.update(str(size).encode())
        for place in range(256):
            file.seek(size * place // 256)
            hashed.update(file.read(1 << 20))
    return f"sampled:{hashed.hexdigest()}"


def preview(name: str, sources: Path, count: int = 3) -> None:
    """Print a few samples of a task as the model will see them."""
    tasks = all_tasks()
    if name not in tasks:
        raise ValueError(f"unknown task {name!r}; {nearest(name, tasks)}")
    order = Order(name, count, 0.0, None, 10**6, str(sources), (), "")
    for _, sample in part_samples(tasks[name], order, Tally()):
        for message in messages(sample.task_type, sample.input_field):
            print(f"[{message['role']}]\n{message['content']}")
        print(f"[assistant]\n{answers.write(sample.task_type, sample.output_field)}\n{'-' * 60}")


def report(manifest: dict[str, Any]) -> None:
    """Print a build's table: samples by task, what was dropped, and answers that lean to one option."""
    for name, task in manifest["tasks"].items():
        made, dropped = task["counts"].get("train", 0), sum(task["dropped"].values())
        lean = max(task["answers"].values(), default=0) / max(1, sum(task["answers"].values()))
        warning = f"  answers lean to one option ({lean:.0%})" if lean > LEANING and made >= 100 else ""
        print(f"{name:45s} {task['counts'].get('read', 0):8d} read {dropped:8d} dropped {made:8d} kept{warning}")
    for name, problem in manifest["missing"].items():
        print(f"{name:45s} left out: {problem}")
    samples = manifest["samples"]
    print(
        f"{samples['train']} training and {samples['validation']} validation samples, about {manifest['tokens']} tokens"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; a problem with the data or the recipe is one line and status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.data.build", description=(__doc__ or "").split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", help=f"one of: {', '.join(RECIPES)}")
    what.add_argument("--preview", metavar="TASK", help="print a few samples of a task and stop")
    parser.add_argument("--sources", required=True, type=Path, help="folder that holds the datasets")
    parser.add_argument("--output", type=Path, help="folder for the result")
    parser.add_argument("--exclude", action="append", default=[], help="evaluation file to keep out (may be repeated)")
    parser.add_argument("--limit", type=int, help="at most so many samples a task")
    parser.add_argument("--skip-missing", action="store_true", help="leave out tasks whose dataset is not there")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: parts as Ray tasks")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    if given.recipe and not given.output:
        parser.error("--recipe needs --output")
    try:
        if given.preview:
            preview(given.preview, given.sources)
            return 0
        recipe = recipe_named(given.recipe)
        if given.limit is not None:
            sizes = mixture_of(recipe, all_tasks()).items()
            recipe = replace(recipe, tasks={name: min(given.limit, size or given.limit) for name, size in sizes})
        options = (tuple(given.exclude), given.workers, given.skip_missing, given.engine)
        report(build(recipe, given.sources, given.output, *options))
    except (ValueError, FileNotFoundError, SourceError, BadSample, ModuleNotFoundError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
