"""MAVE (`google-research-datasets/MAVE`): attribute values of Amazon products, with where they stand.

Its annotations are free to use with attribution (the data card names the terms of Amazon Reviews 2018 for the texts):
not passed on here. JSON lines, plain or gzipped, under `mave/`, positives and negatives joined with the product texts
as the repository's own script does: id, category, paragraphs [{text, source}], attributes [{key, evidences
[{value, pid, begin, end}]}]; an attribute without evidences (negatives) is one the texts do not tell.

Source of ECInstruct's Attribute_Value_Extraction (paper 001, appendix A.1.1).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import DataTask, Row
from training.data.options import one_line
from training.data.reading import need_files
from training.data.small_files import json_rows
from training.data.wordings import entities

LICENCE = "not stated for the product texts (Amazon Reviews 2018)"
HELD_OUT = frozenset({"Type", "Material", "Pattern", "Brand", "Style", "Size", "Color"})
"""How many attributes the paper holds out is known (7), which is not: these, for tests out of domain."""

QUERIES = (
    "Extract the phrase of the product title that corresponds to the entity type '{key}'. Do not give explanations."
    "\nProduct title: {text}",
    "Which words of the title are the entity type '{key}'? Copy them as they stand.\nTitle: {text}",
    "Find the entities of the type '{key}' in this title and separate them with commas.\nTitle: {text}",
)
EXTRACT = (
    "Given the title, description, feature, price, and brand of a product and a set of target attributes, extract the "
    "value of each target attribute from the product information. Output the extracted value and the corresponding "
    "source (e.g., title or feature) denoting where the value is extracted.",
    "Find the values of the target attributes in the product's texts and name the text each value comes from.",
    "Extract the value of the target attribute from the given product information and output it along with the "
    "corresponding source.",
)


def products(sources: Path) -> Iterator[Row]:
    """Products in the files' order, which is that of their ids: unrelated to what they are."""
    yield from json_rows(need_files(sources, "mave", "mave/**/*.jsonl", "mave/**/*.jsonl.gz"), "id", "attributes")


def in_source(row: Row, source: str) -> str:
    """The texts of a product from one source ("title", "description", "feature", "brand", "price")."""
    return " ".join(one_line(part["text"], 400) for part in row["paragraphs"] if part["source"] == source)


def title_entity(row: Row, rng: random.Random) -> Sample | None:
    """An attribute whose values stand in the title (Table 7's AVE-as-NER form)."""
    title = in_source(row, "title")
    found = [
        (attribute["key"], value)
        for attribute in row["attributes"]
        if (value := list(dict.fromkeys(e["value"] for e in attribute.get("evidences", []) if e["value"] in title)))
    ]
    if not found:
        return None
    key, values = rng.choice(found)
    text = rng.choice(QUERIES).format(key=key.lower(), text=title)
    return entities("mave_title_entity", rng, text, values)


def value_extraction(row: Row, rng: random.Random) -> Sample | None:
    """ECInstruct's AVE: a JSON list of attribute, value and source; None for what the texts do not tell."""
    allowed = [attribute for attribute in row["attributes"] if attribute["key"] not in HELD_OUT]
    if not allowed or not in_source(row, "title"):
        return None
    attribute = rng.choice(allowed)
    fields = {f"product {source}": in_source(row, source) for source in ("title", "description", "feature", "brand")}
    given = {name: text for name, text in fields.items() if text} | {"target attributes": attribute["key"]}
    evidences = attribute.get("evidences") or []
    values = {
        (evidence["value"], f"product {row['paragraphs'][evidence['pid']]['source']}") for evidence in evidences
    } or {("None", "None")}
    answer = [{"attribute": attribute["key"], "value": value, "source": source} for value, source in sorted(values)]
    question = f"{rng.choice(EXTRACT)}\nInput: {json.dumps(given, ensure_ascii=False)}"
    text = json.dumps(answer, ensure_ascii=False)
    return Sample(question, text, "mave_value_extraction", TaskType.GENERATION, "rougel", False)


def product_id(row: Row) -> str:
    """Identity of a product."""
    return str(row["id"])


EXAMPLE: Row = {
    "id": "X1",
    "category": "Kettles",
    "paragraphs": [
        {"text": "Hillside whistling kettle, brass", "source": "title"},
        {"text": "Boils two litres.", "source": "description"},
    ],
    "attributes": [
        {"key": "Metal", "evidences": [{"value": "brass", "pid": 0, "begin": 27, "end": 32}]},
        {"key": "Kettle Type", "evidences": [{"value": "whistling", "pid": 0, "begin": 9, "end": 18}]},
        {"key": "Wattage", "evidences": []},
    ],
}

TASKS = (
    DataTask(
        "mave_title_entity", products, title_entity, EXAMPLE, product_id, LICENCE, False, "concepts", limit=10_000
    ),
    DataTask(
        "mave_value_extraction",
        products,
        value_extraction,
        EXAMPLE,
        product_id,
        LICENCE,
        False,
        "concepts",
        tags=("ecinstruct_source",),
        limit=10_000,
    ),
)
