"""The answer space of generation: any text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.spaces.base import AnswerSpace
from models.spaces.vocabulary import Vocabulary

MOST_REPEATS = 3
"""A text that says the same so many times on end does not stop by itself: the engine ends it there."""


@dataclass(frozen=True)
class FreeText(AnswerSpace):
    """Any text of at most `limit` tokens, ended by the model itself: no constraint, hence no processor."""

    limit: int

    @property
    def max_tokens(self) -> int:
        return self.limit

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        return [*vocabulary.spelling, vocabulary.end_id]

    def finish(self, text: str) -> str:
        return text

    @property
    def is_free(self) -> bool:
        return True

    @property
    def most_repeats(self) -> int:
        return MOST_REPEATS
