"""The result of a run as plain tables for a terminal."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate

from evaluation.results import Results


def format_results(results: Results) -> str:
    """Tables per task, task type and track, the score, and the times beside the competition's limits.

    Of a benchmark: every metric of every test, the groups of tests, the score and the times.
    """
    if "benchmark" in results:
        parts = [_tests(results), _groups(results["per_group"], "group"), _speed(results["timing"])]
    else:
        parts = [_tasks(results), _groups(results["per_type"], "type"), _tracks(results), _timing(results["timing"])]
    return "\n\n".join([*parts, _summary(results)])


def _tasks(results: Results) -> str:
    rows = [
        [name, task["task_type"], task["metric"], task["count"], _score(task["score"]), _notes(task)]
        for name, task in results["per_task"].items()
    ]
    return _table(["task", "type", "metric", "questions", "score", ""], rows)


def _tests(results: Results) -> str:
    """One block of rows for each test: its metrics, the one that is its score first."""
    rows = []
    for name, test in results["per_task"].items():
        others = _others(test["metrics"], test["metric"])
        rows.append([name, test["count"], test["unreadable"], test["metric"], _score(test["score"]), others])
    return _table(["test", "questions", "#failed", "metric", "score", "others"], rows)


def _others(metrics: dict[str, float | None], headline: str = "") -> str:
    return ", ".join(f"{name} {_score(value)}" for name, value in metrics.items() if name != headline)


def _groups(groups: dict[str, Any], title: str) -> str:
    rows = [
        [
            name,
            group["tasks"],
            group["count"],
            _score(group["score"]),
            f"{group['seconds'] / group['count']:.3f}",
            _others(group.get("metrics", {}), group.get("metric", "")),
        ]
        for name, group in groups.items()
    ]
    headers = [title, "tasks", "questions", "score", "s/question", "others"]
    if not any(row[-1] for row in rows):
        headers, rows = headers[:-1], [row[:-1] for row in rows]
    return _table(headers, rows)


def _tracks(results: Results) -> str:
    rows = [
        [
            f"{number} {track['name']}",
            track["count"],
            _score(track["score"]),
            f"{track['seconds_per_question']:.3f}",
            f"{track['projected_minutes']:.1f}",
            track["allowed_minutes"],
            "in time" if track["in_time"] else "TOO SLOW",
        ]
        for number, track in results["per_track"].items()
    ]
    table = _table(["track", "questions", "score", "s/question", "min needed", "min allowed", ""], rows)
    return (
        f"{table}\nmin needed: model load and all of the track's test questions, at the speed measured on this machine"
    )


def _speed(timing: dict[str, Any]) -> str:
    line = f"model load {timing['load_seconds']:.1f} s, answers {timing['predict_seconds']:.1f} s"
    if timing["questions_per_second"]:
        line += f" ({timing['questions_per_second']:.2f} questions/s)"
    resumed = f"{timing['resumed_questions']} answers are of an earlier, interrupted run"
    return f"{line}\n{resumed}" if timing["resumed_questions"] else line


def _timing(timing: dict[str, Any]) -> str:
    slowest = timing["slowest_batch"]
    first, *rest = _speed(timing).split("\n")
    lines = [
        first,
        f"slowest batch: {slowest['questions']} questions in {slowest['seconds']:.2f} s "
        f"({slowest['allowed_seconds']:.0f} s allowed); batches over the limit: {timing['batches_over_limit']} "
        f"of {timing['batches']}",
    ]
    return "\n".join([*lines, *rest])


def _summary(results: Results) -> str:
    lines = [f"weights: {results['weights']['folder']}"]
    if results["model_counts"]:
        counted = ", ".join(f"{name} {count}" for name, count in results["model_counts"].items())
        lines.append(f"the model counted: {counted}")
    lines += [
        f"answers that the evaluator cannot read: {results['unreadable']} of {results['questions']}",
        f"mean over questions: {_score(results['mean_over_questions'])}",
    ]
    if results.get("metrics"):
        lines.append(f"means over {averaged(results)}: {_others(results['metrics'])}")
    lines += [
        f"SCORE (mean over {averaged(results)}): {_score(results['score'])}",
    ]
    return "\n".join(lines)


def averaged(results: Results) -> str:
    """What the score is the mean of, in words: "18 tasks"."""
    over = {"tests": "per_task", "groups": "per_group"}.get(results.get("averages", ""), "per_task")
    return f"{len(results[over])} {results.get('averages', 'tasks')}"


def _notes(group: dict[str, Any]) -> str:
    notes = [f"{group[name]} {name}" for name in ("unscored", "unreadable") if group[name]]
    return ", ".join(notes)


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def _table(headers: list[str], rows: list[list[Any]]) -> str:
    # Numbers come formatted: tabulate must not read them again and drop their last zeros.
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True)
