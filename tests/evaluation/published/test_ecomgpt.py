"""EcomGPT's script: every recorded case, and its peculiarities on rows made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluation.published import BadCase, Published
from evaluation.published.ecomgpt import MACRO, METRICS, MICRO, ROUGE, gold_texts, score
from evaluation.published.replay import replay

LABELS = {"label_sep": ", ", "label_key": "en", "label_set": {"en": ["Brand", "Product"]}}
SCARF = "a red silk scarf by Lorvane"


def test_every_recorded_case_matches(shared: Path) -> None:
    lines = list(replay(shared / "data/conformance/ecomgpt.jsonl"))
    assert len(lines) == 700
    assert [line for line in lines if line.difference] == []


def of_labels(answer: str, *truth: str) -> Published:
    return score("EN-Shop-CLS-topic", "", "", LABELS, [{"sentences": "?", "labels": {"en": list(truth)}}], [answer])


def of_spans(kind: str, answer: str, *truth: str) -> Published:
    row = {"sentences": SCARF, "spans": [{"term": term, "type": ""} for term in truth]}
    return score(f"EN-Shop-{kind}-x", "", "", LABELS, [row], [answer])


def of_entities(answer: str, *truth: tuple[str, str], sentence: str | list[str] = SCARF) -> Published:
    row = {"sentences": sentence, "spans": [{"term": term, "type": kind} for term, kind in truth]}
    return score("EN-Shop-NER-x", "", "", LABELS, [row], [answer])


@pytest.mark.parametrize(
    ("answer", "read", "micro"),
    [
        ("Food, Price", ["Food", "Price"], 1),
        (" Fo.od, Price.\n", ["Food", "Price"], 1),
        ("food, Price", ["food", "Price"], 1 / 2),
        ("Food,Price", ["Food,Price"], 0),
        ("Food, Price。", ["Food", "Price。"], 1 / 2),
        ("Food, Food, Price", ["Food", "Food", "Price"], 1),
        ("", ["error"], 0),
    ],
)
def test_labels(answer: str, read: list[str], micro: float) -> None:
    given = of_labels(answer, "Food", "Price")
    assert (given.parsed, given.metrics[MICRO]) == ([read], pytest.approx(micro))


@pytest.mark.parametrize(
    ("kind", "answer", "read"),
    [
        ("Condition_Extract", " silk, red ", [" silk", "red "]),
        ("Condition_Extract", "丝", ["error"]),
        ("Extract", " silk, red ", ["silk", "red"]),
        ("Extract", "丝", ["丝"]),
        ("Extract", "...", ["error"]),
        ("Extract", "silk.", ["silk."]),
    ],
)
def test_spans(kind: str, answer: str, read: list[str]) -> None:
    assert of_spans(kind, answer, "silk", "red").parsed == [read]


def test_an_empty_answer_is_right_where_no_span_is_to_be_found() -> None:
    assert of_spans("Condition_Extract", "").metrics[MICRO] == 1
    assert of_spans("Condition_Extract", "None").metrics[MICRO] == 0
    given = of_spans("Extract", "")  # there ROUGE meets an empty reference
    assert dict(given.metrics) == dict.fromkeys(METRICS)
    assert given.undefined == "the script ends (the reference holds no sentence)"


def test_texts_are_scored_by_their_characters() -> None:
    row = {"sentences": "?", "spans": [{"term": "aab"}]}
    given = score("ZH-Shop-Generate-title", "", "", LABELS, [row], [" bba "])
    assert (given.parsed, given.metrics[MICRO], given.metrics[ROUGE]) == (["bba"], 1, 0)


def test_macro_f1_is_of_the_rows_means() -> None:
    rows = [{"sentences": "?", "labels": {"en": labels}} for labels in (["a", "b"], ["c"])]
    given = score("EN-Shop-CLS-topic", "", "", LABELS, rows, ["a", "d"])
    assert given.metrics[MICRO] == pytest.approx(2 / 5)
    assert given.metrics[MACRO] == pytest.approx(2 * (1 / 2) * (1 / 4) / (3 / 4))


@pytest.mark.parametrize("answer", [".", "...", " "])
def test_what_ends_the_script_has_no_number(answer: str) -> None:
    assert dict(of_labels(answer, "Food").metrics) == dict.fromkeys(METRICS)


def test_references_of_entities_name_every_type() -> None:
    row = {"spans": [{"term": "scarf", "type": "Product"}, {"term": "silk", "type": "Material"}]}
    assert gold_texts(LABELS, [row, {"spans": []}]) == ["Brand: None\nProduct: scarf", "Brand: None\nProduct: None"]


@pytest.mark.parametrize(
    ("answer", "read", "micro"),
    [
        ("Brand: Lorvane\nProduct: scarf", {"Brand": ["Lorvane"], "Product": ["scarf"]}, 1),
        ("Product: scarf", {"Product": ["scarf"]}, 2 / 3),
        ("Brand: Lorvane, Nimbrel\nProduct: scarf, scarf", {"Brand": ["Lorvane", "Nimbrel"], "Product": ["scarf"]}, 1),
        ("Brand:Lorvane", {"None": ["None"]}, 0),
        ("Brand：Lorvane", {"None": ["None"]}, 0),
        ("brand: Lorvane", {"brand": ["Lorvane"]}, 0),
        ("Brand: ", {"None": ["None"]}, 0),
        ("", {"None": ["None"]}, 0),
        ("Product: silk scarf\nOther: scarf", {"Product": ["silk scarf"], "Other": ["scarf"]}, 0),  # overwritten
        ("Product: scarf\nProduct: silk", {"Product": ["scarf", "silk"]}, 2 / 4),
    ],
)
def test_entities(answer: str, read: dict[str, list[str]], micro: float) -> None:
    given = of_entities(answer, ("Lorvane", "Brand"), ("scarf", "Product"))
    assert (given.parsed, given.metrics[MICRO]) == ([read], pytest.approx(micro))


def test_an_empty_span_tags_every_character_before_the_others() -> None:
    given = of_entities("Product: , silk", ("silk", "Product"), sentence="a silk")
    # two characters and the span itself are given, one of the three is right
    assert given.metrics[MICRO] == pytest.approx(2 / (3 + 1))


def test_no_type_at_all_has_no_macro_f1() -> None:
    given = of_entities("Brand: None\nProduct: None")
    assert (given.metrics[MICRO], given.metrics[MACRO]) == (0, None)
    assert given.metrics[ROUGE] == pytest.approx(1)
    assert given.undefined is not None


def test_spans_that_overlap_are_laid_in_the_order_of_a_set() -> None:
    truth = (("red silk", "Product"), ("silk scarf", "Product"))
    # the longer run is "red " and then "silk scarf", or "red silk scarf" at once
    given = of_entities("Product: silk scarf", *truth)
    assert (given.metrics[MICRO], given.metrics[MACRO]) == (None, None)
    assert given.metrics[ROUGE] is not None
    # the same set, filled the same way, has the same order in every process
    assert of_entities("Product: red silk, silk scarf", *truth).metrics[MICRO] == 1
    # whatever the order, nothing of it is right
    assert of_entities("Product: Lorvane", *truth).metrics[MICRO] == 0


def test_sentences_that_are_lists_of_words_hold_no_span() -> None:
    given = of_entities("Brand: Lorvane", ("Lorvane", "Brand"), sentence=["a", "scarf", "by", "Lorvane"])
    assert (given.metrics[MICRO], given.metrics[MACRO]) == (0, None)


@pytest.mark.parametrize(
    ("task", "row", "says"),
    [
        ("EN-Shop-QA-x", {}, "third part of task 'EN-Shop-QA-x' must be one of CLS"),
        ("shop", {}, "third part of task 'shop'"),
        ("EN-Shop-CLS-x", {"labels": {"zh": ["a"]}}, "labels must hold a list 'en'"),
        ("EN-Shop-Extract-x", {"labels": {"en": ["a"]}}, "spans must be a list of objects with term"),
        ("EN-Shop-NER-x", {"sentences": "a", "spans": [{"term": "a"}]}, "objects with term and type"),
        ("EN-Shop-NER-x", {"spans": []}, "sentences must be text"),
    ],
)
def test_what_is_no_case_is_refused(task: str, row: dict[str, Any], says: str) -> None:
    with pytest.raises(BadCase, match=says):
        score(task, "", "", LABELS, [row], ["a"])


@pytest.mark.parametrize("meta", [{"label_set": 5}, {"label_set": {"en": "A"}}, {"label_key": [1]}, {"label_sep": 1}])
def test_a_description_of_another_form_is_refused(meta: dict[str, Any]) -> None:
    with pytest.raises(BadCase, match=f"meta: {next(iter(meta))} must be"):
        score("EN-Shop-NER-x", "", "", LABELS | meta, [{"sentences": SCARF, "spans": []}], ["Brand: None"])
