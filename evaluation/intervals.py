"""How far a score can be trusted: `python -m evaluation.intervals results.json [other.json]`.

The bootstrap over questions: the questions of each task are drawn again and again with replacement, and the score
is computed anew each time; the 2.5% and 97.5% points of those scores are the interval. The tasks stay as they are,
so it says what other questions of the same tasks would have given. A task with one question adds no spread, which
makes intervals of files with many such tasks too narrow.

With a second file of the same questions the differences are given too, drawn in pairs: much narrower than the two
intervals side by side suggest.
"""

from __future__ import annotations

from shopbench.errors import UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("evaluation.intervals")

import argparse
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from evaluation.benchmark import grouped
from evaluation.scoring import Outcome, mean_over_tasks
from shopbench.files import read_json
from shopbench.metrics import METRICS

Draws = NDArray[np.float64]

DRAWS = 2000
LEVEL = 0.95


def outcomes_of_results(results: dict[str, Any]) -> list[Outcome]:
    """The outcomes in a results.json; KeyError if it holds no samples."""
    return [
        Outcome(row["task_name"], row["task_type"], row["metric"], tuple(row["counts"] or ()) or row["score"])
        for row in results["samples"]
        if row["score"] is not None
    ]


def draws(ones: Sequence[Outcome], count: int = DRAWS) -> Draws:
    """The mean over tasks in each of `count` draws, shape (count,).

    Outcomes of the same questions in the same order are drawn alike: differences of their draws are paired.
    """
    total = np.zeros(count)
    tasks = grouped(ones, lambda one: one.task_name)
    for task, own in tasks.items():
        for metric, part in grouped(own, lambda one: one.metric).items():
            numbers = np.random.default_rng([0, zlib.crc32(f"{task}\n{metric}".encode())])
            places = numbers.integers(len(part), size=(count, len(part)))
            drawn = np.asarray([one.value for one in part], dtype=np.float64)[places]
            total += _aggregate(drawn) * len(part) / len(own)
    return total / len(tasks)


def _aggregate(drawn: Draws) -> Draws:
    """Scores of draws: micro F1 of counts (draws, questions, 3), means of numbers (draws, questions)."""
    if drawn.ndim == 2:
        return drawn.mean(axis=1)
    found, wrong, missed = drawn.sum(axis=1).T
    return 2 * found / np.maximum(2 * found + wrong + missed, 1)


def interval(drawn: Draws) -> tuple[float, float]:
    """The middle LEVEL of the draws."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def of_type(ones: Sequence[Outcome], task_type: str) -> list[Outcome]:
    return [one for one in ones if one.task_type == task_type]


def table(first: Sequence[Outcome], second: Sequence[Outcome] | None = None) -> str:
    """Score and interval by task type and in all, as a markdown table; with differences if there is a second run."""
    kinds = list(dict.fromkeys(one.task_type for one in first))
    rows = [[kind, *_row(of_type(first, kind), second and of_type(second, kind))] for kind in kinds]
    rows.append(["all", *_row(first, second)])
    headers = ["type", "tasks", "questions", "score", "95% interval"]
    headers += ["other", "difference", "95% interval"] if second else []
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _row(first: Sequence[Outcome], second: Sequence[Outcome] | None) -> list[str]:
    drawn = draws(first)
    row = [str(len({one.task_name for one in first})), str(len(first)), f"{mean_over_tasks(first):.3f}", spread(drawn)]
    if second:
        difference = mean_over_tasks(second) - mean_over_tasks(first)
        row += [f"{mean_over_tasks(second):.3f}", f"{difference:+.3f}", spread(draws(second) - drawn, "+")]
    return row


def spread(drawn: Draws, sign: str = "") -> str:
    """An interval in words: "0.21 to 0.30"."""
    low, high = interval(drawn)
    return f"{low:{sign}.3f} to {high:{sign}.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.intervals", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("results", type=Path, help="what local_evaluation.py wrote")
    parser.add_argument("other", type=Path, nargs="?", help="the results of other weights on the same questions")
    given = parser.parse_args(argv)
    runs = [_read(path) for path in (given.results, given.other) if path]
    if runs[0][1] != runs[-1][1]:
        raise UserError(f"{given.other}: holds other questions than {given.results}; give runs of one file")
    print(table(*(found for found, _ in runs)))
    return 0


def _read(path: Path) -> tuple[list[Outcome], list[Any]]:
    """The outcomes in a results.json, and what tells its questions apart from others; a UserError if it has none."""
    results = read_json(path, "results of local_evaluation.py")
    try:
        found = outcomes_of_results(results)
        asked = [(row["task_name"], row["question"], row["score"] is None) for row in results["samples"]]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: holds no scored questions ({error}); run local_evaluation.py") from None
    if not found:
        raise UserError(f"{path}: no question is scored; see its missing_metrics")
    if others := {one.metric for one in found} - set(METRICS):
        raise UserError(f"{path}: metric {min(others)!r} is no mean over questions; give a run of ShopBench")
    return found, asked
