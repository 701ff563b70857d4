"""What ECInstruct's outputs say, the model's as well as the file's: letters, yes or no, orders, attribute values.

None is "cannot be read" (#failed in the paper's tables). Reading is a little wider than the published script's: a
yes or a letter may be followed by a full stop, a letter by its option, a list of values may stand in other text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from evaluation.suites.ecinstruct.metrics import Entry
from shopbench.ecinstruct import Fields, value

_LETTER = re.compile(r"\(?([A-Z])(?:\W|$)")
_OPTION = re.compile(r"\s*\(?([A-Z])\s*[:.)]")
_NULLS = frozenset({"", "none", "null", "n/a", "nan"})
_LIST = re.compile(r"\[.*\]|\{.*\}", re.DOTALL)


def option_letters(row: Fields, count: int) -> tuple[str, ...]:
    """The letters of a row's options; the first `count` letters where the row lists none."""
    listed = value(row.get("options"))
    if isinstance(listed, dict):
        return tuple(str(letter) for letter in listed)
    options = [str(option) for option in listed] if isinstance(listed, list) else []
    marks = [_OPTION.match(option) for option in options]
    if marks and all(marks):
        return tuple(mark[1] for mark in marks if mark)
    return tuple(ascii_uppercase[: len(options) or count])


def read_letter(text: str, letters: Sequence[str]) -> str | None:
    """The letter of an option: alone, or before its text ("B", "B.", "(B) positive", "B: positive")."""
    found = _LETTER.match(text.strip())
    if not found or found[1] not in letters:
        return None
    # "A good product" is no answer A: what follows a letter must be a mark or nothing.
    following = text.strip()[found.end(1) :]
    return found[1] if not following or not following[0].isspace() else None


def read_yes_no(text: str) -> str | None:
    """ "yes" or "no"."""
    word = text.strip().rstrip(".").lower()
    return word if word in ("yes", "no") else None


def read_order(text: str, letters: Sequence[str]) -> list[str] | None:
    """Letters by commas, each once (the first time counts); what is no letter of the list is passed over."""
    parts = [part.strip().strip("()[]'\"").removeprefix("Product ") for part in text.split(",")]
    order = [letter for part in parts if (letter := read_letter(part, letters))]
    return list(dict.fromkeys(order)) or None


def read_ranking(text: str) -> list[str] | None:
    """A whole ranking, as the file has it: each of the first letters of the alphabet once."""
    order = read_order(text, ascii_uppercase) or []
    whole = len(order) == text.count(",") + 1 and sorted(order) == list(ascii_uppercase[: len(order)])
    return order if whole else None


def read_entries(text: str) -> list[Entry] | None:
    """The JSON list of attribute, value and source (a Python literal or one object will do), compared as lower case."""
    listed = value(text)
    if isinstance(listed, str) and (inside := _LIST.search(text)):
        listed = value(inside[0])
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        return None
    if not all({"attribute", "value"} <= set(entry) for entry in listed):
        return None
    return list(dict.fromkeys(_entry(entry) for entry in listed))


def _entry(fields: dict[str, Any]) -> Entry:
    attribute, given, source = (_plain(fields.get(name)) for name in ("attribute", "value", "source"))
    # "title" is "product title": the instructions say the one, the outputs the other.
    return Entry(attribute, "", "") if given in _NULLS else Entry(attribute, given, source.removeprefix("product "))


def _plain(field: Any) -> str:
    return "" if field is None else " ".join(str(field).lower().split())
