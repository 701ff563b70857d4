"""What passes between our process and the engine's, pickled, over one connection.

Ours sends Start once, then Calls, a Cancel where a call's time is over, and None as the last. The engine's answers
with Ready (or Failed, its last), then for each Call a Step after every step that it computed, and Done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.engine.requests import Completion, Request
from models.settings import EngineSettings


@dataclass(frozen=True)
class Start:
    """How the engine is set up; `constraints` as in models.settings.Behaviour."""

    settings: EngineSettings
    constraints: str


@dataclass(frozen=True)
class Call:
    """Requests that are answered together; later calls have higher numbers."""

    number: int
    requests: Sequence[Request]


@dataclass(frozen=True)
class Cancel:
    """The call's time is over; whether it has begun, is done or waits."""

    number: int


@dataclass(frozen=True)
class Ready:
    """The engine can be asked."""


@dataclass(frozen=True)
class Failed:
    """The engine could not start."""

    reason: str


@dataclass(frozen=True)
class Step:
    """A step of a call: how long it took, and what is written by now of the answers that it changed, by their places.

    `phase` is "prefill" while a request waited for its first token, else "decode".
    """

    number: int
    phase: str
    seconds: float
    completions: Mapping[int, Completion]


@dataclass(frozen=True)
class Done:
    """The call is finished, was cancelled, or failed."""

    number: int
    error: str | None = None
