"""From answers to scores: the metrics of shopbench/metrics.py on many answers, and means over tasks.

A task's score is its metric's own aggregate of its answers; the score of a group and of a whole file is the mean over
its tasks (the competition's rule). An answer whose metric has no model on this machine stays unscored and counts
nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.benchmark import Benchmark, Item, Options, Scored, TaskScores, grouped
from shopbench.metrics import METRICS, ModelMissing, mean, metric_named, micro_f1
from shopbench.sample import Sample
from shopbench.tasks import TaskType

TASK_TYPE_OF_METRIC = {
    "accuracy": TaskType.MULTIPLE_CHOICE,
    "hit rate@3": TaskType.RETRIEVAL,
    "ndcg": TaskType.RANKING,
    "micro f1": TaskType.NER,
}
"""The metrics that read one kind of answer only; all others read a generated text."""


def check_sample(sample: Sample) -> None:
    """Raise a ValueError if the sample's metric is unknown or cannot score its task type."""
    if not isinstance(sample.metric, str):
        raise ValueError(f"field 'metric' must be text, not {type(sample.metric).__name__}")
    metric_named(sample.metric)
    wanted = TASK_TYPE_OF_METRIC.get(sample.metric, TaskType.GENERATION)
    if sample.task_type is not wanted:
        raise ValueError(f"metric {sample.metric!r} scores {wanted} answers, not {sample.task_type}")


@dataclass(frozen=True)
class Outcome:
    """What became of one scored question, without its text: where it belongs and its metric's value."""

    task_name: str
    task_type: str
    metric: str
    value: float | tuple[int, int, int]  # (tp, fp, fn) for micro f1, a number for every other metric


def outcomes(scored: Iterable[Scored]) -> list[Outcome]:
    """The outcomes of scored answers, in their order; unscored ones are left out."""
    return [
        Outcome(one.item.task, str(one.item.task_type), one.item.metric, one.value)
        for one in scored
        if one.value is not None
    ]


def metric_values(items: Sequence[Item], parsed: Sequence[Any], missing: dict[str, str]) -> list[Any]:
    """The own value of each item's metric for what was read from its answer; None where the metric's model is missing.

    Metric by metric, each in one call: that is what makes the embedding metrics fast. `missing` takes {metric: what is
    missing and how to get it}.
    """
    values: list[Any] = [None] * len(items)
    for metric in dict.fromkeys(item.metric for item in items):
        places = [place for place, item in enumerate(items) if item.metric == metric]
        truths = [items[place].truth for place in places]
        try:
            found = METRICS[metric].score_many([parsed[place] for place in places], truths)
        except ModelMissing as error:
            missing[metric] = str(error)
            continue
        for place, value in zip(places, found, strict=True):
            values[place] = value
    return values


def scored_answer(item: Item, output: str, parsed: Any, value: Any, details: Any = None) -> Scored:
    """An answer scored by `metric_values`; what was read from it has a form of shopbench.answers.parse."""
    unreadable = parsed in (-1, [], "")
    counts = value if isinstance(value, tuple) else None
    score = micro_f1([counts]) if counts else None if value is None else float(value)
    return Scored(item, output, parsed, unreadable, score, counts, details)


def task_score(values: Iterable[tuple[str, Any]]) -> float | None:
    """A task's score of (metric, value) pairs; None if no value is known.

    If a task has several metrics, each weighs as many answers as it scored.
    """
    known = [pair for pair in values if pair[1] is not None]
    by_metric = grouped(known, lambda pair: pair[0]).items()
    total = sum(METRICS[metric].aggregate(value for _, value in pairs) * len(pairs) for metric, pairs in by_metric)
    return total / len(known) if known else None


def mean_over_tasks(ones: Iterable[Outcome]) -> float:
    """The competition's score; a ValueError if there is no outcome."""
    tasks = grouped(ones, lambda one: one.task_name).values()
    scores = (task_score((one.metric, one.value) for one in own) for own in tasks)
    return mean(score for score in scores if score is not None)


def mean_of_known(scores: Iterable[float | None]) -> float | None:
    """The mean of those that are not None; None if there are none."""
    known = [score for score in scores if score is not None]
    return mean(known) if known else None


def score_tasks(benchmark: Benchmark, scored: Iterable[Scored], options: Options) -> dict[str, TaskScores]:
    """The scores of every task that these answers belong to, of these answers alone."""
    tasks = grouped(scored, lambda one: one.item.task)
    return {name: benchmark.score_task(own, options) for name, own in tasks.items()}
