"""ESCI tasks that find a query or a brand for a product (Table 7 rows 21, 22, 23, 32).

Wrong queries are those that judge the product S, C or I, then those that the S, C and I products of its own queries
answer exactly; random ones fill up what is left.

Rows 21 to 23 were worded by a language model: `synthetic/wordings.jsonl` may hold its requests for a task (see
`wordings_of_model`), `synthetic/<task>.jsonl` {"id", "wording"} for a product, with the same placeholder as those here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from unicodedata import combining, normalize

from shopbench.sample import Sample
from training.data.formats import DataTask, Reader, Row, SourceFolder, ToSample
from training.data.options import distinct, multiple_choice, one_line, same_key
from training.data.reading import neighbours, with_labels
from training.data.sources.esci import LICENCE, LOCALES, bullet_points, labelled, product_id, product_rows
from training.data.sources.esci_ranking import PRODUCT_EXAMPLE
from training.data.wordings import choice, request

TEXT_CHARACTERS = 600

QUERY_OF_DESCRIPTION = (
    "Product description: {text}\nWhich of the following queries would most likely lead a shopper to this product?",
    "Read the description of a product and select the search query that it matches.\nDescription: {text}",
    "A product is described as follows.\n{text}\nWhat did the customer who wanted it search for?",
)
QUERY_OF_FEATURES = (
    "Product features: {text}\nWhich user query fits a product with these features best?",
    "Given the features of a product, select the query that it answers.\nFeatures: {text}",
    "Someone bought a product with these features.\n{text}\nWhich of the queries had they typed?",
)
QUERY_OF_TITLE = (
    "The product '{text}' appears on an e-commerce website. Which of the following queries is it the best answer to?",
    "Select the user query that matches the product title.\nProduct Title: {text}",
    "Which search would make '{text}' the right result?",
)
BRANDS = (
    "The product '{title}' appears on an e-commerce website. Which brand is it of?",
    "Which of the following brands makes this product?\nProduct Title: {title}",
    "Select the brand of the product with the title '{title}'.",
)


def product_and_others(task: str, locales: tuple[str, ...] = LOCALES) -> Reader:
    """A reader of products with queries and brands of others of their locale, and this task's labels."""

    def rows(sources: SourceFolder) -> Iterator[Row]:
        products = neighbours(product_rows(sources, locales), "others", _exact_query, _locale)
        products = neighbours(products, "other_brands", lambda row: row["brand"], _locale)
        return with_labels(sources, task, products, product_id)

    return rows


def _exact_query(row: Row) -> str:
    return str(labelled(row, "E")[0]["query"])


def _locale(row: Row) -> str:
    return str(row["locale"])


def _which_query(row: Row, rng: random.Random, wordings: tuple[str, ...], text: str) -> Sample | None:
    """One of the product's E queries among queries it fails, then queries of what is near it, then random ones."""
    right = rng.choice(labelled(row, "E"))["query"]
    judged = {one["query"] for one in row["queries"]}
    failed = [one["query"] for one in labelled(row, "SCI")]
    said = set(same_key(f"{text} {row['title']} {right}").split())
    # Nobody judged the near ones: one that the product's texts say in full may well fit.
    near = [query for query in row["near"] if not set(same_key(query).split()) <= said]
    groups = (failed, near, [query for query in row["others"] if query not in judged])
    wrong = distinct((query for group in groups for query in rng.sample(group, len(group))), [right])[:3]
    return choice(rng, request(rng, row, wordings, text=text), multiple_choice(right, wrong, rng))


def query_of_description(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 21: the query that matches a description."""
    text = one_line(row["description"], TEXT_CHARACTERS)
    if len(text) < 40:
        return None
    return _which_query(row, rng, QUERY_OF_DESCRIPTION, text)


def query_of_features(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 22: the query that matches a list of features."""
    points = bullet_points(row)[:5]
    if len(points) < 2:
        return None
    return _which_query(row, rng, QUERY_OF_FEATURES, "; ".join(points))


def query_of_title(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 23: the query that matches a title."""
    return _which_query(row, rng, QUERY_OF_TITLE, one_line(row["title"], 300))


def brand_of_title(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 32: the brand of a title that names it, among brands of other products that it does not name."""
    brand = one_line(row["brand"], 60)
    if not brand or not _names(row["title"], brand):
        return None
    others = [one_line(other, 60) for other in row["other_brands"]]
    wrong = [other for other in others if not _names(row["title"], other)]
    asked = request(rng, row, BRANDS, title=one_line(row["title"], 300))
    return choice(rng, asked, multiple_choice(brand, wrong, rng))


def _names(title: str, brand: str) -> bool:
    """Whether a title holds a brand's words in a row; case, accents and punctuation do not count."""
    return bool(_plain(brand).strip()) and f" {_plain(brand)} " in f" {_plain(title)} "


def _plain(text: str) -> str:
    return same_key("".join(sign for sign in normalize("NFKD", text) if not combining(sign)).replace("'", ""))


EXAMPLE: Row = {**PRODUCT_EXAMPLE, "near": ["glass tea kettle", "teapot warmer", "cast iron teapot"]}


def _task(
    name: str,
    number: int,
    to_sample: ToSample,
    domain: str,
    locales: tuple[str, ...] = LOCALES,
    wordings: tuple[str, ...] = (),
) -> DataTask:
    return DataTask(
        name=name,
        rows=product_and_others(name, locales),
        to_sample=to_sample,
        example=EXAMPLE,
        row_id=product_id,
        group=lambda row: row["title"],
        licence=LICENCE,
        shareable=True,
        domain=domain,
        table7=number,
        limit=10_000,
        wordings=wordings,
    )


TASKS = (
    _task("esci_query_of_description", 21, query_of_description, "behaviour", wordings=QUERY_OF_DESCRIPTION),
    _task("esci_query_of_features", 22, query_of_features, "behaviour", wordings=QUERY_OF_FEATURES),
    _task("esci_query_of_title", 23, query_of_title, "behaviour", wordings=QUERY_OF_TITLE),
    _task("esci_brand_of_title", 32, brand_of_title, "concepts", locales=("us",)),
)
