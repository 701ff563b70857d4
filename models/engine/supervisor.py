"""Keeps an engine answering: starts it, watches the clock, starts another when it dies, and never raises.

The evaluator kills a run whose batch is late, so every wait here has an end: a batch whose engine died gets one
new engine if that is up before the batch's deadline, and no answers (the caller's fallbacks) otherwise. An engine
that is still starting goes on doing so behind later batches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from models.engine.requests import Completion, EngineDied, Request
from shopbench.errors import UserError

LOG = logging.getLogger(__name__)


class EngineLike(Protocol):
    """What a supervisor needs of an engine: models/engine/process.py's, or a test's."""

    def wait_until_ready(self, timeout: float | None = None) -> bool: ...

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]: ...

    def close(self, patience: float = 5.0) -> None: ...


class Supervisor:
    """Answers requests through an engine that may die.

    Attributes:
        restarts: engines started after the first.
        gave_up: no engine could be started any more; every answer is a fallback from then on.
    """

    def __init__(self, start_engine: Callable[[], EngineLike], restarts_allowed: int = 5) -> None:
        """Begin to start the first engine; weights that cannot be served raise when it is waited for."""
        self._start_engine = start_engine
        self._restarts_allowed = restarts_allowed
        self.restarts = 0
        self.gave_up = False
        self._engine = start_engine()

    def wait_until_ready(self) -> None:
        """Wait for the first engine, as long as it takes; EngineDied if it cannot start."""
        self._engine.wait_until_ready()

    def generate(self, requests: Sequence[Request], deadline: float) -> list[Completion]:
        """Completions of all requests, by `deadline` (time.monotonic()); empty ones where no engine could answer."""
        for attempt in range(2):
            try:
                if not self.gave_up and self._engine.wait_until_ready(_left(deadline)) and _left(deadline) > 0:
                    return self._engine.generate(requests, _left(deadline))
                break
            except EngineDied as error:
                LOG.error("%s; %s", error, "answering by fallback" if attempt else "starting another")
                self._restart()
        LOG.error("no engine before the deadline: %d questions are answered by fallback", len(requests))
        return [Completion() for _ in requests]

    @property
    def engine(self) -> EngineLike:
        """The engine that answers now."""
        return self._engine

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _restart(self) -> None:
        self._engine.close(patience=0.0)
        if self.restarts >= self._restarts_allowed:
            self.gave_up = True
            LOG.critical("%d engines have died: every further answer is a fallback", self.restarts + 1)
            return
        self.restarts += 1
        try:
            self._engine = self._start_engine()
        except (UserError, OSError) as error:
            self.gave_up = True
            LOG.critical("no other engine can be started (%s): every further answer is a fallback", error)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
