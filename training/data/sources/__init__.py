"""One file a dataset: its schema and licence, its reader, its tasks."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from training.data.formats import DataTask


@lru_cache
def all_tasks() -> dict[str, DataTask]:
    """Every dataset task by name: the `TASKS` of the files here, in sorted order."""
    tasks: dict[str, DataTask] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        for task in getattr(module, "TASKS", ()):
            if task.name in tasks:
                raise ValueError(f"two dataset tasks are named {task.name!r}; the second is in {module.__file__}")
            tasks[task.name] = task
    return tasks
