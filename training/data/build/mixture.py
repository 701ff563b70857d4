"""From a recipe's selectors to dataset tasks and their sizes."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from shopbench.errors import UserError, nearest
from training.data.formats import DataTask
from training.recipes import Recipe

_DOMAIN = re.compile(r"domain:(\w+)(?:\[:(\d+)\])?")

OTHER_SYSTEMS = frozenset({"ecellm", "ecominstruct", "chain_of_task"})
"""Tags of tasks in another system's form (letters, label sets): no part of a domain."""


def mixture_of(recipe: Recipe, known: dict[str, DataTask]) -> dict[str, int | None]:
    """Task name -> most samples (None: all there are), sorted by name.

    A UserError with the nearest names where the recipe names something unknown, or one task twice.
    """
    mixture: dict[str, int | None] = {}
    for key, limit in recipe.tasks.items():
        tasks = selected(key, known)
        if not tasks:
            raise UserError(f"recipe {recipe.name}: unknown task {key!r}; {nearest(key, [*known, *selectors(known)])}")
        for task in tasks:
            if task.name in mixture:
                raise UserError(f"recipe {recipe.name}: {key!r} adds {task.name!r} again; name it once")
            mixture[task.name] = limit if key == task.name and limit else _smaller(limit, task.limit)
    return dict(sorted(mixture.items()))


def selected(key: str, known: dict[str, DataTask]) -> list[DataTask]:
    """The tasks that a key of a recipe stands for, sorted by name; empty if it is unknown."""
    if key in known:
        return [known[key]]
    tasks = [known[name] for name in sorted(known)]
    if domain := _DOMAIN.fullmatch(key):
        inside = [task for task in tasks if task.domain == domain[1] and not OTHER_SYSTEMS & set(task.tags)]
        return inside[: int(domain[2])] if domain[2] else inside
    if "*" in key:
        return [task for task in tasks if fnmatchcase(task.name, key)]
    kind, _, value = key.partition(":")
    if kind == "table7":
        return [task for task in tasks if str(task.table7) == value]
    return [task for task in tasks if kind == "tag" and value in task.tags]


def _smaller(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def selectors(known: dict[str, DataTask]) -> list[str]:
    """Every selector that these tasks answer to."""
    found = {f"domain:{task.domain}" for task in known.values()}
    found |= {f"tag:{tag}" for task in known.values() for tag in task.tags}
    found |= {f"table7:{task.table7}" for task in known.values() if task.table7}
    return sorted(found)
