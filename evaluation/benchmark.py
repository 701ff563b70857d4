"""What a benchmark is: the items it reads, how they are asked, how answers are scored, and in which groups.

Answers are scored twice where the benchmark's authors have published a script: by the paper's definitions (the scores
of `score_task`) and as that script scores them (`published`), which published tables compare with.

Every benchmark, ShopBench included, is a class derived from `Benchmark` under evaluation/suites, with one instance in
the table of evaluation/suites/__init__.py. Batches, journal, times, results.json, tables and page are the same for all
(runner.py, journal.py, results.py, table.py, report.py); none of these knows a suite by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from evaluation.published import Published
from models.planning import ConstrainedPrompt
from models.spaces.base import AnswerSpace
from shopbench.tasks import TaskType
from shopbench.tracks import Track

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Groups = dict[str, list[int]]
"""Groups of items: by name, the items' places."""


@dataclass(frozen=True)
class Options:
    """What the command line says about a benchmark; each benchmark names in `options` what it takes besides limit."""

    limit: int | None = None  # at most so many items, the first ones of each task (ShopBench: of the file)
    track: int | None = None  # only the items of this track
    enforce_limits: bool = False  # stop where the competition's evaluator would kill the run
    split: str = "test"  # which rows of a file that holds several: test, val or train
    shots: int = 0  # worked examples before each question


@dataclass(frozen=True)
class Item:
    """One row of a benchmark: what the model is asked, and what scoring needs to know."""

    task: str  # what it is scored with, a row of the tables; a task in one setting is a task of its own
    text: str  # the user's message, whole
    truth: Any  # in the benchmark's own form; JSON can hold it
    task_type: TaskType = TaskType.GENERATION  # chooses the system line: this one, where published rows are trained on
    space: AnswerSpace | None = None  # the allowed answers; None in ShopBench, whose texts must say them
    is_multiple_choice: bool = False  # all that ShopBench tells the model besides the text
    group: str = ""  # what its task belongs to (a skill, in-domain)
    metric: str = ""  # the metric that scores it; "" where the task alone has metrics
    track: Track | None = None  # of the competition
    details: Mapping[str, Any] = field(default_factory=dict)  # anything else that scoring needs

    @property
    def kind(self) -> str:
        """What an answer is, for tables: the answer space's name, or the task type where there is none."""
        return str(self.task_type) if self.space is None else type(self.space).__name__

    def constrained_prompt(self) -> ConstrainedPrompt:
        """The item as the model takes it with its answer space, which it must have."""
        assert self.space is not None, f"an item of {self.task} has no answer space"
        return ConstrainedPrompt(self.text, self.space, self.task_type)


@dataclass(frozen=True)
class Scored:
    item: Item
    output: str
    parsed: Any  # what is read from `output`, in the benchmark's own form; JSON can hold it
    unreadable: bool
    score: float | None  # 0 to 1; None where the metric's model is missing
    counts: tuple[int, int, int] | None = None  # (tp, fp, fn) of a metric that sums them over a task (micro f1)
    details: Any = None  # anything else that the task's scores are made of

    @property
    def value(self) -> Any:
        """The metric's own value, as `Metric.aggregate` takes it: the counts, else the score."""
        return self.score if self.counts is None else self.counts


@dataclass(frozen=True)
class TaskScores:
    metric: str  # the primary metric, a key of `metrics`
    metrics: dict[str, float | None]  # every metric's value; None where its model is not on this machine

    @property
    def score(self) -> float | None:
        return self.metrics[self.metric]


@dataclass(frozen=True)
class PublishedScores:
    """A task's scores as the authors' own script gives them."""

    metric: str  # the one beside the primary metric of TaskScores, a key of `given.metrics`
    given: Published

    @property
    def score(self) -> float | None:
        return self.given.metrics[self.metric]


class Model(Protocol):
    """What is evaluated (models.user_config.UserModel): the evaluator's two methods, and one with answer spaces."""

    def get_batch_size(self) -> int: ...

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]: ...

    def answer(self, prompts: Sequence[ConstrainedPrompt]) -> list[str]: ...


class Benchmark(Protocol):
    """A benchmark. What stands here with a body is the rule; ShopBench departs from it, see suites/shopbench.py."""

    name: str  # as given to --benchmark
    title: str  # as its authors write it
    questions: str  # what --questions must name, in a few words
    options: tuple[str, ...] = ()  # the Options besides limit that it takes; the command line refuses the others
    averages: str = "tasks"  # what the score is the mean of: "tasks", or "groups" (the tasks of a group first)
    method: str = "answer"  # the model's method that `ask` calls, for messages

    def default_questions(self) -> Path | None:
        """What is asked without --questions; None if it must be given."""
        return None

    def read(self, path: Path, options: Options) -> list[Item]:
        """The items of a file or folder; a shopbench.sample.BadSample with one line for one that is none."""
        ...

    def batch_kind(self, item: Item) -> int:
        """A number: items of two numbers are never in one batch, and those of the lower one are asked first."""
        return 0

    def ask(self, model: Model, items: Sequence[Item]) -> list[str]:
        """One answer for each item of a batch."""
        return model.answer([item.constrained_prompt() for item in items])

    def seconds_allowed(self, item: Item) -> float:
        """The item's share of the time that all answers may take, for --enforce-limits."""
        return math.inf

    def load_metrics(self, items: Sequence[Item]) -> None:
        """Load what scoring these items will need, where that takes seconds: called while the model starts."""
        return

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        """Score outputs, untrusted, as the engine wrote them; and {metric: how to get its model} of missing ones."""
        ...

    def score_task(self, scored: Sequence[Scored]) -> TaskScores:
        """The scores of one task, or of the part of it that is in a group: of at least one answer."""
        ...

    def published(self, scored: Sequence[Scored]) -> PublishedScores | None:
        """What the authors' own script gives for a whole task's answers; None where they have published none."""
        return None

    def groupings(self, items: Sequence[Item]) -> dict[str, Groups]:
        """Tables of results.json -> the groups of items in them, in their order; "per_task" is one of them."""
        return {"per_task": places_by(items, lambda item: item.task), "per_group": places_by(items, lambda i: i.group)}


def places_by(items: Sequence[Item], name: Callable[[Item], str]) -> Groups:
    """The items' places by a name, in the order in which the names come up."""
    return grouped(range(len(items)), lambda place: name(items[place]))


def grouped(values: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Values by a key, in the order in which the keys come up."""
    groups: dict[K, list[T]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups
