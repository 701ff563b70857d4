"""Whole words, in scripts with and without blanks."""

from __future__ import annotations

import pytest

from shopbench.words import find_whole


@pytest.mark.parametrize(
    ("piece", "text", "found"),
    [
        ("men", "Mens Shirt", None),
        ("men", "Women, men and children", "men"),
        ("Men", "Men's Shirt", None),
        ("Men's", "A Men's Shirt", "Men's"),
        ("18", "Model of 2018", None),
        ("5 oz", "Tea, 1.5 oz", None),
        ("1.5 Oz", "Tea, 1.5 oz (pack of 6)", "1.5 oz"),
        ("55mm", "Lure 55mm 11g", "55mm"),
        ("55", "Lure 55mm 11g", None),
        ("11", "1,100 g", None),
        ("shirt", "T-Shirt.", "Shirt"),
        ("50%", "Cotton 50%, wool", "50%"),
        (" Cap", "Baseball Cap", "Cap"),
        ("Öl", "Ölkanne mit Öl", "Öl"),
        ("cafe", "cafe\u0301 latte", None),
        ("eau", "Bouteille d'eau", "eau"),
        ("印花", "丝网印花工艺", "印花"),
        ("靴", "メンズ靴セット", "靴"),
        ("", "anything", None),
        ("(a", "f(a)", "(a"),
    ],
)
def test_a_piece_is_found_as_whole_words_only(piece: str, text: str, found: str | None) -> None:
    assert find_whole(piece, text) == found
