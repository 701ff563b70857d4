"""data/sample_questions.jsonl: the questions that a fresh clone runs on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from evaluation.scoring import check_sample
from shopbench.answers import parse, write
from shopbench.metrics import METRICS
from shopbench.question import Question
from shopbench.sample import Sample, read_samples
from shopbench.tasks import TaskType
from shopbench.tracks import TRACKS

SAMPLES = read_samples(Path(__file__).resolve().parents[2] / "data" / "sample_questions.jsonl", check_sample)
NOT_BY_EMBEDDING = [sample for sample in SAMPLES if not sample.metric.endswith("sent-transformer")]


def line_of(sample: Sample) -> str:
    """A test's name: the question's task and its line in the file."""
    return f"{sample.task_name}-line{SAMPLES.index(sample) + 1}"


def test_covers_every_task_metric_track_and_language() -> None:
    assert len(SAMPLES) >= 110
    tasks = Counter(sample.task_name for sample in SAMPLES)
    assert set(tasks) == {f"task{number}" for number in range(1, 19)}
    assert min(tasks.values()) >= 5
    assert {sample.metric for sample in SAMPLES} == set(METRICS)
    assert {sample.task_type for sample in SAMPLES} == set(TaskType)
    assert {sample.track for sample in SAMPLES} == {TRACKS[number].challenge_id for number in (1, 2, 3, 4)}
    text = " ".join(sample.input_field for sample in SAMPLES)
    for word in ("und", "para", "avec", "della|con", "[ぁ-ん]+"):
        assert re.search(rf"(?<!\w)(?:{word})", text), word


def test_no_question_is_there_twice() -> None:
    assert len({sample.input_field for sample in SAMPLES}) == len(SAMPLES)


def test_the_right_choice_stands_at_every_place() -> None:
    places = Counter(
        sample.output_field for sample in SAMPLES if sample.task_name != "task15" and sample.is_multiple_choice
    )
    assert set(places) == {0, 1, 2, 3}
    assert max(places.values()) <= sum(places.values()) / 3


@pytest.mark.parametrize("sample", SAMPLES, ids=line_of)
def test_is_classified_as_its_type_and_shows_its_truth(sample: Sample) -> None:
    found = Question.read(sample.input_field, sample.is_multiple_choice)
    assert found.task_type is sample.task_type
    truth = sample.output_field
    if sample.task_type is TaskType.MULTIPLE_CHOICE:
        assert truth in found.numbers
    elif sample.task_type is TaskType.RETRIEVAL:
        assert set(truth) <= set(found.numbers)  # type: ignore[arg-type]
    elif sample.task_type is TaskType.RANKING:
        assert found.numbers == tuple(range(1, len(truth) + 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("sample", NOT_BY_EMBEDDING, ids=line_of)
def test_the_truth_scores_one(sample: Sample) -> None:
    truth = sample.output_field
    metric = METRICS[sample.metric]
    answer = parse(sample.task_type, write(sample.task_type, truth))
    assert metric.aggregate([metric.score(answer, truth)]) == pytest.approx(1.0)
