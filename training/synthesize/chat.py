"""What is sent to a language model and what comes back, whichever way it travels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from shopbench.errors import UserError


class SynthesisError(UserError):
    """A run that cannot start or go on; the message says what, where and the remedy, in one line."""


@dataclass(frozen=True)
class ChatRequest:
    """One request: a chat of a system line and a user message, and how it is to be answered.

    Attributes:
        schema: the JSON schema that the answer must have; None where the answer is no JSON.
        choices: the answer is the number of one of so many options (then `schema` says so too); 0 for a text.
        attempt: 0 for the first try; a further try must not be the same request.
    """

    system: str
    user: str
    schema: dict[str, Any] | None
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    choices: int = 0
    attempt: int = 0

    def key(self, model: str) -> str:
        """SHA-256 of all that the answer depends on: what is once paid for is found again by it."""
        return hashlib.sha256(json.dumps([model, asdict(self)], sort_keys=True).encode()).hexdigest()

    @property
    def messages(self) -> list[dict[str, str]]:
        """The chat in OpenAI's form."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens the prompt has (three bytes each, and the chat's frame): to reserve money by."""
        return len((self.system + self.user).encode("utf-8", "replace")) // 3 + 20


@dataclass(frozen=True)
class Reply:
    """A model's answer: its text, why it ended ("stop", "length", "refused"), and what it cost in tokens."""

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    answer_tokens: int = 0
