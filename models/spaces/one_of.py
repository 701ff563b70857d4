"""The answer space of names: one of a few fixed texts, such as letters, yes and no, or the labels of a task.

Walked on UTF-8 bytes, so it does not matter how a tokenizer cuts a label ("是" may be three tokens). Generation
ends where the label is certain: for letters, and for yes and no, that is the first token.

    >>> space = OneOf(("yes", "no"))
    >>> space.max_tokens, space.finish("n"), space.finish("")
    (1, 'no', 'yes')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.spaces.base import AnswerSpace
from models.spaces.vocabulary import Vocabulary


@dataclass(frozen=True)
class OneOf(AnswerSpace):
    """One of `names`, which are different, not empty and begin with no blank."""

    names: tuple[str, ...]

    @property
    def max_tokens(self) -> int:
        """Bytes that tell each name from all others: a token spells at least one. 0 if there is only one name."""
        return max(_telling_bytes(name, self.names) for name in self.names)

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """Tokens that go on spelling a name (the first may begin with a blank); the end token after a whole name."""
        spelled = b"".join(vocabulary.spelling.get(number, b"") for number in written)
        return _next_in_names(vocabulary, self.names, spelled)

    def finish(self, text: str) -> str:
        """The name that was written or begun; of several, the first in the list."""
        begun = text.lstrip().rstrip("\ufffd")  # half a character: what follows the bytes that were needed
        if begun in self.names:
            return begun
        return next((name for name in self.names if begun and name.startswith(begun)), self.names[0])


def _telling_bytes(name: str, names: Sequence[str]) -> int:
    others = [other for other in names if other != name]
    beginnings = (name[:length] for length in range(len(name)))
    telling = (begun for begun in beginnings if not any(other.startswith(begun) for other in others))
    return len(next(telling, name).encode())


@lru_cache(maxsize=65536)
def _next_in_names(vocabulary: Vocabulary, names: tuple[str, ...], spelled: bytes) -> tuple[int, ...]:
    begun = spelled.removeprefix(b" ")
    rests = [name.encode()[len(begun) :] for name in names if name.encode().startswith(begun)]
    pieces = {rest[:length] for rest in rests for length in range(1, len(rest) + 1)}
    if not spelled:
        pieces |= {b" " + piece for piece in pieces}
    following = tuple(number for piece in pieces for number in vocabulary.ids_of.get(piece, ()))
    return following + ((vocabulary.end_id,) if b"" in rests or not following else ())
