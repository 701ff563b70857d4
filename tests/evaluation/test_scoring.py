"""Scores of tasks, types, tracks and the file, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluation.benchmark import Options, Scored
from evaluation.journal import Batch
from evaluation.results import Results, make_results
from evaluation.runner import Answers
from evaluation.scoring import check_sample, mean_over_tasks, outcomes
from evaluation.suites.shopbench import SHOPBENCH, items_of
from shopbench import metrics
from shopbench.metrics import METRICS, Metric, ModelMissing
from shopbench.sample import Sample
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import choice, entities, retrieval, text


def scored(*pairs: tuple[Sample, str]) -> list[Scored]:
    return SHOPBENCH.score_answers(items_of(sample for sample, _ in pairs), [output for _, output in pairs])[0]


def results(*pairs: tuple[Sample, str]) -> Results:
    outputs = [output for _, output in pairs]
    answers = Answers(outputs, [0.5] * len(pairs), [Batch(list(range(len(pairs))), outputs, 1.0)], 0.0, 0)
    return make_results(SHOPBENCH, "q", items_of(sample for sample, _ in pairs), answers, Options(), Path("weights"))


def test_the_score_is_the_mean_over_tasks_and_the_papers_over_questions() -> None:
    found = results(
        (choice("a", 1), "1"), (choice("b", 1), "1"), (choice("c", 1), "0"), (retrieval("d", (1, 2, 4)), "1, 2, 3")
    )
    assert found["score"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert found["mean_over_questions"] == pytest.approx((1 + 1 + 0 + 2 / 3) / 4)


def test_micro_f1_sums_counts_over_the_task() -> None:
    pairs = (entities("a", ("x",)), "x"), (entities("b", ("y", "z")), "y, w, v")
    ones = scored(*pairs)
    assert [one.value for one in ones] == [one.counts for one in ones] == [(1, 0, 0), (1, 2, 1)]
    assert [one.score for one in ones] == [1.0, pytest.approx(0.4)]
    assert results(*pairs)["per_task"]["task4"]["score"] == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))


def test_a_task_of_several_metrics_weighs_each_by_its_questions() -> None:
    found = results(
        (text("a", "red shoe with laces", "bleu", "task17"), "red shoe with laces"),
        (text("b", "red shoe", "rougel", "task17"), "blue"),
        (text("c", "red shoe", "rougel", "task17"), "blue"),
    )
    task = found["per_task"]["task17"]
    assert task["metric"] == "bleu, rougel"
    assert task["score"] == pytest.approx(1 / 3)


def test_groups_by_type_and_track_mean_over_their_tasks() -> None:
    first, second = TRACKS[1].challenge_id, TRACKS[2].challenge_id
    found = results(
        (choice("a", 1, "task2", first), "1"),
        (choice("b", 1, "task2", first), "1"),
        (choice("c", 1, "task8", second), "0"),
    )
    assert found["per_type"]["multiple-choice"]["score"] == 0.5
    assert {number: track["score"] for number, track in found["per_track"].items()} == {"1": 1.0, "2": 0.0, "5": 0.5}
    assert [track["seconds_per_question"] * track["count"] for track in found["per_track"].values()] == [1.0, 0.5, 1.5]


def test_a_task_of_several_types_is_a_part_of_each() -> None:
    mixed = [(choice("a", 1, "t"), "1"), (retrieval("b", (1, 2, 4), "t"), "5"), (choice("c", 1, "u"), "0")]
    found = results(*mixed)
    assert found["per_task"]["t"]["score"] == found["mean_over_questions"] * 1.5 == 0.5
    assert (found["per_type"]["multiple-choice"]["score"], found["per_type"]["retrieval"]["score"]) == (0.5, 0.0)
    assert found["per_task"]["t"]["task_type"] == "multiple-choice, retrieval"


def test_tasks_come_in_natural_order() -> None:
    found = results(*((choice("q", task=name), "0") for name in ("task10", "task2", "other", "task1")))
    assert list(found["per_task"]) == ["other", "task1", "task2", "task10"]


def test_unreadable_answers_are_counted_and_wrong() -> None:
    ones = scored((choice("a"), "I think 0"), (retrieval("b"), "none"), (text("c", "red"), " "), (choice("d"), "0"))
    assert [one.unreadable for one in ones] == [True, True, True, False]
    assert [one.score for one in ones] == [0, 0, 0, 1]


def test_a_missing_model_leaves_its_questions_out_of_every_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(parsed: Any, truths: Any) -> list[float]:
        raise ModelMissing("get it there")

    monkeypatch.setitem(METRICS, "sent-transformer", Metric("sent-transformer", absent))
    pairs = [
        (choice("a", 1), "0"),
        (text("b", "x", "sent-transformer", "task1"), "x"),
        (text("c", "x", "sent-transformer", "task17"), "x"),
        (text("d", "red shoe", "rougel", "task17"), "red shoe"),
    ]
    found = results(*pairs)
    assert found["missing_metrics"] == {"sent-transformer": {"remedy": "get it there", "questions": 2}}
    tasks = found["per_task"]
    assert (tasks["task1"]["score"], tasks["task1"]["unscored"]) == (None, 1)
    assert (tasks["task17"]["score"], tasks["task17"]["unscored"]) == (1.0, 1)
    assert found["score"] == 0.5
    assert results(pairs[1])["score"] is None
    assert mean_over_tasks(outcomes(scored(*pairs))) == 0.5
    with pytest.raises(ValueError, match="no scores"):
        mean_over_tasks(outcomes(scored(pairs[1])))


def test_each_metric_is_scored_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def many(parsed: Any, truths: Any) -> list[float]:
        calls.append(len(parsed))
        return [1.0] * len(parsed)

    monkeypatch.setitem(METRICS, "rougel", Metric("rougel", many))
    scored(*((text(f"q{n}", "x"), "y") for n in range(7)))
    assert calls == [7]


@pytest.mark.parametrize("name", ["acuracy", "", "Accuracy", "micro-f1", 5, ["bleu"], None])
def test_refuses_an_unknown_metric(name: Any) -> None:
    with pytest.raises(ValueError, match="metric"):
        check_sample(text("q", "x", name))


def test_refuses_a_metric_that_cannot_read_the_task_type() -> None:
    for metric in metrics.METRICS:
        for sample in (choice("q"), retrieval("q"), entities("q", ("x",)), text("q", "x")):
            mismatched = Sample(**{**vars(sample), "metric": metric})
            try:
                check_sample(mismatched)
            except ValueError as error:
                assert str(sample.task_type) in str(error)
            else:
                answer = "0" if sample.is_multiple_choice else "1"
                if not metric.endswith("sent-transformer"):
                    assert scored((mismatched, answer))[0].score is not None
