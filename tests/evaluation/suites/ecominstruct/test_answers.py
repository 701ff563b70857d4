"""EcomInstruct's answers: reading, set F1 and ROUGE-L, against values worked out by hand."""

from __future__ import annotations

import pytest

from evaluation.suites.ecominstruct.answers import is_empty, read_answer, rouge, set_scores
from shopbench.ecominstruct import Kind, entities_text

LABELS = ("Attribute", "Brand", "Component", "Product")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Food, Service", ["food", "service"]),
        (" food ,Food.\nService", ["food", "service"]),
        ("['Food', 'Service']", ["food", "service"]),
        ("[broken, list", ["[broken", "list"]),
        ("价格，好, 好。", ["价格，好", "好"]),
        ("", []),
        (" . ", []),
    ],
)
def test_labels_and_spans_are_read_as_a_set(text: str, parts: list[str]) -> None:
    for kind in (Kind.CLASSIFICATION, Kind.SPANS, Kind.QUOTATION):
        assert read_answer(kind, text, LABELS, ", ") == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Brand: Asus, Toshiba\nProduct: None", ["brand: asus", "brand: toshiba"]),
        ("Asus: Brand, mouse: Product", ["brand: asus", "product: mouse"]),
        ("Brand：Asus\nmouse", ["brand: asus", "mouse"]),
        ("Asus, mouse", ["asus", "mouse"]),
        ("Attribute: 3:1 ratio", ["attribute: 3:1 ratio"]),
        ("Brand: Asus, Product: mouse", ["brand: asus", "product: mouse"]),
        ("Brand: Asus\nProduct: \nAttribute:", ["brand: asus"]),
        ("Brand: , Product: mouse", ["product: mouse"]),
        ("none", []),
    ],
)
def test_entities_are_read_with_their_types(text: str, parts: list[str]) -> None:
    assert read_answer(Kind.ENTITIES, text, LABELS, ", ") == parts


def test_a_written_answer_is_read_back() -> None:
    spans = [("mouse", "Product"), ("Asus", "Brand"), ("1,000 rpm", "Attribute"), ("odd", "Elsewhere")]
    text = entities_text(spans, LABELS)
    assert text == "Attribute: 1,000 rpm\nBrand: Asus\nComponent: None\nProduct: mouse"
    parts = read_answer(Kind.ENTITIES, text, LABELS, ", ")
    assert parts == ["attribute: 1", "attribute: 000 rpm", "brand: asus", "product: mouse"]
    assert set_scores([(parts, parts)])["exact"] == 1


@pytest.mark.parametrize("text", ["", " . ", "None", "none.", "无。"])
def test_nothing_may_be_said_where_no_span_is(text: str) -> None:
    for kind in (Kind.SPANS, Kind.QUOTATION, Kind.ENTITIES):
        assert read_answer(kind, text, LABELS, ", ") == []
    assert rouge(text, "") == 1
    assert is_empty(text) == (text in ("", " . "))


def test_none_among_spans_is_one() -> None:
    assert read_answer(Kind.SPANS, "None, Asus", LABELS, ", ") == ["none", "asus"]
    assert read_answer(Kind.CLASSIFICATION, "None", LABELS, ", ") == ["none"]
    assert rouge("Asus", "") == 0


def test_a_title_is_one_part_whatever_is_in_it() -> None:
    assert read_answer(Kind.TEXT, " 红, 鞋. ", (), ", ") == ["红, 鞋."]
    assert read_answer(Kind.TEXT, "  ", (), ", ") == []


def test_set_scores_by_hand() -> None:
    # rows: 2 of 2 given are right, 2 of 4 are found; 0 of 1; nothing given for 1 true one
    pairs = [(["a", "b"], ["a", "b", "c", "d"]), (["x"], ["y"]), ([], ["z"])]
    scores = set_scores(pairs)
    assert scores["micro_precision"] == pytest.approx(2 / 3)
    assert scores["micro_recall"] == pytest.approx(2 / 6)
    assert scores["micro_f1"] == pytest.approx(4 / 9)
    # the rows' precisions are 1, 0, 0 and their recalls 1/2, 0, 0
    assert scores["macro_precision"] == pytest.approx(1 / 3)
    assert scores["macro_recall"] == pytest.approx(1 / 6)
    assert scores["macro_f1"] == pytest.approx(2 * (1 / 18) / (1 / 2))
    assert scores["row_f1"] == pytest.approx((2 / 3) / 3)
    assert scores["exact"] == 0


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    assert set_scores([([], [])])["macro_f1"] == 1
    assert set_scores([([], []), (["a"], [])])["exact"] == 0.5
    assert set_scores([([], ["a"])])["micro_f1"] == 0


def test_letters_of_a_label_are_no_labels() -> None:
    """The published script's F1 of "same" and "aemss" would be 1: it compares their characters."""
    pairs = [(read_answer(Kind.CLASSIFICATION, text, (), ", "), ["same"]) for text in ("aemss", "")]
    assert set_scores(pairs)["micro_f1"] == 0


def test_rouge_is_by_character_in_chinese_and_by_word_elsewhere() -> None:
    # 红色连衣裙 against 红连衣裙子: 4 of 5 and 5 characters in order, so F is 4/5
    assert rouge("红色连衣裙", "红连衣裙子") == pytest.approx(4 / 5)
    # 2021 and Pro are tokens of their own: 新, 2021, 款 of 3 in the answer and 4 in the reference
    assert rouge("新2021款", "新2021款Pro") == pytest.approx(2 * 3 / (3 + 4))
    assert rouge("红 色", "红色") == 1
    assert rouge("", "红色") == 0
    assert rouge("a red dress", "the red dress") == pytest.approx(2 / 3)
    assert rouge("dresses", "dress") == 1
