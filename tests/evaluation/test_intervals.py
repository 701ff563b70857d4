"""Bootstrap intervals: worked out by hand, against scipy's, and the command's refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evaluation import intervals
from evaluation.benchmark import Options, Scored
from evaluation.journal import Batch
from evaluation.results import make_results
from evaluation.runner import Answers
from evaluation.scoring import Outcome, mean_over_tasks, outcomes
from evaluation.suites.shopbench import SHOPBENCH, items_of
from shopbench.errors import UserError, exit_code_of
from shopbench.sample import Sample
from tests.evaluation.fakes import choice, entities, retrieval, text


def right(task: str, values: list[float], metric: str = "accuracy") -> list[Outcome]:
    return [Outcome(task, "multiple-choice", metric, value) for value in values]


PAIRS: list[tuple[Sample, str]] = [
    (choice("a", 1), "1"),
    (choice("b", 1), "0"),
    (retrieval("d", (1, 2, 4)), "1, 2, 3"),
    (entities("e", ("x",)), "x"),
    (entities("f", ("y", "z")), "y, w, v"),
    (text("g", "red shoe", "rougel", "task17"), "red hat"),
    (text("h", "red shoe with laces", "bleu", "task17"), "red shoe with laces"),
]
ITEMS, OUTPUTS = items_of(sample for sample, _ in PAIRS), [output for _, output in PAIRS]


def scored() -> list[Scored]:
    return SHOPBENCH.score_answers(ITEMS, OUTPUTS)[0]


def test_the_score_is_the_evaluations() -> None:
    answers = Answers(OUTPUTS, [0.1] * len(PAIRS), [Batch(list(range(len(PAIRS))), OUTPUTS, 1.0)], 0.0, 0)
    found = make_results(SHOPBENCH, "q", ITEMS, answers, Options(), Path("weights"))
    assert mean_over_tasks(outcomes(scored())) == pytest.approx(found["score"])
    assert intervals.outcomes_of_results(found) == outcomes(scored())


def test_one_task_has_the_interval_that_scipy_gives() -> None:
    values = np.random.default_rng(3).random(60)
    ours = intervals.interval(intervals.draws(right("t", list(values)), count=8000))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=8000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_every_task_weighs_the_same_and_counts_are_summed_before_f1() -> None:
    certain = right("all right", [1.0] * 30) + right("all wrong", [0.0] * 2)
    assert set(intervals.draws(certain)) == {0.5}
    found = [Outcome("ner", "ner", "micro f1", counts) for counts in ((1, 0, 0), (1, 2, 1))]
    drawn = set(np.round(intervals.draws(found), 6))
    assert drawn == {1.0, round(4 / 7, 6), 0.4}, "both the first, one of each, both the second"


def test_a_task_of_two_metrics_weighs_each_by_its_questions() -> None:
    ones = right("t", [1.0] * 3, "rougel") + right("t", [0.0], "bleu")
    assert set(intervals.draws(ones)) == {0.75} and mean_over_tasks(ones) == 0.75


def test_differences_are_paired() -> None:
    values = list(np.random.default_rng(0).random(50))
    first, second = right("t", values), right("t", [value + 0.1 for value in values])
    low, high = intervals.interval(intervals.draws(second) - intervals.draws(first))
    assert low == pytest.approx(0.1) and high == pytest.approx(0.1)


def results(folder: Path, name: str, scores: list[float | None]) -> Path:
    rows: list[dict[str, Any]] = [
        {"task_name": "t", "task_type": "multiple-choice", "metric": "accuracy", "question": f"q{number}"}
        | {"score": score, "counts": None}
        for number, score in enumerate(scores)
    ]
    (folder / name).write_text(json.dumps({"samples": rows}))
    return folder / name


def test_the_command_compares_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [results(tmp_path, "a", [0.0, 0.0, 1.0, 0.0]), results(tmp_path, "b", [1.0, 1.0, 1.0, 1.0])]
    assert intervals.main([str(path) for path in paths]) == 0
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].strip("|").split("|")]
    assert cells[:4] == ["all", "1", "4", "0.250"] and cells[5:7] == ["1.000", "+0.750"]


def test_a_zero_is_a_score_and_null_is_none(tmp_path: Path) -> None:
    read = json.loads(results(tmp_path, "a", [0.0, None, 1.0]).read_text())
    assert [one.value for one in intervals.outcomes_of_results(read)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("second", "words"),
    [([1.0], "other questions"), ([1.0, None], "other questions"), (None, "holds no scored questions")],
)
def test_runs_that_cannot_be_compared_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], second: list[float | None] | None, words: str
) -> None:
    first = results(tmp_path, "a", [0.0, 1.0])
    other = results(tmp_path, "b", second) if second is not None else tmp_path / "c"
    if second is None:
        other.write_text('{"score": 1}')
    assert exit_code_of(intervals.main, [str(first), str(other)]) == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1


def test_answers_of_another_benchmark_are_refused(tmp_path: Path) -> None:
    path = results(tmp_path, "a", [0.0, 1.0])
    path.write_text(path.read_text().replace('"accuracy"', '"macro F1"'))
    with pytest.raises(UserError, match="metric 'macro F1' is no mean over questions"):
        intervals.main([str(path)])
