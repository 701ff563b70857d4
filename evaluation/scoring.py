"""From answers to scores: a sample, a task, a task type, a track, the whole file.

The score is the mean over tasks of the task's score (the kit); the paper means over questions, so that is
reported too. Task types and tracks are means over their tasks as well. A question whose metric has no model
on this machine stays unscored: it counts nowhere, and is named in `missing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.runner import track_of_sample
from shopbench.answers import parse
from shopbench.metrics import METRICS, ModelMissing, mean, metric_named, micro_f1
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from shopbench.tracks import Track

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
class Scored:
    """One scored question.

    Attributes:
        parsed: what the evaluator reads from `output`.
        raw: the metric's own value, (tp, fp, fn) for micro f1; None where it could not be scored.
        score: `raw` as one number (a micro-f1 question's own F1); None where it could not be scored.
        seconds: the question's share of its batch's time.
    """

    sample: Sample
    output: str
    parsed: Any
    raw: Any
    score: float | None
    seconds: float

    @property
    def unreadable(self) -> bool:
        """Whether the evaluator reads no answer at all."""
        return self.parsed in (-1, [], "")


@dataclass(frozen=True)
class Group:
    """Questions scored together: how many, how many of them unscored or unreadable, and their score."""

    task_types: tuple[str, ...]
    metrics: tuple[str, ...]
    tasks: int
    count: int
    unscored: int
    unreadable: int
    score: float | None
    seconds: float


def score_all(
    samples: Sequence[Sample], outputs: Sequence[str], seconds: Sequence[float]
) -> tuple[list[Scored], dict[str, str]]:
    """Score every answer, a metric at a time; also {metric: what is missing and how to get it}."""
    parsed = [parse(sample.task_type, output) for sample, output in zip(samples, outputs, strict=True)]
    raws: list[Any] = [None] * len(samples)
    missing: dict[str, str] = {}
    for name in dict.fromkeys(sample.metric for sample in samples):
        places = [place for place, sample in enumerate(samples) if sample.metric == name]
        truths = [samples[place].output_field for place in places]
        try:
            scores = METRICS[name].score_many([parsed[place] for place in places], truths)
        except ModelMissing as error:
            missing[name] = str(error)
            continue
        for place, score in zip(places, scores, strict=True):
            raws[place] = score
    scored = [
        Scored(sample, output, answer, raw, _one_number(raw), time)
        for sample, output, answer, raw, time in zip(samples, outputs, parsed, raws, seconds, strict=True)
    ]
    return scored, missing


def track_of(one: Scored) -> Track:
    """The track that the question belongs to."""
    return track_of_sample(one.sample)


def _one_number(raw: Any) -> float | None:
    if raw is None:
        return None
    return micro_f1([raw]) if isinstance(raw, tuple) else float(raw)


def per_task(scored: Sequence[Scored]) -> dict[str, Group]:
    """Each task's group, in the natural order of their names (task2 before task10)."""
    groups = _grouped(scored, lambda one: one.sample.task_name)
    return {name: groups[name] for name in sorted(groups, key=_natural)}


def per_type(scored: Sequence[Scored]) -> dict[str, Group]:
    """Each task type's group, in the order of TaskType."""
    groups = _grouped(scored, lambda one: str(one.sample.task_type))
    return {name: groups[name] for name in map(str, TaskType) if name in groups}


def per_track(scored: Sequence[Scored]) -> dict[int, Group]:
    """The group of each track that the file has questions of, by track number."""
    groups = _grouped(scored, lambda one: str(track_of(one).number))
    return {int(name): groups[name] for name in sorted(groups)}


def mean_over_tasks(scored: Sequence[Scored]) -> float | None:
    """The competition's score of these questions; None if none of them could be scored."""
    tasks = _members(scored, lambda one: one.sample.task_name)
    return _mean([_task_score(ones) for ones in tasks.values()])


def mean_over_questions(scored: Sequence[Scored]) -> float | None:
    """The paper's score of these questions; None if none of them could be scored."""
    return _mean([one.score for one in scored])


def _task_score(members: Sequence[Scored]) -> float | None:
    """A task's score; if the task has several metrics, each weighs as many questions as it scored."""
    total, count = 0.0, 0
    for name in {one.sample.metric for one in members}:
        raws = [one.raw for one in members if one.sample.metric == name and one.raw is not None]
        if raws:
            total += METRICS[name].aggregate(raws) * len(raws)
            count += len(raws)
    return total / count if count else None


def _members(scored: Sequence[Scored], key: Callable[[Scored], str]) -> dict[str, list[Scored]]:
    members: dict[str, list[Scored]] = {}
    for one in scored:
        members.setdefault(key(one), []).append(one)
    return members


def _grouped(scored: Sequence[Scored], key: Callable[[Scored], str]) -> dict[str, Group]:
    return {name: _group(ones) for name, ones in _members(scored, key).items()}


def _group(ones: Sequence[Scored]) -> Group:
    return Group(
        task_types=tuple(dict.fromkeys(str(one.sample.task_type) for one in ones)),
        metrics=tuple(dict.fromkeys(one.sample.metric for one in ones)),
        tasks=len({one.sample.task_name for one in ones}),
        count=len(ones),
        unscored=sum(one.score is None for one in ones),
        unreadable=sum(one.unreadable for one in ones),
        score=mean_over_tasks(ones),
        seconds=sum(one.seconds for one in ones),
    )


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return mean(known) if known else None


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", name)]
