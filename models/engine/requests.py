"""What passes between the model and an engine: requests, completions, and the news that an engine has died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.spaces.base import AnswerSpace
from shopbench.errors import UserError


class EngineDied(UserError):
    """The engine's processes ended, hang, or never came up; the message says which."""


@dataclass(frozen=True)
class Request:
    """A prompt (token ids) and the space its answer must come from.

    `adapter` is the folder of a LoRA adapter to answer with, for engines that were started with some `lora_rank`.
    """

    prompt: Sequence[int]
    space: AnswerSpace
    adapter: Path | None = None


@dataclass
class Completion:
    """What was generated for a request.

    Attributes:
        token_ids: the tokens of the answer, without the end token.
        finished: whether that is all; False if the deadline cut it.
    """

    token_ids: list[int] = field(default_factory=list)
    finished: bool = False
