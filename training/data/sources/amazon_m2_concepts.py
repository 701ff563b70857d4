"""Amazon-M2 tasks on product types and attributes (Table 7 rows 1 and 20); the schema is in amazon_m2.py.

Amazon-M2 has no categories: the winners had a language model name them. Where `training.synthesize` has done so,
`synthetic/<task>.jsonl` under the sources folder holds, by id "<locale>:<product id>":
  amazon_m2_category_of_attribute: {"id", "category": "mouse pad", "attributes": ["material", ...]}
  amazon_m2_explain_product: {"id", "product_type": "mouse pad", "explanation": "A mouse pad is ..."}
and only those products are used. Without it the columns brand, color, size, material and author give the
attributes, titles stand for categories, and the first sentence of the description for the explanation.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import DataTask, Row, SourceFolder
from training.data.options import multiple_choice, one_line
from training.data.reading import database, labelled_only, neighbours, stream
from training.data.sources.amazon_m2 import LICENCE, open_products
from training.data.wordings import choice, request, written

ATTRIBUTES = ("color", "size", "material", "author", "brand")

CATEGORIES = (
    "Which of the following product categories may have the attribute {attribute}?",
    "Select the product category that can have the attribute {attribute}.",
    "The attribute {attribute} makes sense for only one of these kinds of products. Which one?",
    "For products of which category would a shop list the attribute {attribute}?",
)
PRODUCTS = (
    "Which of the following products has the {attribute} '{value}'?",
    "A customer filters by {attribute} '{value}'. Which of these products would still be shown?",
    "Select the product whose attribute {attribute} is '{value}'.",
)
TYPES = (
    "Explain what a(n) {type} is.\nProduct Title: {title}\nProduct Description: {text}",
    "Here is a product of the type {type}. Tell a customer in a sentence what this type of product is for.\n"
    "Product Title: {title}\nProduct Description: {text}",
    "Instructions: Describe the product type in a sentence.\nInput: {type}, for example '{title}'. {text}",
)
SENTENCES = (
    "Describe the product '{title}' to a customer in a sentence.",
    "Instructions: Tell me in a sentence what this product is about.\nInput: {title}",
    "What would you tell a shopper about the product '{title}'? Answer in a sentence.",
)


def product_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a product of the UK shop, in hash order: {"id", "title", "text", "attributes": {name: value}}."""
    columns = ", ".join(f'"{name}"' for name in ATTRIBUTES)
    with database() as connection:
        open_products(connection, sources)
        found = stream(
            connection,
            f"""SELECT locale || ':' || id AS id, title, "desc" AS text, {columns} FROM products WHERE locale = 'UK'
                ORDER BY md5_number_lower(id), id""",
        )
        for row in found:
            attributes = {name: one_line(row[name], 60) for name in ATTRIBUTES if one_line(row[name])}
            yield {"id": row["id"], "title": row["title"], "text": row["text"], "attributes": attributes}


def attribute_rows(sources: SourceFolder) -> Iterator[Row]:
    """Products with attributes, a language model's or the table's, and some others of the same source."""
    rows = (row for row in product_rows(sources) if row["attributes"])
    labelled = labelled_only(sources, "amazon_m2_category_of_attribute", rows, row_id)
    return neighbours(labelled, "others", _attributes, lambda row: row["label_source"], 12)


def explained_rows(sources: SourceFolder) -> Iterator[Row]:
    """Products with a description, or a language model's explanation of their type."""
    rows = (row for row in product_rows(sources) if row["text"])
    return labelled_only(sources, "amazon_m2_explain_product", rows, row_id)


def _attributes(row: Row) -> Row:
    return {key: row[key] for key in ("title", "attributes", "category") if key in row}


def row_id(row: Row) -> str:
    """Identity of a product row."""
    return str(row["id"])


def category_of_attribute(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 1, ShopBench's task 2: the category that may have an attribute."""
    if "category" in row:
        if not row["attributes"]:
            return None
        attribute = rng.choice(row["attributes"])
        without = [other["category"] for other in row["others"] if attribute not in other["attributes"]]
        asked = request(rng, row, CATEGORIES, attribute=attribute)
        return choice(rng, asked, multiple_choice(row["category"], without, rng))
    attribute, value = rng.choice(sorted(row["attributes"].items()))
    others = [
        other["title"]
        for other in row["others"]
        if value.casefold() not in f"{other['attributes'].get(attribute, '')} {other['title']}".casefold()
    ]
    asked = request(rng, row, PRODUCTS, attribute=attribute, value=value)
    return choice(rng, asked, multiple_choice(row["title"], others, rng))


def explain_product(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 20: explain a product type from a title and a description."""
    title = one_line(row["title"], 250)
    if "explanation" in row:
        asked = request(rng, row, TYPES, type=row["product_type"], title=title, text=one_line(row["text"], 300))
        return written(rng, asked, one_line(row["explanation"], 300), "sent-transformer")
    first = re.split(r"(?<=[.!?])\s", one_line(row["text"], 300))[0]
    if len(first.split()) < 5:
        return None
    return written(rng, request(rng, row, SENTENCES, title=title), first, "sent-transformer")


ATTRIBUTE_EXAMPLE: Row = {
    "id": "UK:Z1",
    "title": "Brindle Wool Blanket 130 x 180 cm",
    "text": "A blanket woven from the wool of mountain sheep, warm even when damp.",
    "attributes": {"color": "dark green", "material": "wool"},
    "label_source": "metadata",
    "others": [
        {"title": "Teapot with Strainer", "attributes": {"color": "silver", "material": "steel"}},
        {"title": "Rain Boots for Kids", "attributes": {"color": "yellow", "material": "rubber"}},
        {"title": "Bicycle Bell", "attributes": {"material": "brass"}},
        {"title": "Wall Clock", "attributes": {"color": "white"}},
    ],
}

TASKS = (
    DataTask(
        name="amazon_m2_category_of_attribute",
        rows=attribute_rows,
        to_sample=category_of_attribute,
        example=ATTRIBUTE_EXAMPLE,
        row_id=row_id,
        licence=LICENCE,
        shareable=True,
        domain="concepts",
        table7=1,
        limit=2_350,
        tags=("llm-labels",),
    ),
    DataTask(
        name="amazon_m2_explain_product",
        rows=explained_rows,
        to_sample=explain_product,
        example=ATTRIBUTE_EXAMPLE,
        row_id=row_id,
        licence=LICENCE,
        shareable=True,
        domain="concepts",
        table7=20,
        limit=10_000,
        tags=("llm-labels",),
    ),
)
