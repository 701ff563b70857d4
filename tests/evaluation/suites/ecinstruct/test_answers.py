"""How ECInstruct's outputs are read, the model's and the file's."""

from __future__ import annotations

import pytest

from evaluation.suites.ecinstruct.answers import (
    Entry,
    option_letters,
    read_entries,
    read_letter,
    read_order,
    read_yes_no,
)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        (" B\n", "B"),
        ("B: positive", "B"),
        ("B.", "B"),
        ("(C) neutral", "C"),
        ("F", None),
        ("b", None),
        ("A good product", None),  # the published script reads A
        ("Buy it", None),  # and B
        ("", None),
        ("the answer is B", None),
        ("D\nthis fits", "D"),
        ("D \r\nthis fits", "D"),
        ("D\n", "D"),
        ("B, because it fits", "B"),
        ("B：positive", "B"),
        ("A/B", None),
        ("A-line dress", None),
        ("A.B. cables", None),
        ("A's", None),
        ("A & B", None),
    ],
)
def test_letters(text: str, letter: str | None) -> None:
    assert read_letter(text, "ABCDE") == letter


@pytest.mark.parametrize(
    ("text", "answer"),
    [("yes", "yes"), (" No.\n", "no"), ("YES", "yes"), ("yes, it is", None), ("", None), ("maybe", None)],
)
def test_yes_and_no(text: str, answer: str | None) -> None:
    assert read_yes_no(text) == answer


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("B,A,C", ["B", "A", "C"]),
        ("[B, A]", ["B", "A"]),
        ("Product B, Product C", ["B", "C"]),
        ("B,B,A", ["B", "A"]),
        ("B,Z,A", ["B", "A"]),
        ("C,A,B\nA is best", ["C", "A", "B"]),
        ("C,A\nB is best, A comes next, B, C", ["C", "A"]),
        ("\nC,\nA , \nB", ["C", "A", "B"]),
        ("N/A", None),
        ("A/B", None),
        ("none of them", None),
        ("", None),
    ],
)
def test_orders(text: str, order: list[str] | None) -> None:
    assert read_order(text, "ABC") == order


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ('[{"attribute": "Type", "value": "Boot ", "source": "product title"}]', [Entry("type", "boot", "title")]),
        ("[{'attribute': 'type', 'value': 'boot', 'source': 'title'}]", [Entry("type", "boot", "title")]),
        ('{"attribute": "type", "value": "boot"}', [Entry("type", "boot", "")]),
        ('Sure: [{"attribute": "type", "value": null, "source": null}].', [Entry("type", "", "")]),
        ('[{"attribute": "type", "value": "None", "source": "None"}]', [Entry("type", "", "")]),
        ('[{"attribute": "size", "value": 9, "source": "title"}]' * 1, [Entry("size", "9", "title")]),
        ("[]", []),
        ("boot", None),
        ('["boot"]', None),
        ('[{"value": "boot"}]', None),
        ('[{"attribute": "type", "value": "bo', None),
        ("[" * 20_000, None),
        ("{[]: 1}", None),
        ("[" + "9" * 5_000 + "]", None),
    ],
)
def test_values(text: str, entries: list[Entry] | None) -> None:
    assert read_entries(text) == entries


def test_letters_of_the_options() -> None:
    assert option_letters({"options": '["A: x", "B: y", "C: z"]'}, 5) == ("A", "B", "C")
    assert option_letters({"options": "['A. x', 'B. y']"}, 5) == ("A", "B")
    assert option_letters({"options": '["x", "y"]'}, 5) == ("A", "B")
    assert option_letters({"options": None}, 3) == ("A", "B", "C")
