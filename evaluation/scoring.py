"""From answers to scores: the metrics of shopbench/metrics.py on many answers, and means over tasks.

A task's score is its metric's own aggregate of its answers; the score of a group and of a whole file is the mean over
its tasks (the competition's rule). An answer whose metric has no model on this machine stays unscored and counts
nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.benchmark import Benchmark, Item, Scored, TaskScores, grouped, places_by
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


def score_by_metric(
    items: Sequence[Item], outputs: Sequence[str], read: Callable[[TaskType, str], Any]
) -> tuple[list[Scored], dict[str, str]]:
    """Score each answer, as `read` reads it (in a form of shopbench.answers.parse), by its item's metric.

    Metric by metric, each in one call: that is what makes the embedding metrics fast. Also {metric: what is missing and
    how to get it} of metrics whose models are not here; their answers stay unscored.
    """
    missing: dict[str, str] = {}
    parsed = [read(item.task_type, output) for item, output in zip(items, outputs, strict=True)]
    values: list[Any] = [None] * len(items)
    for metric, places in places_by(items, lambda item: item.metric).items():
        own, truths = [parsed[place] for place in places], [items[place].truth for place in places]
        try:
            for place, value in zip(places, METRICS[metric].score_many(own, truths), strict=True):
                values[place] = value
        except ModelMissing as error:
            missing[metric] = str(error)
    return list(map(_scored, items, outputs, parsed, values)), missing


def _scored(item: Item, output: str, parsed: Any, value: Any) -> Scored:
    counts = value if isinstance(value, tuple) else None
    score = micro_f1([counts]) if counts else None if value is None else float(value)
    return Scored(item, output, parsed, parsed in (-1, [], ""), score, counts)


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


def score_tasks(benchmark: Benchmark, scored: Iterable[Scored]) -> dict[str, TaskScores]:
    """The scores of every task that these answers belong to, of these answers alone."""
    tasks = grouped(scored, lambda one: one.item.task)
    return {name: benchmark.score_task(own) for name, own in tasks.items()}


def share(part: float, whole: float) -> float:
    """`part` of `whole`, 0 of nothing."""
    return part / whole if whole else 0.0
