"""The runner asks as the hidden evaluator asks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluation.benchmark import Model
from evaluation.journal import Journal
from evaluation.runner import Answers, BadModel, LimitExceeded, answer_all
from evaluation.suites.shopbench import SHOPBENCH, items_of
from shopbench.errors import KILLED
from shopbench.sample import Sample
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import FakeModel, choice, retrieval

SAMPLES = [choice(f"mc {n}") if n % 3 else retrieval(f"other {n}") for n in range(20)]


def ask(samples: Sequence[Sample], make_model: Callable[[], Model], journal: Journal, enforce: bool = False) -> Answers:
    return answer_all(SHOPBENCH, items_of(samples), make_model, journal, enforce)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", "key")


def test_answers_are_joined_by_position_even_for_equal_questions(journal: Journal) -> None:
    model = FakeModel()
    model.says = lambda question: f"{question} call {len(model.calls)}"
    samples = [choice("same"), retrieval("same"), choice("same"), choice("other")]
    outputs = ask(samples, lambda: model, journal).outputs
    assert outputs == ["same call 1", "same call 2", "same call 1", "other call 1"]


def test_batches_never_mix_and_never_exceed_the_batch_size(journal: Journal) -> None:
    model = FakeModel(lambda question: question, batch_size=3)
    outputs = ask(SAMPLES, lambda: model, journal).outputs
    assert outputs == [sample.input_field for sample in SAMPLES]
    assert all(len(questions) <= 3 for questions, _ in model.calls)
    for questions, is_multiple_choice in model.calls:
        assert {question.startswith("mc") for question in questions} == {is_multiple_choice}
    assert sum(len(questions) for questions, _ in model.calls) == len(SAMPLES)


@pytest.mark.parametrize("size", [0, 17, -1, 2.0, True, "8", None])
def test_refuses_a_wrong_batch_size(journal: Journal, size: Any) -> None:
    with pytest.raises(BadModel, match="get_batch_size"):
        ask(SAMPLES, lambda: FakeModel(batch_size=size), journal)


@pytest.mark.parametrize(
    ("mangle", "says"),
    [
        (tuple, "returned tuple; a list of 4"),
        (lambda answers: None, "returned NoneType"),
        (lambda answers: answers[1:], "3 answers; one for each of the 4"),
        (lambda answers: [*answers, "x"], "5 answers"),
        (lambda answers: [*answers[:2], 7, answers[3]], "int for question 5"),
    ],
)
def test_refuses_answers_that_are_no_list_of_texts(journal: Journal, mangle: Callable[[Any], Any], says: str) -> None:
    model = FakeModel()
    honest = model.batch_predict
    model.batch_predict = lambda batch, flag: mangle(honest(batch, flag))  # type: ignore[method-assign]
    with pytest.raises(BadModel, match=says):
        ask(SAMPLES, lambda: model, journal)
    assert not journal.batches


def test_goes_on_where_an_interrupted_run_stopped(tmp_path: Path) -> None:
    def answer(question: str) -> str:
        if question == "mc 14":
            raise KeyboardInterrupt
        return question

    first = FakeModel(answer)
    with pytest.raises(KeyboardInterrupt):
        ask(SAMPLES, lambda: first, Journal(tmp_path / "journal", "key"))
    second = FakeModel(lambda question: question)
    result = ask(SAMPLES, lambda: second, Journal(tmp_path / "journal", "key"))
    assert result.outputs == [sample.input_field for sample in SAMPLES]
    assert result.resumed == 8  # two whole batches of four came before the third, which holds "mc 14"
    asked_again = {question for questions, _ in second.calls for question in questions}
    assert len(asked_again) == len(SAMPLES) - 8
    assert sum(batch.counts["questions"] for batch in result.batches) == len(SAMPLES)


def test_builds_no_model_if_every_answer_is_there(tmp_path: Path) -> None:
    ask(SAMPLES, FakeModel, Journal(tmp_path / "journal", "key"))

    def never() -> FakeModel:
        raise AssertionError("the model was built for nothing")

    assert ask(SAMPLES, never, Journal(tmp_path / "journal", "key")).resumed == len(SAMPLES)


def test_a_share_of_the_tracks_time_is_allowed() -> None:
    track = TRACKS[2]
    samples = [choice("q", track=track.challenge_id)] * 10
    assert sum(map(SHOPBENCH.seconds_allowed, items_of(samples))) == pytest.approx(
        10 * track.minutes * 60 / track.questions
    )


@pytest.mark.slow
def test_enforced_limits_stop_a_model_that_catches_everything(journal: Journal) -> None:
    class Stubborn(FakeModel):
        def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
            with contextlib.suppress(Exception):
                time.sleep(60)
            return super().batch_predict(batch, is_multiple_choice)

    samples = [choice("slow", track=TRACKS[4].challenge_id)]  # 0.9 s of track 4's twenty minutes
    with pytest.raises(LimitExceeded, match="question") as stopped:
        ask(samples, Stubborn, journal, enforce=True)
    assert stopped.value.exit_code == KILLED


@pytest.mark.slow
def test_limits_are_only_measured_unless_enforced(journal: Journal) -> None:
    def slowly(question: str) -> str:
        time.sleep(0.6)
        return "0"

    samples = [choice("slow", track=TRACKS[1].challenge_id)] * 2  # 1.4 s allowed by the track, 1.2 s needed
    result = ask(samples, lambda: FakeModel(slowly, 1), journal)
    assert result.outputs == ["0", "0"]
    assert [batch.seconds >= 0.6 for batch in result.batches] == [True, True]
