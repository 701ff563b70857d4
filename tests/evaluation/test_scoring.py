"""Scores of tasks, types, tracks and the file, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation import scoring
from evaluation.scoring import Scored
from shopbench import metrics
from shopbench.metrics import METRICS, Metric, ModelMissing
from shopbench.sample import Sample
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import choice, entities, retrieval, text


def scored(*pairs: tuple[Sample, str]) -> list[Scored]:
    samples = [sample for sample, _ in pairs]
    return scoring.score_all(samples, [output for _, output in pairs], [0.5] * len(pairs))[0]


def test_the_score_is_the_mean_over_tasks_and_the_papers_over_questions() -> None:
    ones = scored(
        (choice("a", 1), "1"), (choice("b", 1), "1"), (choice("c", 1), "0"), (retrieval("d", (1, 2, 4)), "1, 2, 3")
    )
    assert scoring.mean_over_tasks(ones) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert scoring.mean_over_questions(ones) == pytest.approx((1 + 1 + 0 + 2 / 3) / 4)


def test_micro_f1_sums_counts_over_the_task() -> None:
    ones = scored((entities("a", ("x",)), "x"), (entities("b", ("y", "z")), "y, w, v"))
    assert [one.raw for one in ones] == [(1, 0, 0), (1, 2, 1)]
    assert [one.score for one in ones] == [1.0, pytest.approx(0.4)]
    assert scoring.per_task(ones)["task4"].score == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))


def test_a_task_of_several_metrics_weighs_each_by_its_questions() -> None:
    ones = scored(
        (text("a", "red shoe with laces", "bleu", "task17"), "red shoe with laces"),
        (text("b", "red shoe", "rougel", "task17"), "blue"),
        (text("c", "red shoe", "rougel", "task17"), "blue"),
    )
    group = scoring.per_task(ones)["task17"]
    assert group.metrics == ("bleu", "rougel")
    assert group.score == pytest.approx(1 / 3)


def test_groups_by_type_and_track_mean_over_their_tasks() -> None:
    first, second = TRACKS[1].challenge_id, TRACKS[2].challenge_id
    ones = scored(
        (choice("a", 1, "task2", first), "1"),
        (choice("b", 1, "task2", first), "1"),
        (choice("c", 1, "task8", second), "0"),
    )
    assert scoring.per_type(ones)["multiple-choice"].score == 0.5
    assert {number: group.score for number, group in scoring.per_track(ones).items()} == {1: 1.0, 2: 0.0}
    assert [group.seconds for group in scoring.per_track(ones).values()] == [1.0, 0.5]


def test_tasks_come_in_natural_order() -> None:
    ones = scored(*((choice("q", task=name), "0") for name in ("task10", "task2", "other", "task1")))
    assert list(scoring.per_task(ones)) == ["other", "task1", "task2", "task10"]


def test_unreadable_answers_are_counted_and_wrong() -> None:
    ones = scored((choice("a"), "I think 0"), (retrieval("b"), "none"), (text("c", "red"), " "), (choice("d"), "0"))
    assert [one.unreadable for one in ones] == [True, True, True, False]
    assert [one.score for one in ones] == [0, 0, 0, 1]


def test_a_missing_model_leaves_its_questions_out_of_every_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(parsed: Any, truths: Any) -> list[float]:
        raise ModelMissing("get it there")

    monkeypatch.setitem(METRICS, "sent-transformer", Metric("sent-transformer", absent))
    samples = [
        choice("a", 1),
        text("b", "x", "sent-transformer", "task1"),
        text("c", "x", "sent-transformer", "task17"),
        text("d", "red shoe", "rougel", "task17"),
    ]
    ones, missing = scoring.score_all(samples, ["0", "x", "x", "red shoe"], [0.0] * 4)
    assert missing == {"sent-transformer": "get it there"}
    groups = scoring.per_task(ones)
    assert (groups["task1"].score, groups["task1"].unscored) == (None, 1)
    assert (groups["task17"].score, groups["task17"].unscored) == (1.0, 1)
    assert scoring.mean_over_tasks(ones) == 0.5
    assert scoring.mean_over_tasks(ones[1:2]) is None


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
        scoring.check_sample(text("q", "x", name))


def test_refuses_a_metric_that_cannot_read_the_task_type() -> None:
    for metric in metrics.METRICS:
        for sample in (choice("q"), retrieval("q"), entities("q", ("x",)), text("q", "x")):
            mismatched = Sample(**{**vars(sample), "metric": metric})
            try:
                scoring.check_sample(mismatched)
            except ValueError as error:
                assert str(sample.task_type) in str(error)
            else:
                answer = "0" if sample.is_multiple_choice else "1"
                if not metric.endswith("sent-transformer"):
                    assert scored((mismatched, answer))[0].score is not None
