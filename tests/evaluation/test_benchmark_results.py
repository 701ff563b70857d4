"""What a benchmark's results.json and tables say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from evaluation.benchmark_results import make_benchmark_results

from evaluation.benchmark import Options, Question, Reading, Scores, Test
from evaluation.journal import Batch
from evaluation.report import render_report
from evaluation.results import Results
from evaluation.runner import Run
from evaluation.table import format_results
from models.spaces.one_of import OneOf

YES_NO = OneOf(("yes", "no"))
SKILLS = {"lines": "concepts", "colours": "concepts", "words": "languages"}
QUESTIONS = [Question(test, SKILLS[test], f"{test}?", YES_NO, "yes") for test in ("lines", "lines", "colours", "words")]
OUTPUTS = ["yes", "?", "no", "<b>yes</b>"]


class Fake:
    """Three tests in two skills; the model of one metric is missing."""

    name = "fake"
    wanted = "nothing"
    heeds = ()

    def __init__(self, averages: str) -> None:
        self.averages = averages

    def read(self, path: Path, options: Options) -> list[Question]:
        return QUESTIONS

    def score(self, questions: Sequence[Question], outputs: Sequence[str], options: Options) -> Scores:
        assert list(outputs) == OUTPUTS
        readings = [Reading("yes", False, 1.0), Reading(None, True, 0.0), Reading("no", False, 0.0)]
        tests = {
            "lines": Test("F1", {"F1": 0.5, "recall": 0.25}, 1),
            "colours": Test("F1", {"F1": 0.0, "recall": 0.75}, 0),
            "words": Test("BLEURT", {"BLEURT": None}, 0),
        }
        return Scores([*readings, Reading("yes", False, None)], tests, {"BLEURT": "get it there"})


def results(averages: str = "tests") -> Results:
    run = Run(OUTPUTS, [1.0] * 4, [Batch([0, 1, 2, 3], OUTPUTS, 4.0, {"shortened": 2})], 9.0, 0)
    return make_benchmark_results(Fake(averages), "folder", QUESTIONS, run, Options(shots=1), Path("weights"))


@pytest.mark.parametrize(("averages", "words"), [("tests", "3 tests"), ("groups", "2 groups")])
def test_the_score_is_the_mean_of_tests_or_of_groups(averages: str, words: str) -> None:
    found = results(averages)
    assert found["per_group"]["concepts"]["score"] == 0.25
    assert found["per_group"]["languages"]["score"] is None
    assert found["score"] == 0.25  # over tests (.5 + 0) / 2, over groups .25: what is not scored counts nowhere
    assert f"SCORE (mean over {words}): 0.250" in format_results(found)


def test_weighs_groups_alike_however_many_tests_they_have() -> None:
    scored = {"lines": 0.0, "colours": 0.5, "words": 1.0}

    class Scored(Fake):
        def score(self, questions: Sequence[Question], outputs: Sequence[str], options: Options) -> Scores:
            return Scores([Reading("", True, 0.0)] * 4, {name: Test("F1", {"F1": x}, 0) for name, x in scored.items()})

    run = Run(OUTPUTS, [1.0] * 4, [Batch([0, 1, 2, 3], OUTPUTS, 4.0)], 0.0, 0)
    means = [
        make_benchmark_results(Scored(averages), "f", QUESTIONS, run, Options(), Path("w"))["score"]
        for averages in ("tests", "groups")
    ]
    assert means == [0.5, pytest.approx((0.25 + 1.0) / 2)]


def test_holds_what_was_asked_read_and_missed() -> None:
    found = results()
    assert found["per_task"]["lines"]["count"] == 2 and found["per_task"]["lines"]["unreadable"] == 1
    assert found["per_task"]["words"]["unscored"] == 1
    assert found["missing_metrics"] == {"BLEURT": {"remedy": "get it there", "questions": 1}}
    assert found["model_counts"] == {"shortened": 2} and found["options"]["shots"] == 1
    assert [sample["unreadable"] for sample in found["samples"]] == [False, True, False, False]
    assert json.loads(json.dumps(found)) == found


def test_the_page_shows_every_metric_and_escapes_answers() -> None:
    page = render_report(results())
    assert "recall 0.250" in page and "get it there" in page and "Groups of tests" in page
    assert "<b>yes</b>" not in page and "&lt;b&gt;yes&lt;/b&gt;" in page
