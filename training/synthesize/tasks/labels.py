"""Labels of products and product types (Table 7 rows 1, 4 and 20): what Amazon-M2 and the reviews do not say."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from training.data.formats import Row, SourceFolder
from training.data.options import distinct, one_line, same_key
from training.data.reading import database, said_by_model, stream
from training.data.sources import amazon_m2_concepts
from training.data.sources.amazon_reviews import open_items
from training.synthesize.checks import Rejected, label, no_copy, of_a_kind, words_between
from training.synthesize.tasks.languages import in_language
from training.synthesize.tasks.task import Candidates, CheckQuestion, SynthesisTask

WHICH_PRODUCT = "Which of these products is a(n) <<<{kind}>>>?"
WHICH_ATTRIBUTE = "Which of these products would a shop describe by its <<<{attribute}>>>?"
WHICH_EXPLAINED = "A shop explains a type of product like this: <<<{text}>>>\nWhich of these products is of that type?"
WHICH_TOGETHER = "Someone has just bought a(n) <<<{kind}>>>. Which of these goes together with it best?"


def _titles(row: Row, others: Sequence[Row], rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """A product's title, and those of three other products."""
    own = one_line(row["title"], 120)
    wrong = distinct([other["title"] for other in rng.sample(list(others), min(8, len(others)))], [own], 120)[:3]
    return own, tuple(wrong)


def category(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 1: a category that fits the product and no three others, and those of its attributes that do the same."""
    kind = in_language(label(answer["category"], 4, "category"), "English", "category")
    names = distinct(label(in_language(name, "English", "attribute"), 4, "attribute") for name in answer["attributes"])
    if any(same_key(name) == same_key(kind) for name in names):
        raise Rejected("no plain label", f"attribute and category are the same: {kind}")
    if len(names) < 2:
        raise Rejected("too few", f"attributes: {names}")
    own, wrong = _titles(row, others, rng)

    def joined(kept: list[Row]) -> Row:
        return {"id": row["id"], "category": kind, "attributes": [one["attribute"] for one in kept]}

    rows: list[Row] = [{"attribute": name} for name in names]
    questions = [[CheckQuestion.on(WHICH_ATTRIBUTE, own, wrong, attribute=name)] for name in names]
    return Candidates(rows, questions, joined=joined, needed=[CheckQuestion.on(WHICH_PRODUCT, own, wrong, kind=kind)])


def explanation(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 20: a type and a sentence on it that tells the product from three others and is not its description."""
    kind = in_language(label(answer["product_type"], 4, "product type"), "English", "product type")
    text = words_between(answer["explanation"], 8, 45, "explanation")
    in_language(no_copy(text, f"{row['title']} {row['text']}", "explanation"), "English", "explanation")
    of_a_kind(text, kind, row["title"])
    if same_key(text) == same_key(kind) or not text.endswith((".", "!")):
        raise Rejected("cut off", text)
    own, wrong = _titles(row, others, rng)
    made = {"id": row["id"], "product_type": kind, "explanation": text}
    return Candidates([made], [[CheckQuestion.on(WHICH_EXPLAINED, own, wrong, text=text)]])


def complements(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 4: categories that go with a type, each sooner than three other types."""
    kind = row["type"]
    mine = set(same_key(kind).split())
    names = []
    for name in distinct(answer["complements"]):
        one = in_language(label(name, 4, "complement"), "English", "complement")
        if not set(same_key(one).split()) <= mine:  # "leather golf club" -> "golf club" is the thing itself
            names.append(one)
    if not names:
        raise Rejected("copy of the seed", f"{kind}: {answer['complements']}")
    types = distinct((other["type"] for other in others), [kind, *names])
    rows = [{"complement": name} for name in names]
    questions = [
        [CheckQuestion.on(WHICH_TOGETHER, name, rng.sample(types, min(3, len(types))), kind=kind)] for name in names
    ]

    def joined(kept: list[Row]) -> Row:
        return {"id": row["id"], "complements": [one["complement"] for one in kept]}

    return Candidates(rows, questions, joined=joined)


def complement_types(sources: SourceFolder) -> Iterator[Row]:
    """Product types of the catalogue, and those that a model has named for products and reviews: {"id", "type"}."""
    found: set[str] = set()
    with database() as connection:
        open_items(connection, sources)
        found.update(row["type"] for row in stream(connection, "SELECT DISTINCT type FROM items WHERE type <> ''"))
    for task, field in (
        ("amazon_m2_explain_product", "product_type"),
        ("amazon_m2_category_of_attribute", "category"),
        ("amazon_reviews_snippets", "type"),
        ("amazon_reviews_covered_aspects", "type"),
    ):
        found.update(str(label[field]) for label in said_by_model(sources, task).values() if field in label)
    for kind in sorted(found):
        yield {"id": kind, "type": kind}


def products_with_text(sources: SourceFolder) -> Iterator[Row]:
    """The products that row 20 is built from."""
    return (row for row in amazon_m2_concepts.product_rows(sources) if row["text"])


def _known(row: Row) -> str:
    return json.dumps(row.get("attributes") or {}, ensure_ascii=False)


def _title(row: Row) -> str:
    return str(row["title"])


TASKS = (
    SynthesisTask(
        name="amazon_m2_category_of_attribute",
        kind="label",
        fields=("title",),
        values=lambda row, rng: {"title": one_line(row["title"], 250), "known": _known(row)},
        make=category,
        rows=amazon_m2_concepts.product_rows,
        source=_title,
        text=lambda row: "",
        max_tokens=90,
    ),
    SynthesisTask(
        name="amazon_m2_explain_product",
        kind="label",
        fields=("title", "text"),
        values=lambda row, rng: {"title": one_line(row["title"], 250), "text": one_line(row["text"], 500)},
        make=explanation,
        rows=products_with_text,
        source=_title,
        text=lambda row: str(row["explanation"]),
        max_tokens=110,
    ),
    SynthesisTask(
        name="amazon_reviews_complement",
        kind="label",
        fields=("type",),
        values=lambda row, rng: {"type": one_line(row["type"], 60)},
        make=complements,
        rows=complement_types,
        source=lambda row: str(row["type"]),
        text=lambda row: "",
        max_tokens=60,
    ),
)
