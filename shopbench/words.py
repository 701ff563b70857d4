"""Where words begin and end, in scripts with and without blanks, and whether a text holds another as whole words."""

from __future__ import annotations

import re
import unicodedata

_NUMBER_BEFORE = re.compile(r"\d[.,/]$")
_NUMBER_AFTER = re.compile(r"[.,/]\d")
_POSSESSIVE = re.compile(r"['’]s(?!\w)", re.IGNORECASE)


def is_boundary(left: str, right: str) -> bool:
    """Whether a word may begin or end between two characters ("": there is none): not within a word of letters and
    digits, unless its script has no blanks."""
    if not (left.isalnum() and right.isalnum()):
        # Accents and other marks belong to the character before them.
        return not (right and unicodedata.combining(right))
    return _is_unspaced(left) or _is_unspaced(right)


def find_whole(piece: str, text: str) -> str | None:
    """`piece` as it first stands in `text` as whole words, in whatever case; None where it does not.

    >>> find_whole("men", "Mens Shirt for Men"), find_whole("men", "Men's shirt"), find_whole("men", "mens shirt")
    ('Men', None, None)
    >>> find_whole("5 oz", "tea, 1.5 oz"), find_whole("1.5 oz", "Tea, 1.5 OZ"), find_whole("20", "since 2018")
    (None, '1.5 OZ', None)
    """
    piece = piece.strip()
    if not piece:
        return None
    for found in re.finditer(f"(?=({re.escape(piece)}))", text, re.IGNORECASE):
        if _is_whole(text[: found.start(1)], found[1], text[found.end(1) :]):
            return found[1]
    return None


def _is_whole(before: str, piece: str, after: str) -> bool:
    """Whether a piece between two texts is cut from no word or number."""
    if not is_boundary(before[-1:], piece[0]) or not is_boundary(piece[-1], after[:1]):
        return False
    if piece[0].isdigit() and _NUMBER_BEFORE.search(before[-2:]):
        return False
    if piece[-1].isdigit() and _NUMBER_AFTER.match(after):
        return False
    return not (piece[-1].isalpha() and _POSSESSIVE.match(after))


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER"))
