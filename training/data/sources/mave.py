"""MAVE (`google-research-datasets/MAVE`): attribute values of Amazon products, with where they stand.

The labels are published; its own script joins them with the product texts of Amazon Reviews 2018.
`mave/**/mave_positives.jsonl`, plain or gzipped: id, category, paragraphs [{text, source}], attributes
[{key, evidences [{value, pid, begin, end}]}]. 2.2 million products; a share of them by hash is read.

eCeLLM's Attribute_Value_Extraction is built from the same files (ecinstruct_texts.py).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import Dataset, DataTask, Row, SourceFolder
from training.data.options import one_line
from training.data.small_files import mixed, sampled_lines
from training.data.wordings import entities

DATASETS = (
    Dataset(
        "mave",
        "not stated for the product texts (Amazon Reviews 2018)",
        place="GitHub google-research-datasets/MAVE: run its script on Amazon Review Data 2018 and take "
        "mave_positives.jsonl and mave_negatives.jsonl",
    ),
)
LICENCE = DATASETS[0].licence

QUERIES = (
    "Extract the phrase of the product title that corresponds to the entity type '{key}'. Do not give explanations."
    "\nProduct title: {text}",
    "Which words of the title are the entity type '{key}'? Copy them as they stand.\nTitle: {text}",
    "Find the entities of the type '{key}' in this title and separate them with commas.\nTitle: {text}",
)


def products(sources: SourceFolder) -> Iterator[Row]:
    """Products in hash order."""
    rows: list[Row] = []
    for path, number, line in sampled_lines(sources.need_files("mave", "mave/**/mave_positives.jsonl*")):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        known = row if isinstance(row, dict) else {"_problem": "no JSON object"}
        rows.append({**known, "_file": path, "_place": f"line {number}"})
    yield from mixed(rows)


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
    return entities(rng, text, values)


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
)
