"""The answer space of tasks with several labels: some of a few fixed names, each once, joined by commas.

>>> space = LabelSet(("Food", "Service"))
>>> space.finish("Service, Fo"), space.finish("Food, Food, x"), space.finish("")
('Service, Food', 'Food', 'Food')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.spaces.base import AnswerSpace
from models.spaces.vocabulary import Vocabulary


@dataclass(frozen=True)
class LabelSet(AnswerSpace):
    """One or more of `names`, which are different, not empty, begin with no blank and hold no comma.

    Walked on UTF-8 bytes, as models/spaces/one_of.py does for a single name.
    """

    names: tuple[str, ...]

    @property
    def max_tokens(self) -> int:
        """Bytes of all names and what joins them: a token spells at least one."""
        return len(", ".join(self.names).encode())

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """Tokens that go on spelling a name not yet given; after a whole name also the comma and the end token."""
        spelled = b"".join(vocabulary.spelling.get(number, b"") for number in written)
        *given, current = (part.removeprefix(b" ") for part in spelled.split(b","))
        left = [name for name in map(str.encode, self.names) if name not in given]
        rests = [name[len(current) :] for name in left if name.startswith(current)]
        pieces = dict.fromkeys(rest[:length] for rest in rests for length in range(1, len(rest) + 1))
        if spelled.endswith(b",") or not spelled:
            pieces |= dict.fromkeys([b" " + piece for piece in pieces])
        if b"" in rests and len(left) > 1:
            pieces[b","] = None
        allowed = [number for piece in pieces for number in vocabulary.ids_of.get(piece, ())]
        return [*allowed, vocabulary.end_id] if b"" in rests or not allowed else allowed

    def finish(self, text: str) -> str:
        """The names that were written, each once, the last one perhaps only begun; else the first of all."""
        parts = [part.strip().rstrip("\ufffd") for part in text.split(",")]
        found = [part for part in parts if part in self.names]
        begun = next((name for name in self.names if parts[-1] and name.startswith(parts[-1])), None)
        if parts[-1] not in self.names and begun:
            found.append(begun)
        return ", ".join(dict.fromkeys(found)) or self.names[0]
