"""A recipe's build: each task becomes one part, made by any number of workers, and the parts are mixed in the end.

A run that was killed goes on after the parts that are finished.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.data.build.mix import mix
from training.data.build.mixture import mixture_of
from training.data.build.parts import PartSpec, code_hash, finished_part, make_part
from training.data.catalogue import all_tasks
from training.data.formats import MissingDataset
from training.recipes import Recipe


def part_specs(recipe: Recipe, sources: Path, exclude: tuple[str, ...]) -> list[PartSpec]:
    """The parts of a recipe; a UserError with the nearest names for an unknown task."""
    return [
        PartSpec(
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

    Raises MissingDataset for a dataset that is not under `sources` (unless `skip_missing`), SourceError for a
    broken one, UserError for an unknown task. Finished parts stay for the next run.
    """
    specs = part_specs(recipe, sources, exclude)
    folder = output / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [spec for spec in specs if finished_part(spec, folder) is None]
    missing: dict[str, str] = {}
    with tqdm(total=len(specs), initial=len(specs) - len(todo), unit="task", desc=recipe.name) as bar:
        for spec, problem in _make_parts(todo, folder, workers, engine):
            if isinstance(problem, MissingDataset) and skip_missing:
                missing[spec.task] = str(problem)
            elif problem is not None:
                raise problem
            bar.set_postfix_str(spec.task)
            bar.update()
    manifest = mix(recipe, [spec for spec in specs if spec.task not in missing], folder, output, missing)
    shutil.rmtree(folder)
    return manifest


def _make_parts(
    specs: list[PartSpec], folder: Path, workers: int, engine: str
) -> Iterator[tuple[PartSpec, BaseException | None]]:
    """Make the parts and yield each one's specification when it is finished, with what went wrong if something did."""
    if engine == "ray":
        from training.data.build.ray_engine import make_parts_with_ray

        yield from make_parts_with_ray(specs, folder, workers)
        return
    with ProcessPoolExecutor(max(1, workers), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(make_part, spec, str(folder)): spec for spec in specs}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.exception()
        finally:
            pool.shutdown(cancel_futures=True)
