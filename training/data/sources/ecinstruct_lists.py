"""ECInstruct rows as entities and lists in ShopBench's form (Table 7 rows 11, 14, 28); schema in ecinstruct.py, which
says too what the two settings of the published file are to these rows: row 11 takes both, the others the first.

Row 11 keeps the attributes that the text does not tell, answered "None" as published: a fifth of the rows, without
which its 19,622 samples could not be had from 20,000 rows. Its wordings ask for that word, whether it is the answer or
not: a model learns to say it where it is asked for, not of itself. (ShopBench asks for what is there: the winners'
decoding forbids the word, and so does ours.)

Row 14 combines lists. The published ones rank two to four products of one query, each of another ESCI label: one of
them is right, the Exact one, or the Substitute where there is no Exact one; the labels themselves are not in the
file, so in the few lists of a Complement and an Irrelevant one (about 1%) it is the Complement. ShopBench's retrieval
wants three numbers. So a question is about three queries, whose other products are the wrong options.

Rows 11 and 14 were worded by a language model: `synthetic/wordings.jsonl` may hold its requests for a task (see
`wordings_of_model`), `synthetic/<task>.jsonl` {"id", "wording"} by row id.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any

from shopbench.sample import Sample
from training.data.formats import DataTask, Row, SourceFolder
from training.data.options import distinct, one_line, ranking, retrieval
from training.data.reading import with_labels
from training.data.sources.ecinstruct import (
    AVE,
    EXAMPLES,
    LICENCE,
    QPR,
    SA,
    copy_of,
    letter_place,
    product_fields,
    read_rows,
    value,
)
from training.data.sources.query_lists import words
from training.data.wordings import entities, ordering, request, selection

SENTIMENT_GAINS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Gains of the five sentiments, very positive to very negative."""
REVIEW_CHARACTERS = 1000
"""A review is cut here: many say last how satisfied their author is, and five of these fit a prompt."""
NO_VALUE = "None"
FIELD_CHARACTERS = 600
"""A product's fields are cut here, unless a value stands further on."""
TURNS = 3
"""How often a review comes at least: 10,000 reviews, 2,000 of each sentiment, are to make 5,000 lists of five."""
TOGETHER = 12
"""Ranking lists that are combined with one another, and with no others: a split keeps them on one side."""

ENTITIES = (
    "Extract from the product's text the phrases that correspond to the entity type '{attribute}'. Give the entity "
    "only, or None if there is none; separate several by commas.\n{text}",
    "Which words name the entity of type '{attribute}'? Copy them from the text, separated by commas if there are "
    "several, without explanations. Output None if the text does not tell.\n{text}",
    "You are a linguist in an online shop. Find the entity '{attribute}' in the text of this product and output "
    "nothing else. Where it is missing, write None.\n{text}",
)
RELEVANT = (
    "Three users search for '{first}', '{second}' and '{third}'. Select the 3 products from the numbered list that are "
    "most relevant, one for each query.",
    "Given the queries '{first}', '{second}', '{third}' and {count} products, choose the three that fit best: one "
    "product for every query.",
    "A shop gets these three searches: '{first}'; '{second}'; '{third}'. Choose 3 products to show, for each search "
    "the one that answers it best.",
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
    """Ranking rows with the query and the products of each list that they may be combined with ("partners").

    "together" is what the lists of a dozen share, in both settings.
    """
    rows = with_labels(sources, "ecinstruct_most_relevant", read_rows(sources, QPR), _id)
    for _, copies in groupby((row for row in rows if _right(row)), copy_of):
        while dozen := list(islice(copies, TOGETHER)):
            for place, row in enumerate(dozen):
                others = dozen[:place] + dozen[place + 1 :]
                yield {**row, "partners": list(map(_list_of, others)), "together": dozen[0]["input"]}


def review_groups(sources: SourceFolder) -> Iterator[Row]:
    """Five reviews a row, one of each sentiment; all come again with other partners, the scarce ones more often."""
    levels: dict[int, list[Row]] = defaultdict(list)
    for row in read_rows(sources, SA):
        place = letter_place(row)
        if place is not None and not row["copy"]:
            levels[place].append({"id": row["id"], "text": row["input"], "level": place})
    if len(levels) < 5:
        return
    for turn in range(TURNS):
        for number in range(max(map(len, levels.values()))):
            places = ((level, (number + turn * level) % len(levels[level])) for level in sorted(levels))
            yield {"reviews": [levels[level][place] for level, place in places]}


def attribute_value(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 11: the values of one attribute as the product's text has them, or None where it has none."""
    given, listed = product_fields(row), value(row["output"])
    if not isinstance(listed, list):
        return None
    found: dict[str, list[str]] = defaultdict(list)
    for one in listed:
        if isinstance(one, dict) and one.get("attribute"):
            found[one_line(one["attribute"])].append(one_line(one.get("value")))
    if not found:
        return None
    attribute = rng.choice(sorted(found))
    values = [said for said in found[attribute] if said not in ("", NO_VALUE)]
    text = "\n".join(
        f"{name.capitalize()}: {_shown(part, values)}"
        for name, part in given.items()
        if name != "target attributes" and one_line(part)
    )
    quoted = [said for said in (_quoted(said, text) for said in values) if said]
    if values and not quoted:
        return None
    asked = request(rng, row, ENTITIES, attribute=attribute, text=text)
    return entities(rng, asked, distinct(quoted, limit=None) or [NO_VALUE])


def _shown(part: Any, values: Sequence[str]) -> str:
    """A field of a product, cut where neither its beginning nor a value is lost."""
    text = one_line(part)
    ends = [found.end() for found in (_place(said, text) for said in values) if found]
    return one_line(text, max([FIELD_CHARACTERS, *ends]))


def _place(said: str, text: str) -> re.Match[str] | None:
    """Where a value stands in a text: as words of its own, else inside a longer one; case does not count."""
    inside = re.escape(said)
    return re.search(rf"(?<!\w){inside}(?!\w)", text, re.IGNORECASE) or re.search(inside, text, re.IGNORECASE)


def _quoted(said: str, text: str) -> str | None:
    """A value as the text writes it; None if it is not there."""
    found = _place(said, text)
    return found[0] if found else None


def _ranked(row: Row) -> list[tuple[str, str]]:
    """(title, ESCI label) of a ranking row's products, best first; the label is empty where the row does not say."""
    listed = product_fields(row, "query", "product list").get("product list", [])
    lettered = dict(str(product).split(": ", 1) for product in listed if ": " in str(product))
    labels = value(row.get("labels"))
    label_of = dict(zip(lettered, labels, strict=False)) if isinstance(labels, list) else {}
    letters = [letter.strip() for letter in row["output"].split(",")]
    return [(one_line(lettered[one]), str(label_of.get(one, ""))) for one in letters if one in lettered]


def _right(row: Row) -> str | None:
    """The product that is right for a row's query; None if there is none, or none to tell it from."""
    ranked = _ranked(row)
    return ranked[0][0] if len(ranked) > 1 and ranked[0][1] in ("", "E", "S") else None


def _list_of(row: Row) -> Row:
    """A ranking row's query, its right product and the wrong ones: those of another label than the right one's."""
    (right, label), *others = _ranked(row)
    wrong = [title for title, other in others if not label or other != label]
    return {"query": one_line(product_fields(row)["query"]), "right": right, "wrong": wrong}


def most_relevant(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 14: the best product of each of three queries, among their others and those of further queries."""
    if not _right(row):
        return None
    chosen: list[Row] = [_list_of(row)]
    further: list[Row] = []
    for other in rng.sample(row["partners"], len(row["partners"])):
        if any(words(other["query"]) & words(one["query"]) for one in chosen):
            continue  # its products might answer this query as well
        (chosen if len(chosen) < 3 else further).append(other)
    if len(chosen) < 3:
        return None
    own = [title for one in chosen for title in one["wrong"]]
    wrong = [*own, *(title for one in further for title in (one["right"], *one["wrong"]))][: max(7, len(own))]
    rng.shuffle(chosen)
    shown = retrieval([one["right"] for one in chosen], wrong, rng, 3 + len(wrong), least=6)
    if shown is None:
        return None
    queries = dict(zip(("first", "second", "third"), (one["query"] for one in chosen), strict=True))
    return selection(rng, request(rng, row, RELEVANT, count=shown.count, **queries), "Product", shown)


def rank_reviews(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 28: rank five reviews from positive to negative."""
    options = [(one_line(review["text"]), SENTIMENT_GAINS[review["level"]]) for review in row["reviews"]]
    shown = ranking(options, rng, limit=REVIEW_CHARACTERS)
    return ordering(rng, request(rng, row, POSITIVE_FIRST, count=5), "Review", shown)


RANK_EXAMPLE: Row = {
    **EXAMPLES[QPR],
    "partners": [
        {"query": "bell for bicycle", "right": "Bicycle Bell, Brass", "wrong": ["Bicycle Lamp"]},
        {"query": "garden hose", "right": "Garden Hose, 15 m", "wrong": ["Hose Connector", "Watering Can"]},
        {"query": "wall clock", "right": "Wall Clock, Oak", "wrong": ["Alarm Clock"]},
        {"query": "oat flour", "right": "Oat Flour, 1 kg", "wrong": ["Rolled Oats"]},
    ],
    "together": "example",
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
        setting=copy_of,
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
        group=lambda row: row["together"],
        setting=copy_of,
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
