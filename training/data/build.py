"""`python -m training.data.build`: datasets -> samples of a recipe -> train.jsonl, validation.jsonl, manifest.json.

Each task is one part: its rows are read in their fixed order until enough samples are made, and the part is
written beside the output. A part depends on nothing but its sources and the recipe, so any number of workers
gives the same bytes, and a run that was killed goes on after the parts that are finished. In the end the parts
are mixed in an order that a hash gives.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shopbench import answers
from shopbench.classify import classify
from shopbench.sample import BadSample, Sample, read_samples
from shopbench.tasks import TaskType
from training.data.decontaminate import Excluded
from training.data.formats import DataTask, Row
from training.data.options import same_key
from training.data.reading import SourceError
from training.data.small_files import digest
from training.data.sources import all_tasks
from training.recipes import RECIPES, Recipe, nearest, recipe_named

PROMPT_TOKENS = 45
"""System line and chat template around a question, about."""
EXAMPLES_KEPT = 3


@dataclass(frozen=True)
class Order:
    """What one part is to be: everything its bytes depend on besides the sources."""

    task: str
    limit: int | None
    validation_share: float
    validation_limit: int | None
    max_tokens: int
    sources: str
    exclude: tuple[str, ...]


def estimated_tokens(sample: Sample) -> int:
    """Tokens of prompt and answer, estimated: four ASCII characters each, any other character alone."""
    text = sample.input_field + answers.write(sample.task_type, sample.output_field)
    plain = sum(char.isascii() for char in text)
    return PROMPT_TOKENS + plain // 4 + (len(text) - plain)


@lru_cache
def _excluded(paths: tuple[str, ...]) -> Excluded:
    return Excluded.of(sample.input_field for path in paths for sample in read_samples(path))


def split_of(task: DataTask, row: Row, share: float) -> str:
    """ "validation" for a share of the source texts, whichever task a text occurs in; else "train"."""
    text = task.group(row) if task.group else task.row_id(row)
    return "validation" if int(digest("split", text), 16) / 2**64 < share else "train"


def part_samples(
    task: DataTask, order: Order, counts: Counter[str], examples: list[str]
) -> Iterator[tuple[str, Sample]]:
    """(split, sample) of one task, until the limits are reached; `counts` says what became of the rows."""
    excluded = _excluded(order.exclude)
    limits = {"train": order.limit, "validation": order.validation_limit if order.validation_share else 0}
    made: Counter[str] = Counter()
    seen: set[str] = set()
    for row in task.rows(Path(order.sources)):
        if all(limit is not None and made[split] >= limit for split, limit in limits.items()):
            break
        counts["read"] += 1
        problem, split = row.get("_problem"), ""
        if not problem:
            split = split_of(task, row, order.validation_share)
            limit = limits[split]
            if limit is not None and made[split] >= limit:
                counts["dropped: over the limit"] += 1
                continue
            sample = task.to_sample(row, random.Random(f"{task.name}\n{task.row_id(row)}"))
            problem = "no sample can be made" if sample is None else unfit(sample, order, excluded, seen)
        if problem:
            counts[f"dropped: {problem}"] += 1
            if problem.startswith("in evaluation data") and len(examples) < EXAMPLES_KEPT and sample is not None:
                examples.append(f"{problem}: {sample.input_field[:160]}")
            continue
        assert sample is not None
        made[split] += 1
        counts[split] += 1
        counts["tokens"] += estimated_tokens(sample) if split == "train" else 0
        if sample.task_type is TaskType.MULTIPLE_CHOICE and split == "train":
            counts[f"answer {sample.output_field}"] += 1
        yield split, sample


def unfit(sample: Sample, order: Order, excluded: Excluded, seen: set[str]) -> str | None:
    """Why a sample is not taken, or None."""
    if estimated_tokens(sample) > order.max_tokens:
        return "too long"
    if classify(sample.input_field, sample.is_multiple_choice).task_type is not sample.task_type:
        return "reads as another task type"
    if overlap := excluded.overlap(sample.input_field):
        return f"in evaluation data ({overlap})"
    key = same_key(sample.input_field)
    if key in seen:
        return "repeat"
    seen.add(key)
    return None


def make_part(order: Order, folder: str) -> str:
    """Write the part of one task: samples as JSON lines, then its counts; the task's name. Runs in a worker."""
    task = all_tasks()[order.task]
    counts: Counter[str] = Counter()
    examples: list[str] = []
    lines = Path(folder) / f"{task.name}.jsonl"
    with open(lines, "w", encoding="utf-8") as file:
        for split, sample in part_samples(task, order, counts, examples):
            file.write(json.dumps({"split": split, **sample.to_dict()}, ensure_ascii=False) + "\n")
    facts = {
        "order": asdict(order) | {"exclude": list(order.exclude)},
        "licence": task.licence,
        "shareable": task.shareable,
        "domain": task.domain,
        "table7": task.table7,
        "counts": dict(sorted(counts.items())),
        "dropped_examples": examples,
    }
    done = Path(folder) / f"{task.name}.json"
    beside = done.with_name(done.name + ".part")
    beside.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(beside, done)
    return task.name


def orders_of(recipe: Recipe, sources: Path, exclude: tuple[str, ...]) -> list[Order]:
    """The parts of a recipe; a ValueError with the nearest names for an unknown task."""
    known = all_tasks()
    for name in recipe.tasks:
        if name not in known:
            raise ValueError(f"recipe {recipe.name}: unknown task {name!r}; {nearest(name, known)}")
    return [
        Order(
            task=name,
            limit=limit,
            validation_share=recipe.validation_share,
            validation_limit=recipe.validation_limit,
            max_tokens=recipe.training.max_length,
            sources=str(sources),
            exclude=exclude,
        )
        for name, limit in sorted(recipe.tasks.items())
    ]


def build(recipe: Recipe, sources: Path, output: Path, exclude: tuple[str, ...], workers: int) -> dict[str, Any]:
    """Build a recipe's data and return the manifest."""
    parts = output / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    orders = orders_of(recipe, sources, exclude)
    todo = [order for order in orders if not _finished(order, parts)]
    with (
        tqdm(total=len(orders), initial=len(orders) - len(todo), unit="task", desc=recipe.name) as bar,
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        waiting = [pool.submit(make_part, order, str(parts)) for order in todo]
        try:
            for future in as_completed(waiting):
                bar.set_postfix_str(future.result())
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    manifest = mix(recipe, orders, parts, output)
    shutil.rmtree(parts)
    return manifest


def _finished(order: Order, parts: Path) -> bool:
    try:
        facts = json.loads((parts / f"{order.task}.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return False
    return bool(facts["order"] == asdict(order) | {"exclude": list(order.exclude)})


def mix(recipe: Recipe, orders: list[Order], parts: Path, output: Path) -> dict[str, Any]:
    """Mix the parts into train.jsonl and validation.jsonl, without what two tasks have in common; the manifest."""
    places: list[tuple[str, str, int, str]] = []
    seen: set[str] = set()
    tasks: dict[str, Any] = {}
    for order in orders:
        facts = json.loads((parts / f"{order.task}.json").read_text(encoding="utf-8"))
        repeats = 0
        with open(parts / f"{order.task}.jsonl", "rb") as file:
            start = 0
            for line in file:
                row = json.loads(line)
                key = digest(same_key(row["input_field"]))
                if key in seen:
                    repeats += 1
                else:
                    seen.add(key)
                    places.append((digest(recipe.seed, key), order.task, start, row["split"]))
                start += len(line)
        facts["counts"]["dropped: repeat of another task"] = repeats
        tasks[order.task] = {name: fact for name, fact in facts.items() if name != "order"}
    places.sort()
    for split in ("train", "validation"):
        beside = output / f"{split}.jsonl.part"
        with open(beside, "w", encoding="utf-8") as target:
            for _, task, start, where in places:
                if where == split:
                    with open(parts / f"{task}.jsonl", "rb") as file:
                        file.seek(start)
                        row = json.loads(file.readline())
                    del row["split"]
                    target.write(json.dumps(row, ensure_ascii=False) + "\n")
        os.replace(beside, output / f"{split}.jsonl")
    manifest = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "samples": {split: sum(place[3] == split for place in places) for split in ("train", "validation")},
        "tokens": sum(task["counts"].get("tokens", 0) for task in tasks.values()),
        "tasks": tasks,
    }
    beside = output / "manifest.json.part"
    beside.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, output / "manifest.json")
    return manifest


def main(arguments: list[str] | None = None) -> int:
    """Command line; a problem with the data or the recipe is one line and status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.data.build", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", required=True, help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument("--sources", required=True, type=Path, help="folder that holds the datasets")
    parser.add_argument("--output", required=True, type=Path, help="folder for the result")
    parser.add_argument("--exclude", action="append", default=[], help="evaluation file to keep out (may be repeated)")
    parser.add_argument("--limit", type=int, help="at most so many samples a task")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    try:
        recipe = recipe_named(given.recipe)
        if given.limit:
            recipe = replace(recipe, tasks={name: given.limit for name in recipe.tasks})
        manifest = build(recipe, given.sources, given.output, tuple(given.exclude), given.workers)
    except (ValueError, FileNotFoundError, SourceError, BadSample) as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    samples = manifest["samples"]
    print(
        f"{samples['train']} training and {samples['validation']} validation samples, about {manifest['tokens']} tokens"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
