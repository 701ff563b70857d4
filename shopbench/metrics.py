"""The nine metrics of ShopBench, as the hidden evaluator computes them (compared with the starter kit in the tests).

`METRICS[name].score(parsed, truth)` scores one answer as `shopbench.answers.parse` returns it; `score_many`
scores a whole file's worth at once, which is what makes the embedding metrics fast; `aggregate` makes a
task's score of its answers' scores. All scores lie in 0..1, but for a ranking that repeats an item (the kit
does not clip it) and BLEU's last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shopbench import embeddings, text_overlap
from shopbench.embeddings import ModelMissing

__all__ = ["METRICS", "Metric", "ModelMissing", "accuracy", "hit_rate", "mean", "micro_f1", "ndcg", "overlap"]

Counts = tuple[int, int, int]
"""True positives, false positives, false negatives."""


def accuracy(parsed: int, truth: int) -> float:
    """1 for the right option number, else 0."""
    return float(parsed == truth)


def hit_rate(parsed: Sequence[int], truth: Sequence[int]) -> float:
    """Share of the true option numbers among the first three given ones."""
    return len(set(parsed[:3]) & set(truth)) / len(truth)


def ndcg(parsed: Sequence[int], truth: Sequence[float]) -> float:
    """NDCG of a ranking (1-based item numbers) against gains; gain 2^g - 1, discount log2(place + 1).

    Item 0 takes the last gain and a repeated item counts again, as in the kit; items past the end gain 0.
    """
    ranked = [truth[number - 1] if number <= len(truth) else 0.0 for number in parsed[: len(truth)]]
    ideal = _discounted_gain(sorted(truth, reverse=True))
    return _discounted_gain(ranked) / ideal if ideal else 0.0


def _discounted_gain(gains: Iterable[float]) -> float:
    return sum((2.0**gain - 1) / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def overlap(parsed: Sequence[str], truth: Sequence[str]) -> Counts:
    """(tp, fp, fn) of the extracted texts, compared lower-cased; a text given twice is a false positive."""
    found = {text.lower().strip() for text in parsed} & {text.lower() for text in truth}
    return len(found), len(parsed) - len(found), len(truth) - len(found)


def micro_f1(counts: Iterable[Counts]) -> float:
    """F1 of the summed counts of a task."""
    tp, fp, fn = (sum(column) for column in zip(*counts, strict=True))
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def mean(scores: Iterable[float]) -> float:
    """Arithmetic mean; a ValueError for no scores at all."""
    values = list(scores)
    if not values:
        raise ValueError("no scores to average")
    return math.fsum(values) / len(values)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: as spelled in the data.
        score_many: scores of many (parsed, truth) pairs, in order; ModelMissing where its model is absent.
        aggregate: a task's score from its answers' scores.
    """

    name: str
    score_many: Callable[[Sequence[Any], Sequence[Any]], list[Any]]
    aggregate: Callable[[Iterable[Any]], float] = mean

    def score(self, parsed: Any, truth: Any) -> Any:
        """The score of one answer: a float, or (tp, fp, fn) for micro f1."""
        return self.score_many([parsed], [truth])[0]


def _each(score: Callable[[Any, Any], Any]) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    def score_many(parsed: Sequence[Any], truths: Sequence[Any]) -> list[Any]:
        return [score(one, truth) for one, truth in zip(parsed, truths, strict=True)]

    return score_many


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _each(accuracy)),
        Metric("hit rate@3", _each(hit_rate)),
        Metric("ndcg", _each(ndcg)),
        Metric("micro f1", _each(overlap), micro_f1),
        Metric("rougel", _each(text_overlap.rouge_l)),
        Metric("bleu", _each(text_overlap.bleu)),
        Metric("jp-bleu", _each(text_overlap.japanese_bleu)),
        *(Metric(name, embeddings.similarity_with(model)) for name, model in embeddings.MODELS.items()),
    )
}


def metric_named(name: str) -> Metric:
    """The metric spelled `name`; a ValueError that lists the known ones if there is none."""
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}; known: {', '.join(METRICS)}")
    return METRICS[name]
