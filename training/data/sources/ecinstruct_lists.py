"""ECInstruct rows as entities and lists in ShopBench's form (Table 7 rows 11, 14, 28); schema in ecinstruct.py.

Rows 11 and 14 were worded by a language model: `synthetic/wordings.jsonl` may hold its requests for a task (see
`wordings_of_model`), `synthetic/<task>.jsonl` {"id", "wording"} by row id.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import DataTask, Row, SourceFolder
from training.data.options import one_line, ranking, retrieval, same_key
from training.data.reading import neighbours, with_labels
from training.data.sources.ecinstruct import (
    AVE,
    EXAMPLES,
    LICENCE,
    QPR,
    SA,
    letter_place,
    product_fields,
    read_rows,
    value,
)
from training.data.wordings import entities, ordering, request, selection

SENTIMENT_GAINS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Gains of the five sentiments, very positive to very negative."""

ENTITIES = (
    "Extract from the product's text the phrases that correspond to the entity type '{attribute}'. Give the entity "
    "only; separate several by commas.\n{text}",
    "Which words name the entity of type '{attribute}'? Copy them from the text, separated by commas if there are "
    "several, without explanations.\n{text}",
    "You are a linguist in an online shop. Find the entity '{attribute}' in the text of this product and output "
    "nothing else.\n{text}",
)
RELEVANT = (
    "A user searches for '{query}'. Select the 3 products from the numbered list that are most relevant.",
    "Given the query '{query}' and {count} products, choose the three that fit the query best.",
    "Which three of the following products would you show to a customer who typed '{query}'?",
)
POSITIVE_FIRST = (
    "Rank the {count} product reviews below from the most positive to the most negative.",
    "Sort these reviews by how satisfied their authors are, the most satisfied first.",
    "Given {count} customer reviews, rank them according to their sentiment, from very positive to very negative.",
)


def _id(row: Row) -> str:
    return str(row["id"])


def attribute_rows(sources: SourceFolder) -> Iterator[Row]:
    """Attribute rows with a language model's wordings, where there are some."""
    return with_labels(sources, "ecinstruct_attribute_value", read_rows(sources, AVE), _id)


def rank_rows(sources: SourceFolder) -> Iterator[Row]:
    """Ranking rows with products of other queries ("others")."""
    rows = with_labels(sources, "ecinstruct_most_relevant", read_rows(sources, QPR), _id)
    return neighbours(rows, "others", lambda row: next(iter(_ranked(row)), ""), lambda row: None, 12)


def review_groups(sources: SourceFolder) -> Iterator[Row]:
    """Five reviews a row, one of each sentiment; the scarce ones come again with other partners."""
    levels: dict[int, list[Row]] = defaultdict(list)
    for row in read_rows(sources, SA):
        place = letter_place(row)
        if place is not None:
            levels[place].append({"id": row["id"], "text": row["input"], "level": place})
    if len(levels) < 5:
        return
    for number in range(max(map(len, levels.values()))):
        yield {"reviews": [levels[level][number % len(levels[level])] for level in sorted(levels)]}


def attribute_value(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 11: the values of one attribute that stand in the text shown; None where there are none."""
    given, listed = product_fields(row), value(row["output"])
    if not isinstance(listed, list):
        return None
    text = "\n".join(
        f"{name.capitalize()}: {one_line(part, 600)}"
        for name, part in given.items()
        if name != "target attributes" and one_line(part)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for one in (one for one in listed if isinstance(one, dict)):
        said = one_line(one.get("value"))
        known = [same_key(other) for other in found[str(one.get("attribute"))]]
        if said not in ("", "None") and said.casefold() in text.casefold() and same_key(said) not in known:
            found[str(one.get("attribute"))].append(said)
    present = sorted(attribute for attribute, values in found.items() if values)
    if not present:
        return None
    attribute = rng.choice(present)
    asked = request(rng, row, ENTITIES, attribute=attribute, text=text)
    return entities(rng, asked, found[attribute])


def _ranked(row: Row) -> list[str]:
    """The product titles of a ranking row, best first."""
    listed = product_fields(row, "query", "product list").get("product list", [])
    lettered = dict(str(product).split(": ", 1) for product in listed if ": " in str(product))
    return [lettered[letter.strip()] for letter in row["output"].split(",") if letter.strip() in lettered]


def most_relevant(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 14: the best three (or two) products of a ranked list, among those of other queries."""
    best, rest = _ranked(row)[:3], _ranked(row)[3:]
    if len(best) < 2:
        return None
    wrong = rest + [title for title in row["others"] if title not in best]
    shown = retrieval(best, wrong, rng, 10, least=7)
    if shown is None:
        return None
    asked = request(rng, row, RELEVANT, query=one_line(product_fields(row)["query"]), count=shown.count)
    return selection(rng, asked, "Product", shown)


def rank_reviews(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 28: rank five reviews from positive to negative."""
    options = [(one_line(review["text"]), SENTIMENT_GAINS[review["level"]]) for review in row["reviews"]]
    return ordering(rng, request(rng, row, POSITIVE_FIRST, count=5), "Review", ranking(options, rng))


RANK_EXAMPLE: Row = {
    **EXAMPLES[QPR],
    "others": ["Bicycle Bell", "Garden Hose, 15 m", "Wall Clock", "Oat Flour, 1 kg", "Rain Boots for Kids"],
}
REVIEWS_EXAMPLE: Row = {
    "reviews": [
        {"id": "1", "text": "The best pot I ever had, I love it.", "level": 0},
        {"id": "2", "text": "Good pot, pours well.", "level": 1},
        {"id": "3", "text": "It is a pot, it does what pots do.", "level": 2},
        {"id": "4", "text": "It drips more than I would like.", "level": 3},
        {"id": "5", "text": "Broke on the first day, I want my money back!", "level": 4},
    ]
}

TASKS = (
    DataTask(
        name="ecinstruct_attribute_value",
        rows=attribute_rows,
        to_sample=attribute_value,
        example=EXAMPLES[AVE],
        row_id=_id,
        group=lambda row: row["input"],
        licence=LICENCE,
        shareable=True,
        domain="concepts",
        table7=11,
        limit=19_622,
        wordings=ENTITIES,
    ),
    DataTask(
        name="ecinstruct_most_relevant",
        rows=rank_rows,
        to_sample=most_relevant,
        example=RANK_EXAMPLE,
        row_id=_id,
        group=lambda row: row["input"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=14,
        limit=10_000,
        wordings=RELEVANT,
    ),
    DataTask(
        name="ecinstruct_rank_reviews",
        rows=review_groups,
        to_sample=rank_reviews,
        example=REVIEWS_EXAMPLE,
        row_id=lambda row: ":".join(review["id"] for review in row["reviews"]),
        licence=LICENCE,
        shareable=True,
        domain="concepts",
        table7=28,
        limit=5_000,
    ),
)
