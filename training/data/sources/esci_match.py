"""ESCI tasks that find a product for a query or a text, or judge a pair (Table 7 rows 24-27, 29, 33).

The right answer is an E product of the query, the wrong ones are products of the same query judged S, C or I.
Rows 24 to 26 were worded by a language model: `synthetic/wordings.jsonl` may hold its requests for a task (see
`wordings_of_model`), `synthetic/<task>.jsonl` {"id", "wording"} for a query.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from shopbench.sample import Sample
from training.data.formats import DataTask, Reader, Row, SourceFolder, ToSample
from training.data.options import Shown, draw_style, multiple_choice, one_line, retrieval
from training.data.reading import with_labels
from training.data.sources.esci import (
    LICENCE,
    LOCALES,
    bullet_points,
    labelled,
    pair_id,
    pair_rows,
    query_id,
    query_rows,
)
from training.data.sources.esci_query import TEXT_CHARACTERS
from training.data.wordings import choice, request, selection

TITLE_OF_DESCRIPTION = (
    "Which of the following product titles belongs to this description?\nDescription: {text}",
    "Product description: {text}\nSelect the title of the product described.",
    "A shop lost the title of a product. Its description reads:\n{text}\nWhich title is it?",
)
TITLE_OF_FEATURES = (
    "Which of the following product titles goes with these features?\nFeatures: {text}",
    "Product features: {text}\nSelect the title of the product that has them.",
    "These bullet points stand on the page of a product:\n{text}\nWhat is the title of that page?",
)
TITLE_OF_QUERY = (
    "Which product title best answers the user query '{text}'?",
    "User query: {text}\nSelect the title of the product that satisfies the query.",
    'Someone searches an online store for "{text}". Which of the following titles is the result they want?',
)
PRODUCT_OF_QUERY = (
    "A user searches for '{query}'. Pick the product that matches the query.",
    "Which of these products would you show first to a customer who typed '{query}'?",
    "Given the query '{query}', choose the product that meets all of it.",
    "Only one of the following products fits the search keyword '{query}' exactly. Which one?",
)
BULLETS = (
    "The product '{title}' is sold online. Select the 3 bullet points from the list that belong to it.",
    "Product Title: {title}\nChoose the three bullet points that describe this product. The others were taken from "
    "other products.",
    "Which three of the following bullet points stand on the page of the product '{title}'?",
)
RELATIONS = (
    "What is the relation of the product '{title}' to the query '{query}'?",
    "A user typed the query '{query}' and was shown the product '{title}'. Which statement about them is right?",
    "Query: {query}\nProduct: {title}\nWhich of the following describes the relevance of the product best?",
    "Decide how the product relates to the search.\nProduct Title: {title}\nSearch query: {query}",
)
RELATION_OPTIONS = (
    {
        "E": "exact",
        "S": "substitute",
        "C": "complement",
        "I": "irrelevant",
    },
    {
        "E": "The product is exactly what the query asks for.",
        "S": "The product misses something the query asks for, but could be used instead.",
        "C": "The product is not what the query asks for, but goes with it.",
        "I": "The product has nothing to do with the query.",
    },
    {
        "E": "Exact match of the query",
        "S": "Substitute for what was searched",
        "C": "Complement to what was searched",
        "I": "Irrelevant to the query",
    },
)


def match_rows(task: str, locales: tuple[str, ...] = ("us",), texts: bool = False) -> Reader:
    """A reader of queries with an exact match and three other products, and this task's labels."""

    def rows(sources: SourceFolder) -> Iterator[Row]:
        queries = query_rows(sources, [("E", 1), ("SCI", 3)], locales, texts)
        return with_labels(sources, task, queries, query_id)

    return rows


def _which_title(row: Row, right: Row, rng: random.Random, asked: str) -> Sample | None:
    wrong = [product["title"] for product in labelled(row, "SCI")]
    return choice(rng, asked, multiple_choice(right["title"], wrong, rng))


def title_of_description(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 24: the title that belongs to a description."""
    described = [one for one in labelled(row, "E") if len(one_line(one["description"])) >= 60]
    if not described:
        return None
    right = rng.choice(described)
    asked = request(rng, row, TITLE_OF_DESCRIPTION, text=one_line(right["description"], TEXT_CHARACTERS))
    return _which_title(row, right, rng, asked)


def title_of_features(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 25: the title that goes with a list of features."""
    featured = [one for one in labelled(row, "E") if len(bullet_points(one)) >= 2]
    if not featured:
        return None
    right = rng.choice(featured)
    asked = request(rng, row, TITLE_OF_FEATURES, text="; ".join(bullet_points(right)[:5]))
    return _which_title(row, right, rng, asked)


def title_of_query(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 26: the product title for a query."""
    right = rng.choice(labelled(row, "E"))
    asked = request(rng, row, TITLE_OF_QUERY, text=one_line(row["query"]))
    return _which_title(row, right, rng, asked)


def product_of_query(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 29: the product to match a query."""
    right = rng.choice(labelled(row, "E"))
    asked = request(rng, row, PRODUCT_OF_QUERY, query=one_line(row["query"]))
    return _which_title(row, right, rng, asked)


def bullets_of_product(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 27: three bullet points of a product among those of other products of the same query."""
    points = {one["id"]: bullet_points(one) for one in row["products"]}
    pointed = [one for one in labelled(row, "E") if len(points[one["id"]]) >= 3]
    if not pointed:
        return None
    product = rng.choice(pointed)
    mine = points.pop(product["id"])
    wrong = [point for others in points.values() for point in others if point not in mine]
    return three_bullets(row, product["title"], mine, wrong, rng)


def three_bullets(row: Row, title: str, mine: Sequence[str], wrong: Sequence[str], rng: random.Random) -> Sample | None:
    """Three of a product's bullet points (`mine`, at least three) among `wrong` ones, those of other products."""
    shown = retrieval(rng.sample(mine, 3), wrong, rng, rng.randint(7, 12), least=7)
    asked = request(rng, row, BULLETS, title=one_line(title, 300))
    return selection(rng, asked, "Bullet Point", shown)


def relation(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 33: E, S, C or I of a query and a product; the labels take turns, so none is the safe guess."""
    meanings = rng.choice(RELATION_OPTIONS)
    order = rng.sample(sorted(meanings), len(meanings))
    style = draw_style(rng)
    shown = Shown(style.show([meanings[label] for label in order]), style.first + order.index(row["label"]), style)
    asked = request(rng, row, RELATIONS, title=one_line(row["title"], 300), query=one_line(row["query"]))
    return choice(rng, asked, shown)


def _points(*points: str) -> str:
    return "\n".join(points)


QUERY_EXAMPLE: Row = {
    "locale": "us",
    "query": "camp stove one burner",
    "products": [
        {
            "id": "Y1",
            "label": "E",
            "title": "Ridgeway Single-Burner Camp Stove",
            "description": "A stove for one pot that screws on a gas can. It boils a litre of water in four minutes.",
            "bullets": _points("Boils one litre in four minutes", "Folds to a fist's size", "Lights without matches"),
        },
        {
            "id": "Y2",
            "label": "S",
            "title": "Ridgeway Double-Burner Camp Stove",
            "description": None,
            "bullets": _points("Two burners with separate valves", "Carrying case with shoulder strap"),
        },
        {
            "id": "Y3",
            "label": "C",
            "title": "Gas Can for Camp Stoves, 230 g",
            "description": None,
            "bullets": _points("Propane and butane mixed", "Fits every screw-on burner"),
        },
        {
            "id": "Y4",
            "label": "I",
            "title": "Wood Stove Fan Without Wires",
            "description": None,
            "bullets": _points("Turns by the heat of the oven plate", "Four blades of aluminium"),
        },
    ],
}
PAIR_EXAMPLE: Row = {
    "locale": "us",
    "query": "camp stove one burner",
    "id": "Y3",
    "label": "C",
    "title": "Gas Can for Camp Stoves, 230 g",
}


def _task(
    name: str,
    number: int,
    to_sample: ToSample,
    limit: int = 10_000,
    locales: tuple[str, ...] = ("us",),
    texts: bool = False,
    wordings: tuple[str, ...] = (),
) -> DataTask:
    return DataTask(
        name=name,
        rows=match_rows(name, locales, texts),
        to_sample=to_sample,
        example=QUERY_EXAMPLE,
        row_id=query_id,
        group=lambda row: row["query"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=number,
        limit=limit,
        wordings=wordings,
    )


TASKS = (
    _task(
        "esci_title_of_description",
        24,
        title_of_description,
        locales=LOCALES,
        texts=True,
        wordings=TITLE_OF_DESCRIPTION,
    ),
    _task("esci_title_of_features", 25, title_of_features, locales=LOCALES, texts=True, wordings=TITLE_OF_FEATURES),
    _task("esci_title_of_query", 26, title_of_query, locales=LOCALES, wordings=TITLE_OF_QUERY),
    _task("esci_bullets_of_product", 27, bullets_of_product, texts=True),
    _task("esci_product_of_query", 29, product_of_query, limit=5_435),
    DataTask(
        name="esci_relation",
        rows=pair_rows,
        to_sample=relation,
        example=PAIR_EXAMPLE,
        row_id=pair_id,
        group=lambda row: row["query"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=33,
        limit=10_000,
    ),
)
