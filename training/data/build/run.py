"""A recipe's build: each task becomes one part, made by any number of workers; the parts are mixed in the end.

A run that was killed goes on after the parts that are finished. The mixed order is given by a hash: the same seed
gives the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shopbench.errors import UserError
from shopbench.files import file_hash, json_text, replacing, write_json
from training.data.build.parts import PartSpec, code_hash, finished_part, make_part
from training.data.catalogue import mixture_of
from training.data.formats import MissingDataset, SourceError
from training.data.hashes import digest, source_hash
from training.data.options import same_key
from training.processes import end_with_parent
from training.recipes import Recipe

SPLITS = ("train", "validation")
REPEAT = "repeat of another task"
REASONS = 5
"""So many tasks are named where none has made a sample."""


def part_specs(recipe: Recipe, sources: Path, exclude: tuple[str, ...]) -> list[PartSpec]:
    """The parts of a recipe; a UserError with the nearest names for an unknown task."""
    share, most, longest = recipe.validation_share, recipe.validation_limit, recipe.training.max_length
    return [
        PartSpec(name, limit, share, most, longest, str(sources), exclude, code_hash(), recipe.skip.get(name, 0))
        for name, limit in mixture_of(recipe).items()
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

    Raises MissingDataset for a dataset that is not under `sources` (unless `skip_missing`), SourceError for a
    broken one, UserError for an unknown task, and where not one sample was made. Finished parts stay for the next run.
    """
    if not sources.is_dir():
        raise UserError(f"{sources}: no such folder; --sources names the one that holds the datasets")
    specs = part_specs(recipe, sources, exclude)
    folder = output / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [spec for spec in specs if finished_part(spec, folder) is None]
    missing: dict[str, str] = {}
    make_parts = _with_ray if engine == "ray" else _locally
    with tqdm(total=len(specs), initial=len(specs) - len(todo), unit="task", desc=recipe.name) as bar:
        for spec, problem in make_parts(todo, folder, max(1, workers)):
            if isinstance(problem, MissingDataset) and skip_missing:
                missing[spec.task] = str(problem)
            elif problem is not None:
                raise problem
            bar.set_postfix_str(spec.task)
            bar.update()
    _need_samples(specs, missing, folder, sources)
    known, samples = _mix(recipe.seed, [spec for spec in specs if spec.task not in missing], folder, output)
    manifest = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "code": code_hash(),
        "samples": {split: samples[split] for split in SPLITS},
        "sha256": {split: file_hash(output / f"{split}.jsonl") for split in SPLITS},
        "tokens": sum(part["facts"]["counts"].get("tokens", 0) for part in known.values()),
        "excluded": {path: source_hash(Path(path)) for path in exclude},
        "missing": dict(sorted(missing.items())),
        "sources": {path: source_hash(Path(path)) for path in sorted({*chain(*(p["files"] for p in known.values()))})},
        "tasks": {task: part["facts"] for task, part in known.items()},
    }
    write_json(output / "manifest.json", manifest, indent=1)
    shutil.rmtree(folder)
    return manifest


def _need_samples(specs: list[PartSpec], missing: dict[str, str], folder: Path, sources: Path) -> None:
    """UserError with the reasons if no task has made a training sample: nothing is no training data."""
    facts = {spec.task: part["facts"] for spec in specs if (part := finished_part(spec, folder))}
    if any(known["counts"].get("train") for known in facts.values()):
        return
    reasons = [f"{task}: {known['short']}" for task, known in facts.items()] or list(missing.values())
    what = "no sample was made" if facts else f"none of the datasets of {len(specs)} tasks is there"
    raise UserError(f"{sources}: {what}; is it the right folder? {' | '.join(reasons[:REASONS])}")


def _locally(specs: list[PartSpec], folder: Path, workers: int) -> Iterator[tuple[PartSpec, BaseException | None]]:
    """Make the parts and yield each one's specification when it is finished, with what went wrong if something did."""
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=end_with_parent) as pool:
        waiting = {pool.submit(make_part, spec, str(folder)): spec for spec in specs}
        try:
            for future in as_completed(waiting):
                problem = future.exception()
                if isinstance(problem, BrokenProcessPool):
                    problem = UserError(
                        f"{folder.parent}: a worker was killed, as where memory runs out; give fewer --workers "
                        f"(there were {workers}), or make room, and run it again: finished tasks are kept"
                    )
                yield waiting[future], problem
        finally:
            pool.shutdown(cancel_futures=True)


def _with_ray(specs: list[PartSpec], folder: Path, workers: int) -> Iterator[tuple[PartSpec, BaseException | None]]:
    """As `_locally`, on the cluster that RAY_ADDRESS names, else on this machine; the bytes are the same.

    The sources and the output must lie on a disk that every node sees.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError("--engine ray needs Ray: pip install ray (or leave --engine out)") from None
    started = not ray.is_initialized()
    if started:
        options = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, **options)
    try:
        make = ray.remote(make_part)
        waiting = {make.remote(spec, str(folder.resolve())): spec for spec in specs}
        while waiting:
            (done,), _ = ray.wait([*waiting])
            try:
                ray.get(done)
                problem = None
            except ray.exceptions.RayTaskError as error:
                problem = error.cause
            yield waiting.pop(done), problem
    finally:
        if started:
            ray.shutdown()


def _mix(seed: int, specs: list[PartSpec], folder: Path, output: Path) -> tuple[dict[str, Any], Counter[str]]:
    """Mix the parts into one file a split, without what two tasks have in common.

    Returns what is known about each task's part, and the number of samples of each split.
    """
    places: list[tuple[str, str, int]] = []  # (place in the mixed order, task, byte in the task's part) of each sample
    seen: set[str] = set()
    known: dict[str, Any] = {}
    samples: Counter[str] = Counter()
    with ExitStack() as opened:
        parts = {spec.task: opened.enter_context(open(folder / f"{spec.task}.jsonl", "rb")) for spec in specs}
        for spec in specs:
            part = finished_part(spec, folder)
            if part is None:
                raise SourceError(f"{spec.task}: its files changed while the build ran; run it again")
            known[spec.task] = part
            start = repeats = 0
            for line in parts[spec.task]:
                key = digest(same_key(json.loads(line)["input_field"]))
                if key in seen:
                    repeats += 1
                else:
                    seen.add(key)
                    places.append((digest(seed, key), spec.task, start))
                start += len(line)
            if repeats:
                part["facts"]["dropped"][REPEAT] = repeats
        (output / "manifest.json").unlink(missing_ok=True)  # no manifest beside data it does not describe
        files = {split: opened.enter_context(replacing(output / f"{split}.jsonl")) for split in SPLITS}
        for _, task, start in sorted(places):
            parts[task].seek(start)
            row = json.loads(parts[task].readline())
            split = row.pop("split")
            samples[split] += 1
            files[split].write(json_text(row) + "\n")
    return known, samples
