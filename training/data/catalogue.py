"""All dataset tasks, and all datasets, by name: what the files of training/data/sources/ say, in sorted order."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from types import ModuleType

from training.data import sources
from training.data.formats import Dataset, DataTask


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
