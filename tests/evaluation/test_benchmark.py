"""Every benchmark keeps the protocol, and what results.json and tables say of tasks in groups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evaluation.benchmark import Benchmark, Item, Options, Scored, TaskScores
from evaluation.journal import Batch
from evaluation.report import render_report
from evaluation.results import Results, make_results
from evaluation.runner import Answers
from evaluation.suites import BENCHMARKS
from evaluation.table import format_results
from models.spaces.one_of import OneOf

YES_NO = OneOf(("yes", "no"))
SKILLS = {"lines": "concepts", "colours": "concepts", "words": "languages"}
ITEMS = [
    Item(task, f"{task}?", "yes", space=YES_NO, group=SKILLS[task]) for task in ("lines", "lines", "colours", "words")
]
OUTPUTS = ["yes", "?", "no", "<b>yes</b>"]
METRICS: dict[str, dict[str, float | None]] = {
    "lines": {"F1": 0.5, "recall": 0.25},
    "colours": {"F1": 0.0, "recall": 0.75},
    "words": {"BLEURT": None},
}


class Fake(Benchmark):
    """Three tasks in two skills; the model of one metric is missing."""

    name = "fake"
    title = "Fake"
    questions = "nothing"

    def __init__(self, averages: str, metrics: dict[str, dict[str, float | None]] | None = None) -> None:
        self.averages = averages
        self.metrics = metrics or METRICS

    def read(self, path: Path, options: Options) -> list[Item]:
        return ITEMS

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        assert list(outputs) == OUTPUTS
        found = [("yes", False, 1.0), (None, True, 0.0), ("no", False, 0.0), ("yes", False, None)]
        scored = [Scored(item, output, *one) for item, output, one in zip(items, outputs, found, strict=True)]
        return scored, {"BLEURT": "get it there"}

    def score_task(self, scored: Sequence[Scored]) -> TaskScores:
        metrics = self.metrics[scored[0].item.task]
        return TaskScores(next(iter(metrics)), metrics)


def results(averages: str = "tasks") -> Results:
    answers = Answers(OUTPUTS, [1.0] * 4, [Batch([0, 1, 2, 3], OUTPUTS, 4.0, {"shortened": 2})], 9.0, 0)
    return make_results(Fake(averages), "folder", ITEMS, answers, Options(shots=1), Path("weights"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_keeps_the_protocol(name: str) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name and benchmark.title and benchmark.questions
    assert set(benchmark.options) <= set(vars(Options())) - {"limit"}
    tables = benchmark.groupings(ITEMS)
    assert tables["per_task"] == {"lines": [0, 1], "colours": [2], "words": [3]}
    assert {"tasks": "per_task", "groups": "per_group"}[benchmark.averages] in tables
    for groups in tables.values():
        assert sorted(place for places in groups.values() for place in places) == [0, 1, 2, 3]


@pytest.mark.parametrize(("averages", "words"), [("tasks", "3 tasks"), ("groups", "2 groups")])
def test_the_score_is_the_mean_of_tasks_or_of_groups(averages: str, words: str) -> None:
    found = results(averages)
    assert found["per_group"]["concepts"]["score"] == 0.25
    assert found["per_group"]["languages"]["score"] is None
    assert found["score"] == 0.25  # over tasks (.5 + 0) / 2, over groups .25: what is not scored counts nowhere
    assert f"SCORE (mean over {words}): 0.250" in format_results(found)


def test_weighs_groups_alike_however_many_tasks_they_have() -> None:
    metrics: dict[str, dict[str, float | None]] = {"lines": {"F1": 0.0}, "colours": {"F1": 0.5}, "words": {"F1": 1.0}}
    answers = Answers(OUTPUTS, [1.0] * 4, [Batch([0, 1, 2, 3], OUTPUTS, 4.0)], 0.0, 0)
    means = [
        make_results(Fake(averages, metrics), "f", ITEMS, answers, Options(), Path("w"))["score"]
        for averages in ("tasks", "groups")
    ]
    assert means == [0.5, pytest.approx((0.25 + 1.0) / 2)]


def test_holds_what_was_asked_read_and_missed() -> None:
    found = results()
    assert found["per_task"]["lines"]["count"] == 2 and found["per_task"]["lines"]["unreadable"] == 1
    assert found["per_task"]["words"]["unscored"] == 1
    assert found["per_task"]["lines"]["group"] == "concepts" and found["per_task"]["lines"]["task_type"] == "OneOf"
    assert found["per_group"]["concepts"]["metrics"] == {"F1": 0.25, "recall": 0.5}
    assert (found["per_group"]["concepts"]["tasks"], found["per_group"]["concepts"]["count"]) == (2, 3)
    assert (found["metrics"], found["per_type"], found["per_track"]) == ({}, {}, {})
    assert found["missing_metrics"] == {"BLEURT": {"remedy": "get it there", "questions": 1}}
    assert found["model_counts"] == {"shortened": 2} and found["options"]["shots"] == 1
    assert [sample["unreadable"] for sample in found["samples"]] == [False, True, False, False]
    assert json.loads(json.dumps(found)) == found


def test_the_page_shows_every_metric_and_escapes_answers() -> None:
    page = render_report(results())
    assert "recall 0.250" in page and "get it there" in page and "Groups of tasks" in page and "Task types" not in page
    assert "<b>yes</b>" not in page and "&lt;b&gt;yes&lt;/b&gt;" in page
