"""What a run of a benchmark found, in the shape of evaluation/results.py, so that tables and report serve both.

Beside its keys: `benchmark`, `averages`, `per_group` in the place of task types and tracks, and for each test in
`per_task` all of its `metrics`; `metrics` of a group and of the whole are means as `score` is, of those metrics that
every test in it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Options, Question, Scores
from evaluation.results import Results, describe_run
from evaluation.runner import Run
from shopbench.metrics import mean


def make_benchmark_results(
    benchmark: Benchmark, questions_file: str, questions: Sequence[Question], run: Run, options: Options, weights: Path
) -> Results:
    """Score a run and gather everything worth keeping; a score is None where nothing could be scored."""
    scores = benchmark.score(questions, run.outputs, options)
    tests = {name: _test(name, questions, scores, run) for name in scores.tests}
    groups = {
        name: _group([test for test in tests.values() if test["group"] == name])
        for name in dict.fromkeys(test["group"] for test in tests.values())
    }
    averaged = groups if benchmark.averages == "groups" else tests
    return {
        "benchmark": benchmark.name,
        "options": vars(options),
        "averages": benchmark.averages,
        "score": _mean([one["score"] for one in averaged.values()]),
        "metrics": _shared(list(averaged.values())),
        "mean_over_questions": _mean([reading.score for reading in scores.readings]),
        "questions": len(questions),
        "questions_file": questions_file,
        "per_task": tests,
        "per_group": groups,
        "per_type": {},
        "per_track": {},
        "missing_metrics": {
            name: {"remedy": remedy, "questions": _questions_without(name, questions, scores)}
            for name, remedy in scores.missing.items()
        },
        "unreadable": sum(reading.failed for reading in scores.readings),
        **describe_run(run, weights),
        "samples": [_sample(place, questions, scores, run) for place in range(len(questions))],
    }


def _test(name: str, questions: Sequence[Question], scores: Scores, run: Run) -> dict[str, Any]:
    places = [place for place, question in enumerate(questions) if question.test == name]
    test = scores.tests[name]
    return {
        "group": questions[places[0]].group,
        "task_type": ", ".join(dict.fromkeys(type(questions[place].space).__name__ for place in places)),
        "metric": test.headline,
        "metrics": test.metrics,
        "tasks": 1,
        "count": len(places),
        "unscored": len(places) if test.score is None else 0,
        "unreadable": test.failed,
        "score": test.score,
        "seconds": sum(run.seconds[place] for place in places),
    }


def _group(tests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums = {key: sum(test[key] for test in tests) for key in ("tasks", "count", "unscored", "unreadable", "seconds")}
    metrics = dict(Counter(test["metric"] for test in tests))
    score = _mean([test["score"] for test in tests])
    return {**sums, "metric": ", ".join(metrics), "metrics": _shared(tests), "score": score}


def _shared(parts: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """The means of those metrics that all parts (tests or groups) have."""
    names = [name for name in parts[0]["metrics"] if all(name in part["metrics"] for part in parts)] if parts else []
    return {name: _mean([part["metrics"][name] for part in parts]) for name in names}


def _sample(place: int, questions: Sequence[Question], scores: Scores, run: Run) -> dict[str, Any]:
    question, reading = questions[place], scores.readings[place]
    return {
        "index": place,
        "task_name": question.test,
        "task_type": type(question.space).__name__,
        "metric": scores.tests[question.test].headline,
        "track": None,
        "question": question.text,
        "output": run.outputs[place],
        "parsed": reading.parsed,
        "truth": question.truth,
        "score": reading.score,
        "counts": None,
        "unreadable": reading.failed,
        "seconds": run.seconds[place],
    }


def _questions_without(metric: str, questions: Sequence[Question], scores: Scores) -> int:
    tests = {name for name, test in scores.tests.items() if metric in test.metrics and test.metrics[metric] is None}
    return sum(question.test in tests for question in questions)


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return mean(known) if known else None
