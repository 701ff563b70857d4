"""All dataset tasks and datasets by name, as the files of training/data/sources/ say, and the tasks of a recipe."""

from __future__ import annotations

import importlib
import pkgutil
import re
from fnmatch import fnmatchcase
from functools import lru_cache
from types import ModuleType

from shopbench.errors import UserError, nearest
from training.data import sources
from training.data.formats import Dataset, DataTask
from training.recipes import Recipe
from training.recipes.subtasks import SUBTASKS

_DOMAIN = re.compile(r"domain:(\w+)(?:\[:(\d+)\])?")

OTHER_SYSTEMS = frozenset({"ecellm", "ecinstruct_source", "ecominstruct", "chain_of_task"})
"""Tags of tasks in another system's form (letters, label sets): no part of a domain."""


@lru_cache
def all_tasks() -> dict[str, DataTask]:
    """Every dataset task by name, in the order of the files' names."""
    tasks: dict[str, DataTask] = {}
    for module in _source_files():
        for task in getattr(module, "TASKS", ()):
            if task.name in tasks:
                raise ValueError(f"two dataset tasks are named {task.name!r}; the second is in {module.__file__}")
            tasks[task.name] = task
    return tasks


@lru_cache
def all_datasets() -> dict[str, Dataset]:
    """Every dataset by name, sorted."""
    found = [dataset for module in _source_files() for dataset in getattr(module, "DATASETS", ())]
    return {dataset.name: dataset for dataset in sorted(found, key=lambda one: one.name)}


def _source_files() -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(sources.__path__))
    return [importlib.import_module(f"{sources.__name__}.{name}") for name in names]


def mixture_of(recipe: Recipe) -> dict[str, int | None]:
    """Task name -> most samples (None: all there are), sorted by name.

    A UserError with the nearest names where the recipe names something unknown, or one task twice.
    """
    mixture: dict[str, int | None] = {}
    for key, limit in recipe.tasks.items():
        tasks = selected(key)
        if not tasks:
            known = nearest(key, [*all_tasks(), *_selectors()])
            raise UserError(f"recipe {recipe.name}: unknown task {key!r}; {known}")
        for task in tasks:
            if task.name in mixture:
                raise UserError(f"recipe {recipe.name}: {key!r} adds {task.name!r} again; name it once")
            sizes = (limit,) if key == task.name and limit else (limit, task.limit)
            mixture[task.name] = min((size for size in sizes if size is not None), default=None)
    return dict(sorted(mixture.items()))


def selected(key: str) -> list[DataTask]:
    """The tasks that a key of a recipe stands for, by name, a domain's as SUBTASKS has them; empty if it is unknown."""
    known = all_tasks()
    if key in known:
        return [known[key]]
    tasks = [known[name] for name in sorted(known)]
    if domain := _DOMAIN.fullmatch(key):
        inside = [task for task in tasks if task.domain == domain[1] and not OTHER_SYSTEMS & set(task.tags)]
        order = {name: place for place, name in enumerate(SUBTASKS.get(domain[1], ()))}
        inside.sort(key=lambda task: order.get(task.name, len(order)))  # a stable sort: the others keep their order
        return inside[: int(domain[2])] if domain[2] else inside
    if "*" in key:
        return [task for task in tasks if fnmatchcase(task.name, key)]
    kind, _, value = key.partition(":")
    if kind == "table7":
        return [task for task in tasks if str(task.table7) == value]
    return [task for task in tasks if kind == "tag" and value in task.tags]


def _selectors() -> set[str]:
    tasks = all_tasks().values()
    found = {f"domain:{task.domain}" for task in tasks}
    found |= {f"tag:{tag}" for task in tasks for tag in task.tags}
    return found | {f"table7:{task.table7}" for task in tasks if task.table7}
