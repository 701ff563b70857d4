"""What passes between the model and an engine: requests, completions, and the news that an engine has died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.answer_space import AnswerSpace


class EngineDied(RuntimeError):
    """The engine's processes ended, hang, or never came up; the message says which."""


@dataclass(frozen=True)
class Request:
    """A prompt (token ids) and the space its answer must come from."""

    prompt: Sequence[int]
    space: AnswerSpace


@dataclass
class Completion:
    """What was generated for a request: token ids, and whether that is all (False: it was cut by the deadline)."""

    token_ids: list[int] = field(default_factory=list)
    finished: bool = False
