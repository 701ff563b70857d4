"""ECInstruct's scores: each answer as it is read, then all metrics of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from evaluation import learned_metrics
from evaluation.benchmark import Item, Scored, TaskScores
from evaluation.suites.ecinstruct.answers import read_entries, read_letter, read_order, read_yes_no
from evaluation.suites.ecinstruct.metrics import Entry, Values, classes, ranked, values, yes_no
from shopbench.metrics import ModelMissing, mean

YES_NO = ("PM", "PSI", "AP")
PRIMARY_METRICS = {
    "AVE": "F1*",
    "PRP": "macro F1",
    "PM": "F1",
    "SA": "macro F1",
    "SR": "HR@1",
    "MPC": "accuracy",
    "PSI": "F1",
    "QPR": "NDCG",
    "AP": "F1",
    "AG": "BERTScore F",
}
"""Each task's primary metric, in the order of the paper's tables."""
ASSUMED = "NDCG, labels assumed"
"""NDCG where the products' labels are not known: the first of the true order gets E's gain, then S, C, I."""
BERT_SCORES = ("BERTScore P", "BERTScore R", "BERTScore F")


def score_answers(items: Sequence[Item], outputs: Sequence[str], missing: dict[str, str]) -> list[Scored]:
    """Score the answers to one task.

    Args:
        missing: takes {metric: one line how to get its model} where that is not on this machine.
    """
    match items[0].details["task"]:
        case "AVE":
            return list(map(_score_values, items, outputs))
        case "QPR":
            return list(map(_score_order, items, outputs))
        case "AG":
            return _score_texts(items, outputs, missing)
        case _:
            return list(map(_score_choice, items, outputs))


def score_task(scored: Sequence[Scored], drop_failed: bool) -> TaskScores:
    """All metrics of one task's answers.

    Args:
        drop_failed: leave unreadable letters and yes or no out.
    """
    task = scored[0].item.details["task"]
    metric = PRIMARY_METRICS[task]
    if task == "AVE":
        return TaskScores(metric, {**sum((one.details for one in scored), Values()).rates()})
    if task == "QPR":
        metric = ASSUMED if any(one.item.details["assumed"] for one in scored) else metric
        return TaskScores(metric, {metric: mean(one.score or 0.0 for one in scored)})
    if task == "AG":
        return TaskScores(metric, {name: _mean_if_known(scored, name) for name in (*BERT_SCORES, "BLEURT")})
    kept = [one for one in scored if not (one.unreadable and drop_failed)]
    score = yes_no if task in YES_NO else classes
    metrics: dict[str, float | None] = {**score([one.item.truth for one in kept], [one.parsed for one in kept])}
    return TaskScores(metric, {metric: metrics["accuracy"]} if task == "SR" else metrics)


def _score_choice(item: Item, output: str) -> Scored:
    """A letter, or yes or no."""
    names = item.space.names  # type: ignore[union-attr]
    answer = read_yes_no(output) if item.details["task"] in YES_NO else read_letter(output, names)
    return Scored(item, output, answer, answer is None, float(answer == item.truth))


def _score_values(item: Item, output: str) -> Scored:
    """A list of attributes and values; its counts are what a task's scores are made of."""
    answer = read_entries(output)
    counts = values([Entry(**entry) for entry in item.truth], answer)
    parsed = None if answer is None else [asdict(entry) for entry in answer]
    return Scored(item, output, parsed, answer is None, counts.rates()["F1*"], details=counts)


def _score_order(item: Item, output: str) -> Scored:
    labels = item.details["labels"]
    answer = read_order(output, list(labels))
    return Scored(item, output, answer, answer is None, ranked(labels, answer))


def _score_texts(items: Sequence[Item], outputs: Sequence[str], missing: dict[str, str]) -> list[Scored]:
    """BERTScore and BLEURT, each where its model is; an empty answer is a failure and scores 0."""
    answers = [output.strip() for output in outputs]
    truths = [str(item.truth) for item in items]
    found: list[dict[str, Any]] = [{} for _ in items]
    try:
        for own, prf in zip(found, learned_metrics.bert_scores(answers, truths), strict=True):
            own.update(zip(BERT_SCORES, prf, strict=True))
    except ModelMissing as error:
        missing["BERTScore F"] = str(error)
    try:
        for own, score in zip(found, learned_metrics.bleurt_scores(answers, truths), strict=True):
            own["BLEURT"] = score
    except ModelMissing as error:
        missing["BLEURT"] = str(error)
    return [
        Scored(item, output, answer, not answer, own.get("BERTScore F"), details=own)
        for item, output, answer, own in zip(items, outputs, answers, found, strict=True)
    ]


def _mean_if_known(scored: Sequence[Scored], name: str) -> float | None:
    return mean(one.details[name] for one in scored) if name in scored[0].details else None
