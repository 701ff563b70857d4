"""A measured run: questions of a track through the model, as the evaluator asks them, with the time's whereabouts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.benchmark import Model
from evaluation.journal import Batch, Journal, journal_key
from evaluation.runner import answer_all
from evaluation.suites.shopbench import SHOPBENCH, items_of
from shopbench.sample import Sample
from shopbench.tracks import SECONDS_PER_SAMPLE, Track


@dataclass(frozen=True)
class SlowestBatch:
    """The batch nearest to its limit: seconds taken and allowed, and its number of questions."""

    seconds: float
    allowed: float
    questions: int


@dataclass(frozen=True)
class Measured:
    """What a run took, in seconds.

    Attributes:
        engine: the part of the answering time that was spent in the engine's steps, by phase (prefill, decode).
        decode_steps: number of decode steps.
    """

    questions: int
    load_seconds: float
    batches: tuple[Batch, ...]
    engine: dict[str, float]
    decode_steps: int

    @property
    def answer_seconds(self) -> float:
        """Time inside batch_predict."""
        return sum(batch.seconds for batch in self.batches)

    @property
    def seconds_per_question(self) -> float:
        """Mean over all questions."""
        return self.answer_seconds / self.questions

    @property
    def slowest_batch(self) -> SlowestBatch:
        """The batch that used most of its limit."""
        worst = max(self.batches, key=lambda batch: batch.seconds / len(batch.indices))
        return SlowestBatch(worst.seconds, SECONDS_PER_SAMPLE * len(worst.indices), len(worst.indices))

    def projected_seconds(self, track: Track) -> float:
        """Loading and all of the track's questions, at the speed measured."""
        return self.load_seconds + self.seconds_per_question * track.questions

    def in_time(self, track: Track) -> bool:
        """Whether the track and every batch stay inside the evaluator's limits."""
        worst = self.slowest_batch
        return self.projected_seconds(track) <= track.minutes * 60 and worst.seconds <= worst.allowed

    def shares(self) -> dict[str, float]:
        """Shares of the answering time: prefill, decode and overhead (everything outside the engine's steps)."""
        known = {name: seconds / self.answer_seconds for name, seconds in self.engine.items()}
        return {**known, "overhead": max(0.0, 1 - sum(known.values()))}


def measure(samples: Sequence[Sample], weights: Path, make_model: Callable[[], Model] | None = None) -> Measured:
    """Ask the model these questions; nothing is scored.

    Args:
        make_model: builds the model (default: models.user_config.UserModel on `weights`).
    Raises:
        BadModel: the model broke the evaluator's contract.
    """
    os.environ["SHOPBENCH_WEIGHTS"] = str(weights)
    models: list[Model] = []
    warm_up: list[EngineTimes] = []

    def build() -> Model:
        models.append((make_model or _user_model)())
        warm_up.append(EngineTimes.of(models[0]))
        return models[0]

    with tempfile.TemporaryDirectory() as folder:
        items = items_of(samples)
        journal = Journal(Path(folder) / "answers", journal_key(items, weights))
        answered = answer_all(SHOPBENCH, items, build, journal)
    before, after = warm_up[0], EngineTimes.of(models[0])
    engine = {phase: seconds - before.seconds[phase] for phase, seconds in after.seconds.items()}
    steps = after.decode_steps - before.decode_steps
    return Measured(len(samples), answered.load_seconds, tuple(answered.batches), engine, steps)


@dataclass(frozen=True)
class EngineTimes:
    """Seconds that an engine has spent in each phase so far, and its decode steps; none without an engine."""

    seconds: dict[str, float]
    decode_steps: int

    @classmethod
    def of(cls, model: Model) -> EngineTimes:
        """Those of a UserModel's engine (models/engine)."""
        engine = getattr(model, "engine", None)
        return cls(dict(getattr(engine, "seconds", {})), getattr(engine, "decode_steps", 0))


def _user_model() -> Model:
    from models.user_config import UserModel

    return UserModel()
