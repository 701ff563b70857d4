"""A model and a weights folder that cost nothing, for tests of what is around the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evaluation.benchmark import Benchmark, Item, Options, Scored, TaskScores
from evaluation.scoring import score_tasks
from models.planning import ConstrainedPrompt
from shopbench.sample import Sample
from shopbench.tasks import TaskType


class FakeModel:
    """Answers by a function and remembers every call."""

    def __init__(self, answer: Callable[[str], str] = lambda question: "0", batch_size: Any = 4) -> None:
        self.says = answer
        self.batch_size = batch_size
        self.calls: list[tuple[list[str], bool]] = []
        self.stats = {"questions": 0}

    def get_batch_size(self) -> int:
        return self.batch_size

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        assert set(batch) == {"prompt"}
        self.calls.append((batch["prompt"], is_multiple_choice))
        self.stats["questions"] += len(batch["prompt"])
        return [self.says(question) for question in batch["prompt"]]

    def answer(self, prompts: Sequence[ConstrainedPrompt]) -> list[str]:
        return [self.says(one.text) for one in prompts]


ALL = Options()
"""No option given."""


class Scores(NamedTuple):
    """What scoring gives: each answer, each task, and {metric: remedy} of those that are missing."""

    answers: list[Scored]
    tasks: dict[str, TaskScores]
    missing: dict[str, str]

    def unreadable(self, task: str) -> int:
        """How many answers to a task cannot be read."""
        return sum(one.unreadable for one in self.answers if one.item.task == task)


def score(benchmark: Benchmark, items: Sequence[Item], outputs: Sequence[str]) -> Scores:
    """Score as evaluation.results does."""
    answers, missing = benchmark.score_answers(items, outputs)
    return Scores(answers, score_tasks(benchmark, answers), missing)


def choice(question: str, truth: int = 0, task: str = "task2", track: str = "") -> Sample:
    """A multiple-choice sample."""
    return Sample(question, truth, task, TaskType.MULTIPLE_CHOICE, "accuracy", True, track)


def retrieval(question: str, truth: tuple[int, ...] = (1, 2, 3), task: str = "task3", track: str = "") -> Sample:
    """A retrieval sample."""
    return Sample(question, truth, task, TaskType.RETRIEVAL, "hit rate@3", False, track)


def entities(question: str, truth: tuple[str, ...], task: str = "task4") -> Sample:
    """A named-entity sample."""
    return Sample(question, truth, task, TaskType.NER, "micro f1", False)


def text(question: str, truth: str, metric: str = "rougel", task: str = "task6") -> Sample:
    """A generation sample."""
    return Sample(question, truth, task, TaskType.GENERATION, metric, False)


def make_weights(folder: Path) -> Path:
    """A folder that passes for weights: a config and one empty safetensors file."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["Fake"]}))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return folder
