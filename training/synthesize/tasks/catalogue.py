"""All synthesis tasks by name."""

from __future__ import annotations

from shopbench.errors import UserError, nearest
from training.synthesize.tasks import labels, rewording, rewriting
from training.synthesize.tasks.task import SynthesisTask

SYNTHESIS_TASKS = {task.name: task for task in (*labels.TASKS, *rewriting.TASKS, *rewording.TASKS)}


def synthesis_task_named(name: str) -> SynthesisTask:
    """The synthesis task of this name; a UserError with the nearest names if there is none."""
    if name not in SYNTHESIS_TASKS:
        raise UserError(f"unknown task {name!r}; {nearest(name, SYNTHESIS_TASKS)}")
    return SYNTHESIS_TASKS[name]
