"""The answer space of option lists: several different numbers (or letters), joined by commas.

>>> space = NumberList((1, 2, 10), count=2)
>>> space.can_follow("1"), space.can_follow("1,1"), space.can_follow("1,10")   # 1 is used, but 10 is not
(True, True, True)
>>> space.can_follow("1,2,"), space.is_complete("1,1"), space.finish("1,1")
(False, False, '1,2')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models.spaces.base import AnswerSpace, are_different, count_to_generate
from models.spaces.vocabulary import Vocabulary


@dataclass(frozen=True)
class NumberList(AnswerSpace):
    """`count` different options, joined by commas: a retrieval answer, or a ranking of them all.

    Options are numbers, or other short ASCII names such as letters (not both).
    A token may follow if what is then written is the beginning of a right answer, so it does not matter how a
    tokenizer cuts numbers ("10" in one token or two, ",1" in one). State is the text, and few texts are possible.
    """

    options: tuple[int, ...] | tuple[str, ...]
    count: int

    @property
    def max_tokens(self) -> int:
        """One for each character of the longest answer, 0 if there is only one answer: the rest is `finish`ed."""
        longest = sorted((len(str(option)) for option in self.options), reverse=True)[: self._wanted]
        return max(sum(longest) + len(longest) - 1, 0)

    @property
    def _wanted(self) -> int:
        return count_to_generate(self.count, len(self.options))

    def can_follow(self, text: str) -> bool:
        """Whether `text` begins a right answer (or is one)."""
        *done, last = text.removeprefix(" ").split(",")
        names = [str(option) for option in self.options]
        left = [name for name in names if name not in done]
        if len(done) >= self._wanted or len(set(done)) != len(done) or not all(name in names for name in done):
            return False
        return not text.endswith(" ") and any(name.startswith(last) for name in left)

    def is_complete(self, text: str) -> bool:
        """Whether nothing is missing from `text`, though a last "1" might still become "10"."""
        return self.can_follow(text) and len(set(self._numbers(text))) == self._wanted

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """Tokens that keep the answer right, the end token where (and only where) it may end."""
        return _next_in_list(vocabulary, self, vocabulary.text(tuple(written)))

    def finish(self, text: str) -> str:
        """The answer with what is missing: the numbers written, then the others in the order shown."""
        numbers = [number for number in dict.fromkeys(self._numbers(text)) if number in self.options]
        rest = [option for option in self.options if option not in numbers]
        return ",".join(map(str, [*numbers, *rest][: self.count]))

    @property
    def characters(self) -> frozenset[str]:
        """What the options are written in."""
        return frozenset("".join(map(str, self.options)))

    def _numbers(self, text: str) -> list[int | str]:
        # No int() on a model's text: it also reads other scripts' digits and "1_0".
        by_name: dict[str, int | str] = {str(option): option for option in self.options}
        return [by_name[part.strip()] for part in text.split(",") if part.strip() in by_name]

    def accepts(self, parsed: Any) -> bool:
        """Whether numbers of the list are named, each once."""
        return isinstance(parsed, list) and are_different(parsed, self.options)

    @property
    def winners_request(self) -> dict[str, Any]:
        """Digits up to 5 for a ranking of the whole list, to 20 for a choice from it."""
        return {"highest": 5 if self.count == len(self.options) else 20}


@lru_cache(maxsize=65536)
def _next_in_list(vocabulary: Vocabulary, space: NumberList, text: str) -> tuple[int, ...]:
    tokens = vocabulary.list_tokens(space.characters)
    following = tuple(number for number, piece in tokens if space.can_follow(text + piece))
    return following + ((vocabulary.end_id,) if space.is_complete(text) or not following else ())
