"""The result of a run as plain tables for a terminal."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate

from evaluation.results import Results


def format_results(results: Results) -> str:
    """Tables of tasks and of groups (types, tracks), the times and the score; what is empty is left out."""
    tables = [
        _tasks(results),
        *(_groups(groups, name) for name, groups in groups_of(results).items()),
        _tracks(results["per_track"]),
        _timing(results["timing"], with_limits=bool(results["per_track"])),
        _summary(results),
    ]
    return "\n\n".join(filter(None, tables))


def groups_of(results: Results) -> dict[str, dict[str, Any]]:
    """The groups of tasks that a result has, by the word for one of them."""
    found = {"group": results["per_group"], "type": results["per_type"]}
    return {name: groups for name, groups in found.items() if groups}


def averaged(results: Results) -> str:
    """What the score is the mean of, in words: "18 tasks"."""
    over = "per_group" if results["averages"] == "groups" else "per_task"
    return f"{len(results[over])} {results['averages']}"


def published_score(published: dict[str, Any] | None) -> str:
    """What the authors' script gives: a task's score and its metric, or a mean over tasks, those without one named."""
    if published is None:
        return ""
    if published["score"] is None:
        return "not defined"
    if "metric" in published:
        return f"{_score(published['score'])} {published['metric']}"
    some = published["defined"] < published["tasks"]
    return _score(published["score"]) + (f" ({published['defined']} of {published['tasks']} tasks)" if some else "")


def other_metrics(metrics: dict[str, float | None], primary: str = "") -> str:
    """Values of the metrics besides the primary one, in words: "recall 0.250, BLEURT -"."""
    return ", ".join(f"{name} {_score(value)}" for name, value in metrics.items() if name != primary)


def _tasks(results: Results) -> str:
    rows = []
    for name, task in results["per_task"].items():
        others = other_metrics(task["metrics"], task["metric"])
        notes = ", ".join(f"{task[note]} {note}" for note in ("unscored", "unreadable") if task[note])
        score, published = _score(task["score"]), published_score(task["published"])
        rows.append([name, task["task_type"], task["metric"], task["count"], score, published, others, notes])
    table = _table(["task", "type", "metric", "questions", "score", "published", "others", ""], rows)
    return "\n".join([table, *_published_notes(results)])


def _published_notes(results: Results) -> list[str]:
    """What the published column is, and why the script gives no number where it gives none."""
    if not results["published"]:
        return []
    published = {name: task["published"] for name, task in results["per_task"].items() if task["published"]}
    reasons = [f"not defined there: {name}: {one['undefined']}" for name, one in published.items() if one["undefined"]]
    about = "published: the same answers as the authors' own script scores them, to compare with published tables"
    return [about, *reasons]


def _groups(groups: dict[str, Any], title: str) -> str:
    rows = []
    for name, group in groups.items():
        speed, others = f"{group['seconds'] / group['count']:.3f}", other_metrics(group["metrics"], group["metric"])
        score, published = _score(group["score"]), published_score(group["published"])
        rows.append([name, group["tasks"], group["count"], score, published, speed, others])
    return _table([title, "tasks", "questions", "score", "published", "s/question", "others"], rows)


def _tracks(tracks: dict[str, Any]) -> str:
    if not tracks:
        return ""
    rows = []
    for number, track in tracks.items():
        name, verdict = f"{number} {track['name']}", "in time" if track["in_time"] else "TOO SLOW"
        speed, needed = f"{track['seconds_per_question']:.3f}", f"{track['projected_minutes']:.1f}"
        score, allowed = _score(track["score"]), track["allowed_minutes"]
        rows.append([name, track["count"], score, speed, needed, allowed, verdict])
    table = _table(["track", "questions", "score", "s/question", "min needed", "min allowed", ""], rows)
    note = "min needed: model load and all of the track's test questions, at the speed measured on this machine"
    return f"{table}\n{note}"


def _timing(timing: dict[str, Any], with_limits: bool) -> str:
    line = f"model load {timing['load_seconds']:.1f} s, answers {timing['predict_seconds']:.1f} s"
    if timing["questions_per_second"]:
        line += f" ({timing['questions_per_second']:.2f} questions/s)"
    lines = [line]
    if with_limits:
        slowest = timing["slowest_batch"]
        lines.append(
            f"slowest batch: {slowest['questions']} questions in {slowest['seconds']:.2f} s "
            f"({slowest['allowed_seconds']:.0f} s allowed); batches over the limit: {timing['batches_over_limit']} "
            f"of {timing['batches']}"
        )
    if timing["resumed_questions"]:
        lines.append(f"{timing['resumed_questions']} answers are of an earlier, interrupted run")
    return "\n".join(lines)


def _summary(results: Results) -> str:
    lines = [f"weights: {results['weights']['folder']}"]
    if results["model_counts"]:
        counted = ", ".join(f"{name} {count}" for name, count in results["model_counts"].items())
        lines.append(f"the model counted: {counted}")
    lines += [
        f"answers that cannot be read: {results['unreadable']} of {results['questions']}",
        f"mean over questions: {_score(results['mean_over_questions'])}",
    ]
    if results["metrics"]:
        lines.append(f"means over {averaged(results)}: {other_metrics(results['metrics'])}")
    if results["published"]:
        lines.append(f"the same mean as published: {published_score(results['published'])}")
    lines.append(f"SCORE (mean over {averaged(results)}): {_score(results['score'])}")
    return "\n".join(lines)


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def _table(headers: list[str], rows: list[list[Any]]) -> str:
    """A table without its empty columns."""
    kept = [place for place in range(len(headers)) if any(row[place] != "" for row in rows)]
    # Numbers come formatted: tabulate must not read them again and drop their last zeros.
    shown = [[row[place] for place in kept] for row in rows]
    return tabulate(shown, [headers[place] for place in kept], tablefmt="simple", disable_numparse=True)
