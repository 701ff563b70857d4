"""Labels of products, types and reviews (Table 7 rows 1-4 and 20): what Amazon-M2 and the reviews do not say."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from training.data.aspects import ASPECTS, covered
from training.data.formats import Row, SourceFolder
from training.data.options import distinct, one_line, same_key
from training.data.reading import database, said_by_model, stream
from training.data.sources import amazon_m2_concepts
from training.data.sources.amazon_reviews import open_items, review_rows
from training.synthesize.checks import Rejected, in_language, label, no_copy, of_a_kind, quoted_in, words_between
from training.synthesize.tasks.task import Candidates, CheckQuestion, SynthesisTask

WHICH_PRODUCT = "Which of these products is a(n) <<<{kind}>>>?"
WHICH_ATTRIBUTE = "Which of these products would a shop describe by its <<<{attribute}>>>?"
WHICH_EXPLAINED = "A shop explains a type of product like this: <<<{text}>>>\nWhich of these products is of that type?"
WHICH_TOGETHER = "Someone has just bought a(n) <<<{kind}>>>. Which of these goes together with it best?"
WHICH_SENTIMENT = "A customer wrote about a product: <<<{snippet}>>>\nWhat does that say about its {aspect}?"
WHICH_ASPECT = "Review: <<<{text}>>>\nWhich of these does the review speak of?"
SENTIMENTS = {"positive": "something good", "negative": "something bad"}
SEEN = 900
"""Characters of a review that the model is shown."""


def _titles(row: Row, others: Sequence[Row], rng: random.Random) -> tuple[str, list[str]]:
    """A product's title, and those of three other products."""
    own = one_line(row["title"], 120)
    return own, distinct([other["title"] for other in rng.sample(others, min(8, len(others)))], [own], 120)[:3]


def category(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 1: a category that fits the product and no three others, and those of its attributes that do the same."""
    kind = in_language(label(answer["category"], 4, "category"), "English", "category")
    names = distinct(label(in_language(name, "English", "attribute"), 4, "attribute") for name in answer["attributes"])
    if any(same_key(name) == same_key(kind) for name in names):
        raise Rejected("no plain label", f"attribute and category are the same: {kind}")
    if len(names) < 2:
        raise Rejected("too few", f"attributes: {names}")
    own, wrong = _titles(row, others, rng)
    return Candidates(
        rows=[{"attribute": name} for name in names],
        questions=[[CheckQuestion.on(WHICH_ATTRIBUTE, own, wrong, attribute=name)] for name in names],
        joined=lambda kept: {"id": row["id"], "category": kind, "attributes": [one["attribute"] for one in kept]},
        needed=[CheckQuestion.on(WHICH_PRODUCT, own, wrong, kind=kind)],
    )


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
    said = distinct(answer["complements"])
    names = [in_language(label(name, 4, "complement"), "English", "complement") for name in said]
    # "leather golf club" -> "golf club" is the thing itself
    names = [name for name in names if not set(same_key(name).split()) <= set(same_key(kind).split())]
    if not names:
        raise Rejected("copy of the seed", f"{kind}: {answer['complements']}")
    types = distinct((other["type"] for other in others), [kind, *names])
    most = min(3, len(types))
    return Candidates(
        rows=[{"complement": name} for name in names],
        questions=[[CheckQuestion.on(WHICH_TOGETHER, name, rng.sample(types, most), kind=kind)] for name in names],
        joined=lambda kept: {"id": row["id"], "complements": [one["complement"] for one in kept]},
    )


def snippets(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 2: aspects whose snippets are quoted and, read alone, say the same of the aspect."""
    kind = in_language(label(answer["type"], 3, "type"), "English", "type")
    rows: list[Row] = []
    questions = []
    for one in answer["aspects"]:
        snippet = quoted_in(one["snippet"], one_line(row["text"]), "snippet")
        aspect = label(one["aspect"], 3, "aspect")
        if not 2 <= len(snippet.split()) <= 12:
            raise Rejected("length", f"snippet: {snippet}")
        rows.append({"aspect": aspect, "sentiment": one["sentiment"], "snippet": snippet})
        wrong = [*(text for name, text in SENTIMENTS.items() if name != one["sentiment"]), "nothing at all"]
        right = SENTIMENTS[one["sentiment"]]
        questions.append([CheckQuestion.on(WHICH_SENTIMENT, right, wrong, snippet=snippet, aspect=aspect)])
    if len({row["aspect"] for row in rows}) < len(rows):
        raise Rejected("repeats itself", f"aspects: {[row['aspect'] for row in rows]}")
    return Candidates(rows, questions, joined=lambda kept: {"id": row["id"], "type": kind, "aspects": kept})


def covered_aspects(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 3: three or more aspects that the review speaks of, in words that it says."""
    kind = in_language(label(answer["type"], 3, "type"), "English", "type")
    review = one_line(row["text"], SEEN)
    names = []
    for one in answer["aspects"]:
        quoted_in(one["quote"], review, one["aspect"])
        names.append(in_language(label(one["aspect"], 3, "aspect"), "English", "aspect"))
    if len(set(map(same_key, names))) < len(names):
        raise Rejected("repeats itself", f"aspects: {names}")
    taken = {*map(same_key, names), *covered(review)}
    absent = [one for one in ASPECTS if one not in taken and one not in review.casefold()]
    most = min(3, len(absent))
    return Candidates(
        rows=[{"aspect": name} for name in names],
        questions=[[CheckQuestion.on(WHICH_ASPECT, name, rng.sample(absent, most), text=review)] for name in names],
        least=3,
        joined=lambda kept: {"id": row["id"], "type": kind, "aspects": [one["aspect"] for one in kept]},
    )


def complement_types(sources: SourceFolder) -> Iterator[Row]:
    """Product types of the catalogue, and those that a model has named for products and reviews: {"id", "type"}."""
    with database() as connection:
        open_items(connection, sources)
        found = {row["type"] for row in stream(connection, "SELECT DISTINCT type FROM items WHERE type <> ''")}
    for task, field in (
        ("amazon_m2_explain_product", "product_type"),
        ("amazon_m2_category_of_attribute", "category"),
        ("amazon_reviews_snippets", "type"),
        ("amazon_reviews_covered_aspects", "type"),
    ):
        found.update(str(label[field]) for label in said_by_model(sources, task).values() if field in label)
    for kind in sorted(found):
        yield {"id": kind, "type": kind}


def _reviews(sources: SourceFolder, words: int) -> Iterator[Row]:
    """Reviews that are shown whole and have enough words to hold what is asked for."""
    return (row for row in review_rows(sources) if words <= len(row["text"].split()) and len(row["text"]) <= SEEN)


def _review_values(row: Row, rng: random.Random) -> dict[str, object]:
    return {"department": one_line(row["type"], 40), "text": one_line(row["text"], SEEN)}


TASKS = (
    SynthesisTask(
        name="amazon_m2_category_of_attribute",
        fields=("title",),
        values=lambda row, rng: {
            "title": one_line(row["title"], 250),
            "known": json.dumps(row.get("attributes") or {}, ensure_ascii=False),
        },
        make=category,
        rows=amazon_m2_concepts.product_rows,
        source=lambda row: str(row["title"]),
        max_tokens=90,
    ),
    SynthesisTask(
        name="amazon_m2_explain_product",
        fields=("title", "text"),
        values=lambda row, rng: {"title": one_line(row["title"], 250), "text": one_line(row["text"], 500)},
        make=explanation,
        rows=lambda sources: (row for row in amazon_m2_concepts.product_rows(sources) if row["text"]),
        source=lambda row: str(row["title"]),
        max_tokens=110,
        text="explanation",
    ),
    SynthesisTask(
        name="amazon_reviews_complement",
        fields=("type",),
        values=lambda row, rng: {"type": one_line(row["type"], 60)},
        make=complements,
        rows=complement_types,
        source=lambda row: str(row["type"]),
        max_tokens=60,
    ),
    SynthesisTask(
        name="amazon_reviews_snippets",
        fields=("type", "text"),
        values=_review_values,
        make=snippets,
        rows=lambda sources: _reviews(sources, words=8),
        source=lambda row: str(row["text"]),
        max_tokens=180,
    ),
    SynthesisTask(
        name="amazon_reviews_covered_aspects",
        fields=("type", "text"),
        values=_review_values,
        make=covered_aspects,
        rows=lambda sources: _reviews(sources, words=20),
        source=lambda row: str(row["text"]),
        max_tokens=220,
    ),
)
