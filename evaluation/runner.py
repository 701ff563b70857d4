"""Plays the hidden evaluator: asks a model all questions, batch by batch, under the competition's limits.

Only `input_field` and `is_multiple_choice` reach the model; a batch never mixes multiple choice with the
rest; answers are joined to questions by position. Every batch is journalled (evaluation/journal.py), so a
run that was killed goes on where it stopped. Questions of other benchmarks, which name their answer spaces, are
asked in the same way, without limits.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from tqdm import tqdm

from evaluation.benchmark import Question
from evaluation.journal import Batch, Journal
from models.planning import Asked
from shopbench.errors import UserError
from shopbench.sample import Sample
from shopbench.tracks import MAX_BATCH_SIZE, MIN_BATCH_SIZE, SECONDS_PER_SAMPLE, TRACKS, Track


class Model(Protocol):
    """What the evaluator calls (models.user_config.UserModel)."""

    def get_batch_size(self) -> int: ...

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]: ...


class AskableModel(Model, Protocol):
    """A model that also takes questions with their answer spaces (models.shopbench_model.ShopBenchModel)."""

    def answer(self, asked: Sequence[Asked]) -> list[str]: ...


class BadModel(UserError):
    """The model broke the evaluator's contract; the message says how, and for which questions."""


class LimitExceeded(BaseException):
    """The evaluator would have killed the run here.

    A BaseException, so that a model which answers "whatever happens" by `except Exception` cannot swallow it.
    """


@dataclass(frozen=True)
class Run:
    """All answers to a file of questions, in its order, and how long they took.

    Attributes:
        outputs: one text a question.
        seconds: each question's share of its batch's wall time.
        batches: the batches as they were asked.
        load_seconds: time to build the model; 0 if every answer was already in the journal.
        resumed: number of questions answered by an earlier, interrupted run.
    """

    outputs: list[str]
    seconds: list[float]
    batches: list[Batch]
    load_seconds: float
    resumed: int


@dataclass(frozen=True)
class _Work:
    """Questions as places in a file: how they are put into batches, asked by which method, and in what time if any."""

    count: int
    batches: Callable[[int, set[int]], Iterator[list[int]]]
    ask: Callable[[Any, list[int]], Any]
    method: str
    seconds_allowed: float | None = None


def run(
    samples: Sequence[Sample], make_model: Callable[[], Model], journal: Journal, enforce_limits: bool = False
) -> Run:
    """Ask the model every ShopBench question that the journal does not hold yet.

    Args:
        make_model: builds the model; called once, and only if a question is left.
        enforce_limits: raise LimitExceeded where the evaluator kills a run (a batch's or the tracks' time).
    Raises:
        BadModel: a wrong batch size, or answers that are not one text a question.
    """

    def ask(model: Model, places: list[int]) -> Any:
        prompts = [samples[place].input_field for place in places]
        return model.batch_predict({"prompt": prompts}, samples[places[0]].is_multiple_choice)

    def batches(size: int, answered: set[int]) -> Iterator[list[int]]:
        return batches_of(samples, size, answered)

    seconds = allowed_seconds(samples) if enforce_limits else None
    return _run(_Work(len(samples), batches, ask, "batch_predict", seconds), make_model, journal)


def run_questions(questions: Sequence[Question], make_model: Callable[[], AskableModel], journal: Journal) -> Run:
    """Ask the model every question of a benchmark that the journal does not hold yet; raises as `run` does."""

    def ask(model: AskableModel, places: list[int]) -> Any:
        chosen = [questions[place] for place in places]
        return model.answer([Asked(question.text, question.space, question.task_type) for question in chosen])

    def batches(size: int, answered: set[int]) -> Iterator[list[int]]:
        places = [place for place in range(len(questions)) if place not in answered]
        return (places[start : start + size] for start in range(0, len(places), size))

    return _run(_Work(len(questions), batches, ask, "answer"), make_model, journal)


def _run(work: _Work, make_model: Callable[[], Model], journal: Journal) -> Run:
    resumed = sum(len(batch.indices) for batch in journal.batches)
    load_seconds = 0.0
    if resumed < work.count:
        started = time.perf_counter()
        model = make_model()
        load_seconds = time.perf_counter() - started
        try:
            _ask_all(model, work, journal)
        finally:
            close = getattr(model, "close", None)  # ours has one: the memory is free for the metrics' models then
            if callable(close):
                close()
    outputs, seconds = [""] * work.count, [0.0] * work.count
    for batch in journal.batches:
        for index, output in zip(batch.indices, batch.outputs, strict=True):
            outputs[index] = output
            seconds[index] = batch.seconds / len(batch.indices)
    return Run(outputs, seconds, list(journal.batches), load_seconds, resumed)


def track_of_sample(sample: Sample) -> Track:
    """The track a question says it belongs to; All-Around if it names none of the five."""
    return next((track for track in TRACKS.values() if track.challenge_id == sample.track), TRACKS[5])


def allowed_seconds(samples: Sequence[Sample]) -> float:
    """The share of their tracks' time that these questions have."""
    tracks = [track_of_sample(sample) for sample in samples]
    return sum(track.minutes * 60 / track.questions for track in tracks)


def batches_of(samples: Sequence[Sample], size: int, answered: set[int]) -> Iterator[list[int]]:
    """Places of the open questions, up to `size` at a time; multiple choice never with the rest."""
    for is_multiple_choice in (True, False):
        places = [
            place
            for place, sample in enumerate(samples)
            if sample.is_multiple_choice is is_multiple_choice and place not in answered
        ]
        yield from (places[start : start + size] for start in range(0, len(places), size))


def _ask_all(model: Model, work: _Work, journal: Journal) -> None:
    size = _batch_size(model)
    answered = {index for batch in journal.batches for index in batch.indices}
    with tqdm(total=work.count, initial=len(answered), desc="questions", unit=" questions") as bar:
        for places in work.batches(size, answered):
            limit = None
            if work.seconds_allowed is not None:
                left = work.seconds_allowed - sum(batch.seconds for batch in journal.batches)
                limit = min(SECONDS_PER_SAMPLE * len(places), left)
            journal.append(_ask(model, work, places, limit))
            bar.update(len(places))


def _batch_size(model: Model) -> int:
    size = model.get_batch_size()
    if isinstance(size, bool) or not isinstance(size, int) or not MIN_BATCH_SIZE <= size <= MAX_BATCH_SIZE:
        raise BadModel(
            f"get_batch_size() returned {size!r}; a whole number from {MIN_BATCH_SIZE} to {MAX_BATCH_SIZE} is wanted"
        )
    return size


def _ask(model: Model, work: _Work, places: list[int], limit: float | None) -> Batch:
    before = model_counts(model)
    started = time.perf_counter()
    with _deadline(limit, f"questions {_range(places)} took over {limit or 0:.1f} s: the evaluator kills the run here"):
        outputs = work.ask(model, places)
    seconds = time.perf_counter() - started
    _check_answers(outputs, places, work.method)
    counts = {name: count - before.get(name, 0) for name, count in model_counts(model).items()}
    return Batch(places, outputs, seconds, {name: count for name, count in counts.items() if count})


def _check_answers(outputs: Any, places: list[int], method: str) -> None:
    where = f"{method} on questions {_range(places)} returned"
    if not isinstance(outputs, list):
        raise BadModel(f"{where} {type(outputs).__name__}; a list of {len(places)} texts is wanted")
    if len(outputs) != len(places):
        raise BadModel(f"{where} {len(outputs)} answers; one for each of the {len(places)} questions is wanted")
    for place, output in zip(places, outputs, strict=True):
        if not isinstance(output, str):
            raise BadModel(f"{where} {type(output).__name__} for question {place + 1}; a text (str) is wanted")


def _range(places: list[int]) -> str:
    return f"{places[0] + 1}-{places[-1] + 1}" if len(places) > 1 else str(places[0] + 1)


def model_counts(model: Model) -> dict[str, int]:
    """The model's own counters (attribute `stats`: name -> count), a copy; none for models without them."""
    stats = getattr(model, "stats", None)
    return {str(name): count for name, count in dict(stats or {}).items() if isinstance(count, int)}


@contextmanager
def _deadline(seconds: float | None, message: str) -> Iterator[None]:
    """Raise LimitExceeded in the main thread if the body runs longer; None sets no limit."""
    if seconds is None:
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise LimitExceeded(message)

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
