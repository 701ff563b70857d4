"""The five task types of ShopBench and what is known about each, once.

Token limits are the winning solution's (its submitted inference code); descriptions are what its system
line says about a task. The limits are upper bounds: an answer space (models/spaces/base.py) may end earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TaskType(StrEnum):
    """Task types, spelled as in the ShopBench data."""

    MULTIPLE_CHOICE = "multiple-choice"
    RETRIEVAL = "retrieval"
    RANKING = "ranking"
    NER = "named_entity_recognition"
    GENERATION = "generation"


@dataclass(frozen=True)
class TaskSpec:
    """Facts about one task type.

    Attributes:
        max_tokens: most tokens a model may generate for an answer.
        fallback: a valid answer for a question about which nothing is known.
        default_count: how many option numbers an answer holds when the question names no number; 0 for text.
    """

    max_tokens: int
    fallback: str
    default_count: int = 0


TASKS: dict[TaskType, TaskSpec] = {
    TaskType.MULTIPLE_CHOICE: TaskSpec(max_tokens=1, fallback="0", default_count=1),
    TaskType.RETRIEVAL: TaskSpec(max_tokens=8, fallback="1, 2, 3", default_count=3),
    TaskType.RANKING: TaskSpec(max_tokens=9, fallback="1, 2, 3, 4, 5", default_count=5),
    TaskType.NER: TaskSpec(max_tokens=15, fallback="unknown"),
    TaskType.GENERATION: TaskSpec(max_tokens=50, fallback="unknown"),
}


def task_type_named(name: str) -> TaskType:
    """The task type spelled `name`; a ValueError that lists the known ones if there is none."""
    try:
        return TaskType(name)
    except ValueError:
        known = ", ".join(TaskType)
        raise ValueError(f"unknown task type {name!r}; known: {known}") from None
