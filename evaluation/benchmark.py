"""What a benchmark other than ShopBench is made of: questions that name their answer space, and how they are scored.

A benchmark is a module with a `Benchmark` in it: it reads a file or folder in the form in which its authors publish
it, and scores a list of answers. Asking, journal, progress, results.json and report are local_evaluation.py's, the
same for all; its `BENCHMARKS` lists the modules, each with such a benchmark as BENCHMARK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from models.spaces.base import AnswerSpace
from shopbench.tasks import TaskType


@dataclass(frozen=True)
class Options:
    """What the command line says about a benchmark; each benchmark says in `heeds` what it takes.

    Attributes:
        limit: at most so many questions of each test, the first ones; None for all.
        split: which rows of a file that holds several: test, val or train.
        shots: worked examples before each question.
        drop_failed: leave unreadable answers out of the scores, as some published scripts do, instead of counting
            them wrong.
    """

    limit: int | None = None
    split: str = "test"
    shots: int = 0
    drop_failed: bool = False


@dataclass(frozen=True)
class Question:
    """One question as the model is asked it, and what scoring needs to know.

    Attributes:
        test: the set of questions it is scored with: a row of the tables (a task, or a task in one setting).
        group: what this test belongs to (a skill, in-domain): tests of a group are averaged.
        text: the user's message, whole.
        space: the answers that are allowed (models/spaces).
        truth: the true answer in the benchmark's own form; JSON can hold it.
        task_type: whose system line goes before it; GENERATION is what training on published rows uses.
        details: anything else that scoring needs.
    """

    test: str
    group: str
    text: str
    space: AnswerSpace
    truth: Any
    task_type: TaskType = TaskType.GENERATION
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What was read from one answer.

    Attributes:
        parsed: the answer in the benchmark's own form; JSON can hold it.
        failed: nothing could be read from it.
        score: the answer's own score, 0 to 1, for looking through; None where there is none.
    """

    parsed: Any
    failed: bool
    score: float | None


@dataclass(frozen=True)
class Test:
    """The scores of one test.

    Attributes:
        headline: the name of its primary metric; its value, a key of `metrics`, is the test's score.
        metrics: value of every metric; None where its model is not on this machine.
        failed: how many answers could not be read.
    """

    __test__ = False  # no test case, whatever pytest thinks of the name

    headline: str
    metrics: dict[str, float | None]
    failed: int

    @property
    def score(self) -> float | None:
        """The value of the primary metric."""
        return self.metrics[self.headline]


@dataclass(frozen=True)
class Scores:
    """What scoring gives.

    Attributes:
        readings: one for each question, in order.
        tests: by `Question.test`, in the order of the tables.
        missing: {metric: one line how to get its model} where that is not on this machine.
    """

    readings: list[Reading]
    tests: dict[str, Test]
    missing: dict[str, str] = field(default_factory=dict)


class Benchmark(Protocol):
    """A benchmark: a module-level instance, see evaluation/suites/ecinstruct/suite.py."""

    name: str
    """As given to --benchmark."""
    wanted: str
    """What --questions must name, in a few words."""
    averages: str
    """What the score is the mean of: "tests" (one weight each) or "groups" (the tests of a group first)."""
    heeds: tuple[str, ...]
    """The Options besides limit that it heeds; the command line refuses the others."""

    def read(self, path: Path, options: Options) -> list[Question]:
        """The questions of a file or folder; a shopbench.sample.BadSample with one line for one that is none."""
        ...

    def score(self, questions: Sequence[Question], outputs: Sequence[str], options: Options) -> Scores:
        """Score one answer for each question; what the engine wrote comes as it is and is untrusted."""
        ...
