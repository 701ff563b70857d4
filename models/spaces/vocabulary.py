"""What each token of a tokenizer spells, as bytes: the alphabet that answer spaces are built over.

Works for byte-level BPE (GPT-2, Llama 3, Qwen2, SmolLM2: every byte has a printable stand-in, a blank is "Ġ")
and for SentencePiece-style vocabularies (Llama 2, Mistral: a blank is "▁", bytes are "<0x0A>").
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import Any

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Vocabulary:
    """Token ids and the bytes they spell; special tokens spell nothing.

    Attributes:
        spelling: bytes of each token id (special tokens are left out).
        end_id: the token that ends an answer.
    """

    def __init__(self, tokens: dict[str, int], special_ids: set[int], end_id: int) -> None:
        """From a tokenizer's own table (token text as stored -> id)."""
        stand_ins = _byte_stand_ins() if any("Ġ" in token for token in tokens) else None
        self.end_id = end_id
        self._list_tokens: dict[frozenset[str], tuple[tuple[int, str], ...]] = {}
        self.spelling: dict[int, bytes] = {
            number: _spell(token, stand_ins) for token, number in tokens.items() if number not in special_ids
        }

    @classmethod
    def of(cls, tokenizer: Any) -> Vocabulary:
        """The vocabulary of a Hugging Face tokenizer, made once and kept on it."""
        kept = tokenizer.__dict__.get("_shopbench_vocabulary")
        if kept is None:
            special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
            kept = cls(tokenizer.get_vocab(), special, tokenizer.eos_token_id)
            tokenizer.__dict__["_shopbench_vocabulary"] = kept
        return kept

    def text(self, token_ids: list[int] | tuple[int, ...]) -> str:
        """What a list of tokens spells; special tokens are skipped, half characters replaced."""
        return b"".join(self.spelling.get(number, b"") for number in token_ids).decode("utf-8", "replace")

    @cached_property
    def ids_of(self) -> dict[bytes, tuple[int, ...]]:
        """The tokens that spell these bytes (rarely more than one)."""
        found: defaultdict[bytes, tuple[int, ...]] = defaultdict(tuple)
        for number, spelling in self.spelling.items():
            found[spelling] += (number,)
        return dict(found)

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest token."""
        return max(map(len, self.spelling.values()), default=0)

    @cached_property
    def number_tokens(self) -> tuple[tuple[int, str], ...]:
        """(id, text) of every token that can stand in a list of numbers: ASCII digits and commas, one blank before."""
        return self.list_tokens(frozenset("0123456789"))

    def list_tokens(self, characters: frozenset[str]) -> tuple[tuple[int, str], ...]:
        """(id, text) of every token that can stand in a list of names of these characters: them and commas."""
        if characters not in self._list_tokens:
            pattern = re.compile(f" ?[,{''.join(map(re.escape, sorted(characters)))}]+".encode())
            self._list_tokens[characters] = tuple(
                (number, text.decode()) for number, text in self.spelling.items() if pattern.fullmatch(text)
            )
        return self._list_tokens[characters]


def _spell(token: str, stand_ins: dict[str, int] | None) -> bytes:
    if stand_ins is not None:
        # A token with a character that is no stand-in was added as plain text.
        known = all(character in stand_ins for character in token)
        return bytes(stand_ins[character] for character in token) if known else token.encode()
    if match := _BYTE_TOKEN.fullmatch(token):
        return bytes([int(match[1], 16)])
    return token.replace("▁", " ").encode("utf-8", "replace")


def _byte_stand_ins() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte: Latin-1's own where it prints, else from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {chr(byte): byte for byte in printable}
    hidden = [byte for byte in range(256) if byte not in set(printable)]
    return table | {chr(0x100 + position): byte for position, byte in enumerate(hidden)}
