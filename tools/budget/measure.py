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
class Measured:
    """What a run took, in seconds; `engine`: in the engine's steps while it answered, by phase (prefill, decode)."""

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
    def slowest_batch(self) -> Batch:
        """The batch that used most of its limit."""
        return max(self.batches, key=lambda batch: batch.seconds / len(batch.indices))

    def projected_seconds(self, track: Track) -> float:
        """Loading and all of the track's questions, at the speed measured."""
        return self.load_seconds + self.seconds_per_question * track.questions

    def in_time(self, track: Track) -> bool:
        """Whether the track and every batch stay inside the evaluator's limits."""
        worst = self.slowest_batch.seconds / len(self.slowest_batch.indices)
        return self.projected_seconds(track) <= track.minutes * 60 and worst <= SECONDS_PER_SAMPLE

    def shares(self) -> dict[str, float]:
        """Shares of the answering time: prefill, decode and overhead (everything outside the engine's steps)."""
        known = {name: seconds / self.answer_seconds for name, seconds in self.engine.items()}
        return {**known, "overhead": max(0.0, 1 - sum(known.values()))}

    def text(self, track: Track) -> str:
        """The measurement as it is shown, and what it means for the whole track."""
        total, allowed, worst = self.projected_seconds(track), track.minutes * 60, self.slowest_batch
        shares = "  ".join(f"{name} {share:.0%}" for name, share in self.shares().items())
        return (
            f"Measured on this machine: {self.questions} of track {track.number}'s {track.questions} questions\n"
            f"  load             {self.load_seconds:.1f} s\n"
            f"  a question       {self.seconds_per_question:.3f} s\n"
            f"  slowest batch    {worst.seconds:.1f} s of {SECONDS_PER_SAMPLE * len(worst.indices):.0f} s "
            f"for its {len(worst.indices)} questions\n"
            f"  where it goes    {shares}\n"
            f"  whole track      {total / 60:.1f} of {track.minutes} minutes: "
            f"{'pass' if self.in_time(track) else 'fail'}, {(allowed - total) / 60:+.1f} to spare"
        )


def _user_model() -> Model:
    from models.user_config import UserModel

    return UserModel()


def measure(samples: Sequence[Sample], weights: Path, make_model: Callable[[], Model] = _user_model) -> Measured:
    """Ask the model on `weights` these questions, nothing is scored; BadModel if it breaks the evaluator's contract."""
    os.environ["SHOPBENCH_WEIGHTS"] = str(weights)
    made: list[tuple[Model, dict[str, float]]] = []

    def build() -> Model:
        model = make_model()
        made.append((model, _engine_counts(model)))
        return model

    with tempfile.TemporaryDirectory() as folder:
        items = items_of(samples)
        journal = Journal(Path(folder) / "answers", journal_key(items, weights))
        answered = answer_all(SHOPBENCH, items, build, journal)
    ((model, warm_up),) = made
    engine = {name: count - warm_up[name] for name, count in _engine_counts(model).items()}
    steps = int(engine.pop("decode steps"))
    return Measured(len(samples), answered.load_seconds, tuple(answered.batches), engine, steps)


def _engine_counts(model: Model) -> dict[str, float]:
    """Seconds that a UserModel's engine (models/engine) has spent in each phase so far, and its decode steps."""
    engine = getattr(model, "engine", None)
    return {**getattr(engine, "seconds", {}), "decode steps": getattr(engine, "decode_steps", 0)}
