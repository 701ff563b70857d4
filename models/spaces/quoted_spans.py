"""The answer space of entities: pieces quoted from the question's own text, separated by commas.

The space is strict: nothing but quotations can be written. Measured on 160 rows of EC-Guide's NER (micro F1):

    | weights               | strict | the winners' bias (+1.0 on the prompt's tokens) | free |
    | SmolLM2-135M-Instruct | .061   | .000                                            | .000 |
    | the same, fine-tuned  | .303   | .272                                            | .281 |

Matching is done on UTF-8 bytes, so tokens that hold half a character (Japanese in byte-level BPE) take part.
Pieces begin and end at word boundaries, hold no comma (the evaluator would read two entities) and no line end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models.spaces.base import AnswerSpace
from models.spaces.vocabulary import Vocabulary
from shopbench.words import is_boundary

_STOPS = frozenset(b",\n\r")
_LONGEST_TOKEN = 32
"""Bytes of the longest token that is looked for: longer ones in a vocabulary are runs of blanks or rules."""


@dataclass(frozen=True)
class QuotedSpans(AnswerSpace):
    """One or more pieces of `source`, each once, at most `limit` tokens.

    The end token may only come after a whole word, and must come when a piece is repeated.
    """

    source: str
    limit: int

    @property
    def max_tokens(self) -> int:
        return self.limit

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """Tokens that go on quoting; at a word's end also the comma and the end token."""
        spelled = b"".join(vocabulary.spelling.get(number, b"") for number in written)
        *earlier, current = spelled.split(b",")
        piece = current.removeprefix(b" ")
        text = _read(self.source)
        positions = text.after(piece)
        if not piece:
            return text.first_tokens(vocabulary, with_blank=current == b"") or (vocabulary.end_id,)
        allowed = list(dict.fromkeys(token for at in positions for token in text.tokens_at(vocabulary, at)))
        if any(at in text.ends for at in positions):
            allowed.append(vocabulary.end_id)
            if piece.strip() not in (before.strip() for before in earlier):
                allowed += vocabulary.ids_of.get(b",", ())
        return allowed or (vocabulary.end_id,)

    def finish(self, text: str) -> str:
        """The pieces that were quoted, each once, a cut last one back to a whole word; else the source's last word."""
        pieces = [self._whole(part.strip()) for part in text.split(",")]
        return ", ".join(dict.fromkeys(piece for piece in pieces if piece)) or self._last_word()

    @property
    def winners_request(self) -> dict[str, Any]:
        return {"cite": True}

    def _whole(self, piece: str) -> str:
        source = _read(self.source)
        for length in range(len(piece), 0, -1):
            shorter = piece[:length].encode("utf-8", "replace")
            if any(at in source.ends for at in source.after(shorter)):
                return piece[:length].strip()
        return ""

    def _last_word(self) -> str:
        words = re.findall(r"[^\s,]*\w[^\s,]*", self.source)
        return words[-1] if words else ""


class _Source:
    """A text prepared for quoting: its bytes, and at which of them pieces may begin and end."""

    def __init__(self, text: str) -> None:
        self.data = text.encode("utf-8", "replace")
        text = self.data.decode("utf-8")
        self.starts: list[int] = []
        self.ends: set[int] = set()
        self._first: dict[tuple[int, bool], tuple[int, ...]] = {}
        offset, previous = 0, ""
        for character in [*text, ""]:
            if is_boundary(previous, character):
                if _in_word(previous):
                    self.ends.add(offset)
                if character and not character.isspace() and character != ",":
                    self.starts.append(offset)
            offset, previous = offset + len(character.encode()), character

    def after(self, piece: bytes) -> list[int]:
        """Where the text goes on after `piece`, for every place that it may have been quoted from."""
        return [start + len(piece) for start in self.starts if self.data.startswith(piece, start)]

    def tokens_at(self, vocabulary: Vocabulary, at: int, before: bytes = b"") -> list[int]:
        """The tokens that spell the text from byte `at` on (`before` and it)."""
        found: list[int] = []
        for end in range(at + 1, min(at + _LONGEST_TOKEN, len(self.data)) + 1):
            if self.data[end - 1] in _STOPS:
                break
            found += vocabulary.ids_of.get(before + self.data[at:end], ())
        return found

    def first_tokens(self, vocabulary: Vocabulary, with_blank: bool) -> tuple[int, ...]:
        """The tokens that may begin a piece; the same for every piece, so they are looked up once."""
        key = (id(vocabulary), with_blank)
        if key not in self._first:
            befores = (b"", b" ") if with_blank else (b"",)
            tokens = [t for at in self.starts for before in befores for t in self.tokens_at(vocabulary, at, before)]
            self._first[key] = tuple(dict.fromkeys(tokens))
        return self._first[key]


_read = lru_cache(maxsize=256)(_Source)


def _in_word(character: str) -> bool:
    return bool(character) and not character.isspace() and character != ","
