"""One engine on a base model that answers with any adapter, one after another, and is started once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.benchmark import Scored
from evaluation.journal import Journal, journal_key
from evaluation.runner import answer_all
from evaluation.suites.shopbench import SHOPBENCH, items_of
from models.engine.requests import Completion, EngineDied, Request
from models.engine.thread import Engine
from models.serving import Serving
from models.settings import behaviour
from models.shopbench_model import ShopBenchModel
from models.weights import check_weights
from shopbench.errors import UserError
from shopbench.naming import AnswerBy
from shopbench.sample import Sample

PATIENCE_SECONDS = 3600.0
"""For a batch: what is measured here is how well adapters answer, however busy the machine is."""


@dataclass
class _WithAdapter:
    """A running engine as one adapter's model sees it: every request names the adapter, closing is not its business."""

    engine: Engine
    adapter: Path | None

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        return self.engine.wait_until_ready(timeout)

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]:
        try:
            asked = [replace(request, adapter=self.adapter) for request in requests]
            return self.engine.generate(asked, max(timeout, PATIENCE_SECONDS))
        except EngineDied as error:
            # A model in a competition would answer by fallback from here on; a measurement must not.
            raise UserError(f"{error}; give the same command again, finished points are kept") from error

    def close(self, patience: float = 5.0) -> None:
        return


class Served:
    """A base model on one engine, for adapters up to a rank."""

    def __init__(self, base: Path, rank: int, answer_by: str = AnswerBy.NUMBER) -> None:
        """Start the engine and wait for it.

        Args:
            answer_by: what options are named by, for the base alone as for every adapter: what is compared is asked
                in one way.

        Raises:
            WeightsError, SettingsError: one line on what is wrong with the base or the environment.
            EngineDied: vLLM could not start.
        """
        self.base = base
        self._serving = Serving.of(check_weights(base), behaviour(trained_for=answer_by), lora_rank=rank)
        self._engine = self._serving.start_engine()
        self._engine.wait_until_ready()

    def model(self, adapter: Path | None) -> ShopBenchModel:
        """The submitted model's code on the base plus an adapter (None: on the base alone)."""
        return self._serving.model_on(_WithAdapter(self._engine, adapter))

    def answers(self, samples: Sequence[Sample], adapter: Path | None, journal: Path) -> list[Scored]:
        """Ask and score as local_evaluation does; answered batches are kept in `journal` until all are scored.

        Questions whose metric has no model on this machine stay unscored, for every adapter alike; a line says so.

        Raises:
            UserError: the engine died or cut an answer (the score would not be the adapter's), or no question
                could be scored.
        """
        model = self.model(adapter)
        items = items_of(samples)
        kept = Journal(journal, journal_key(items, adapter or self.base))
        done = answer_all(SHOPBENCH, items, lambda: model, kept)
        if model.stats["unfinished"]:
            raise UserError(f"{model.stats['unfinished']} answers were cut by a deadline; the machine is too busy")
        scored, missing = SHOPBENCH.score_answers(items, done.outputs)
        for name, remedy in missing.items():
            print(f"sweep: metric {name} is left out: {remedy}", file=sys.stderr)
        if all(one.score is None for one in scored):
            raise UserError("no question can be scored on this machine; see above for what is missing")
        kept.remove()
        return scored

    def close(self) -> None:
        """End the engine."""
        self._engine.close()


@contextlib.contextmanager
def serving(base: Path, rank: int, answer_by: str = AnswerBy.NUMBER) -> Iterator[Served]:
    """A `Served` that is closed when the block ends."""
    served = Served(base, rank, answer_by)
    try:
        yield served
    finally:
        served.close()
