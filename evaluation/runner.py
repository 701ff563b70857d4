"""Asks a model all items of a benchmark, batch by batch, as the hidden evaluator of the competition asks.

Answers are joined to items by position. Every batch is written to a journal (evaluation/journal.py), so a run that was
killed goes on where it stopped. With limits enforced, it ends where the evaluator would kill it.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from tqdm import tqdm

from evaluation.benchmark import Benchmark, Item, Model
from evaluation.journal import Batch, Journal
from shopbench.errors import KILLED, UserError
from shopbench.text_files import without_surrogates
from shopbench.tracks import MAX_BATCH_SIZE, MIN_BATCH_SIZE, SECONDS_PER_SAMPLE


class BadModel(UserError):
    """The model broke the evaluator's contract; the message says how, and for which questions."""


class LimitExceeded(UserError):
    """The evaluator would have killed the run here."""

    exit_code = KILLED
    prefix = "killed"


class _Deadline(BaseException):
    """A LimitExceeded on its way through the model.

    A BaseException, so that a model which answers "whatever happens" by `except Exception` cannot swallow it.
    """


@dataclass(frozen=True)
class Answers:
    """All answers to a benchmark's items, in their order, and how long they took."""

    outputs: list[str]
    seconds: list[float]  # each item's share of its batch's wall time
    batches: list[Batch]
    load_seconds: float  # time to build the model; 0 if every answer was already in the journal
    resumed: int  # number of items answered by an earlier, interrupted run


def answer_all(
    benchmark: Benchmark,
    items: Sequence[Item],
    make_model: Callable[[], Model],
    journal: Journal,
    enforce_limits: bool = False,
) -> Answers:
    """Ask the model, which is built only if it is needed, every item that the journal does not hold yet.

    Raises:
        BadModel: a wrong batch size, or answers that are not one text an item.
        LimitExceeded: `enforce_limits` is set, and the evaluator would kill the run (a batch's or the tracks' time).
    """
    resumed = sum(len(batch.indices) for batch in journal.batches)
    load_seconds = 0.0
    if resumed < len(items):
        started = time.perf_counter()
        model = make_model()
        load_seconds = time.perf_counter() - started
        try:
            _ask_open_items(benchmark, items, model, journal, enforce_limits)
        except _Deadline as error:
            raise LimitExceeded(str(error)) from None
        finally:
            close = getattr(model, "close", None)  # ours has one: the memory is free for the metrics' models then
            if callable(close):
                close()
    outputs, seconds = [""] * len(items), [0.0] * len(items)
    for batch in journal.batches:
        for index, output in zip(batch.indices, batch.outputs, strict=True):
            outputs[index] = output
            seconds[index] = batch.seconds / len(batch.indices)
    return Answers(outputs, seconds, list(journal.batches), load_seconds, resumed)


def batches_of(
    benchmark: Benchmark, items: Sequence[Item], size: int, answered: Collection[int] = ()
) -> Iterator[list[int]]:
    """Places of the open items, up to `size` at a time, never of two kinds."""
    kinds = [benchmark.batch_kind(item) for item in items]
    for kind in sorted(set(kinds)):
        places = [place for place, own in enumerate(kinds) if own == kind and place not in answered]
        yield from (places[start : start + size] for start in range(0, len(places), size))


def _ask_open_items(
    benchmark: Benchmark, items: Sequence[Item], model: Model, journal: Journal, enforce_limits: bool
) -> None:
    size = _batch_size(model)
    answered = {index for batch in journal.batches for index in batch.indices}
    allowed = sum(map(benchmark.seconds_allowed, items))
    with tqdm(total=len(items), initial=len(answered), desc="questions", unit=" questions") as bar:
        for places in batches_of(benchmark, items, size, answered):
            left = allowed - sum(batch.seconds for batch in journal.batches)
            limit = min(SECONDS_PER_SAMPLE * len(places), left) if enforce_limits else None
            journal.append(_ask(benchmark, items, places, model, limit))
            bar.update(len(places))


def _batch_size(model: Model) -> int:
    size = model.get_batch_size()
    if isinstance(size, bool) or not isinstance(size, int) or not MIN_BATCH_SIZE <= size <= MAX_BATCH_SIZE:
        raise BadModel(
            f"get_batch_size() returned {size!r}; a whole number from {MIN_BATCH_SIZE} to {MAX_BATCH_SIZE} is wanted"
        )
    return size


def _ask(benchmark: Benchmark, items: Sequence[Item], places: list[int], model: Model, limit: float | None) -> Batch:
    before = _counters(model)
    started = time.perf_counter()
    with _deadline(limit, f"questions {_range(places)} took over {limit or 0:.1f} s: the evaluator kills the run here"):
        outputs = benchmark.ask(model, [items[place] for place in places])
    seconds = time.perf_counter() - started
    _check_answers(outputs, places, benchmark.method)
    texts = list(map(without_surrogates, outputs))  # they are written and scored as UTF-8, which has none
    return Batch(places, texts, seconds, dict(_counters(model) - before))


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


def _counters(model: Model) -> Counter[str]:
    """The model's own counters (attribute `stats`: name -> count), a copy; none for models without them."""
    stats = getattr(model, "stats", None) or {}
    return Counter({str(name): count for name, count in dict(stats).items() if isinstance(count, int)})


@contextmanager
def _deadline(seconds: float | None, message: str) -> Iterator[None]:
    """Raise _Deadline in the main thread if the body runs longer; None sets no limit."""
    if seconds is None:
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _Deadline(message)

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
