"""All synthesis tasks by name."""

from __future__ import annotations

from functools import lru_cache

from shopbench.errors import UserError, nearest
from training.synthesize.tasks import labels, rewording, rewriting
from training.synthesize.tasks.task import SynthesisTask


@lru_cache
def synthesis_tasks() -> dict[str, SynthesisTask]:
    """Every synthesis task by name."""
    return {task.name: task for task in (*labels.TASKS, *rewriting.TASKS, *rewording.TASKS)}


def synthesis_task_named(name: str) -> SynthesisTask:
    """The synthesis task of this name; a UserError with the nearest names if there is none."""
    if name not in synthesis_tasks():
        raise UserError(f"unknown task {name!r}; {nearest(name, synthesis_tasks())}")
    return synthesis_tasks()[name]
