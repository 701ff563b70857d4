"""The answer space of a multiple-choice question: one option number of one digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.spaces.base import AnswerSpace
from models.spaces.vocabulary import Vocabulary


@dataclass(frozen=True)
class OneDigit(AnswerSpace):
    """One option number of one digit (the evaluator reads only the first character of a multiple-choice answer).

    One token among a fixed few needs no state: vLLM's own `allowed_token_ids` with `max_tokens=1` does it in the
    prefill, with no decode step and no processor.
    """

    options: tuple[int, ...]

    @property
    def max_tokens(self) -> int:
        return 1

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """The tokens that spell an option, with or without a blank before it."""
        spelled = {str(option) for option in self.digits}
        return [number for number, text in vocabulary.number_tokens if text.strip() in spelled]

    def finish(self, text: str) -> str:
        """The digit that was written, else the first option."""
        first = text.strip()[:1]
        return first if first in map(str, self.digits) else str(self.digits[0])

    @property
    def digits(self) -> tuple[int, ...]:
        """The options that one digit can name; all ten where there are none."""
        return tuple(option for option in self.options if 0 <= option <= 9) or tuple(range(10))

    def accepts(self, parsed: Any) -> bool:
        return parsed in self.digits

    @property
    def winners_request(self) -> dict[str, Any]:
        return {"highest": 5}
