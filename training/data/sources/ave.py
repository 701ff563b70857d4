"""Attribute values of product titles: OA-Mine and AE-110K as ExtractGPT publishes them.

`ave/<oa-mine|ae-110k>/{train,test}.jsonl` (wbsg-uni-mannheim/ExtractGPT): input (a title), category,
target_scores {attribute: {value: 1, ...}}; the value "n/a" says that the title does not tell it. The two name their
attributes apart ("Brand", "Brand Name"), so a category is compared with those of its own set only.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from shopbench.sample import Sample
from shopbench.words import find_whole
from training.data.formats import Dataset, DataTask, Reader, Row, SourceFolder, ToSample
from training.data.options import first_number, multiple_choice, one_line, retrieval, same_key
from training.data.small_files import small_set
from training.data.wordings import choice, entities, request, selection

DATASETS = (
    Dataset("ave", "Apache-2.0", place="GitHub wbsg-uni-mannheim/ExtractGPT: oa-mine and ae-110k, train and test"),
)
LICENCE = DATASETS[0].licence
UNKNOWN = "It cannot be inferred."
NOT_TOLD = "n/a"
GENERAL = frozenset((
    "action", "age", "animal", "applicable", "benefit", "body", "brand", "cap", "certified", "closure", "color",
    "container", "country", "department", "description", "diet", "fabric", "feature", "function", "gender",
    "hardness", "head", "health", "item", "length", "machine", "material", "model", "name", "net", "pack",
    "package", "pattern", "position", "power", "protection", "quantity", "reusability", "scent", "season", "size",
    "skin", "specialty", "specific", "sport", "style", "sub", "supply", "type", "volume", "waterproof", "weight",
))  # fmt: skip
"""First words of attributes that categories may have though they never name them: shirts have a size, whether or not
their titles tell it. No such attribute is asked for among categories, or is a wrong option."""

ENTITIES = (
    "You are a helpful online shop assistant and a linguist. A customer on an online shopping platform has made the "
    "following query. Please extract phrases from the query that correspond to the entity type '{type}'. \nPlease "
    "directly output the entity without repeating the entity type. If there are multiple such entities, separate "
    "them with comma. Do not give explanations. \nQuery: {text}",
    "Extract the entities of the type '{type}' from the search query. Write them as they stand there, with commas "
    "between.\nQuery: {text}",
    "Which phrase of the query is the entity type '{type}'? Extract it without any other word.\nQuery: {text}",
    "Find the entity of the entity type '{type}' in the product title below and copy it.\nTitle: {text}",
)
VALUES = (
    "The product '{text}' appears on e-commerce website. What is the {attribute} of this product?",
    "The product '{text}' is sold online. Which {attribute} does it have?",
    "Judging by the title '{text}', what is the {attribute}?",
)
HAVE_ATTRIBUTE = (
    "Which of the following product categories may have the attribute {attribute}?",
    "Products of which category can be described by the attribute {attribute}?",
    "Select the product category for which the attribute {attribute} makes sense.",
)
ATTRIBUTES_OF = (
    "Which of the following attributes may the product category {category} have?",
    "A shop lists products of the category {category}. Which attribute describes them?",
)
ALIKE = (
    "A user on an online shopping website has just looked at a product '{text}'. Please select 3 products from the "
    "list that the user may also be interested in.",
    "Someone bought '{text}'. Which three of the products below may the same customer also purchase?",
)
TOTALS = (
    "The product '{text}' appears on e-commerce website. What is the total weight of the product?",
    "The product '{text}' is sold online. How much does the whole pack hold?",
    "How many ounces does the buyer of '{text}' get in all?",
)


def titles(sources: SourceFolder) -> Iterator[Row]:
    """Rows as published: input, category, target_scores."""
    yield from small_set(sources, "ave", ["ave/**/*.jsonl"], "input", "category", "target_scores")


def known_values(row: Row) -> list[tuple[str, str]]:
    """(attribute, value) pairs that the title tells."""
    return [
        (attribute, value)
        for attribute, values in sorted(row["target_scores"].items())
        for value in sorted(values)
        if value != NOT_TOLD and find_whole(value, row["input"])
    ]


def value_rows(sources: SourceFolder) -> Iterator[Row]:
    """Titles with "rivals": the values other titles of the category have for each attribute."""
    rows = [row for row in titles(sources) if "_problem" not in row]
    rivals: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for attribute, value in known_values(row):
            rivals[row["category"], attribute].add(value)
    for row in rows:
        near = {name: sorted(rivals[row["category"], name])[:60] for name in row["target_scores"]}
        yield {**row, "rivals": near}


def category_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row an attribute and category that has it: with categories and attributes that do not go together.

    Those are of the same set, and neither of them a general attribute or one that the set names for that category.
    """
    told: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)  # titles of each category, by attribute and set
    named: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # attributes, by set and category
    for row in titles(sources):
        if "_problem" in row:
            continue
        origin = Path(row["_file"]).parent.name
        named[origin][row["category"]] |= {_plain(attribute) for attribute in row["target_scores"]}
        for attribute, _ in known_values(row):
            told[_plain(attribute), origin][row["category"]] += 1
    for attribute, origin in sorted(told):
        names = named[origin]
        telling = {name for name, of in told if of == origin and not is_general(name)}
        without = [] if is_general(attribute) else sorted(other for other in names if attribute not in names[other])
        for category, count in sorted(told[attribute, origin].items()):
            if count >= 2:
                foreign = sorted(telling - names[category])
                yield {"attribute": attribute, "category": category, "without": without, "foreign": foreign}


def _plain(attribute: str) -> str:
    """An attribute's name without its unit.

    >>> _plain("Sleeve Length(cm)")
    'sleeve length'
    """
    return attribute.lower().split("(")[0].strip()


def is_general(attribute: str) -> bool:
    """Whether products of any category may have an attribute (in lower case)."""
    return attribute.partition(" ")[0] in GENERAL


def shelf_rows(sources: SourceFolder) -> Iterator[Row]:
    """A title with "near" titles of its category and "far" ones."""
    rows = [row for row in titles(sources) if "_problem" not in row]
    for place, row in enumerate(rows):
        others = (rows[place:] + rows[:place])[1:120]
        near = [other["input"] for other in others if other["category"] == row["category"]]
        far = [other["input"] for other in others if other["category"] != row["category"]]
        yield {"input": row["input"], "near": near[:6], "far": far[:20]}


def entity(row: Row, rng: random.Random) -> Sample | None:
    """A value to be found in a title, or in one typed as a query is: in lower case. The type of product counts."""
    pairs = known_values(row)
    if find_whole(row["category"], row["input"]):
        pairs += [("product type", row["category"].lower())] * 2
    wording = rng.choice(ENTITIES)
    text = one_line(row["input"])
    if "query" in wording.lower():
        text = " ".join(text.lower().split()[: rng.randint(4, 10)])
    found = [(name, find_whole(value, text)) for name, value in pairs if "," not in value]
    pairs = [(name, value) for name, value in found if value]
    if not pairs:
        return None
    attribute, value = rng.choice(pairs)
    kind = attribute.lower().replace(" name", "").split("(")[0]
    return entities(rng, wording.format(type=kind, text=text), [value])


def value_choice(row: Row, rng: random.Random) -> Sample | None:
    """The value of an attribute among those of like products, or that the title does not tell it (task 5's kind)."""
    attribute = rng.choice(sorted(row["target_scores"]))
    values = [value for name, value in known_values(row) if name == attribute]
    if not values and any(value != NOT_TOLD for value in row["target_scores"][attribute]):
        return None  # the title tells it in other words, or as a part of one
    told = {same_key(value) for value in values}
    rivals = [value for value in row["rivals"].get(attribute, []) if same_key(value) not in told]
    rivals = [value for value in rivals if value.lower() not in row["input"].lower()]
    rng.shuffle(rivals)
    if values:
        shown = multiple_choice(values[0], [UNKNOWN, *rivals[:2]], rng, first=first_number(rng))
    else:
        shown = multiple_choice(UNKNOWN, rivals[:3], rng, first=first_number(rng))
    text = request(rng, row, VALUES, text=one_line(row["input"], 160), attribute=attribute.lower().split("(")[0])
    return choice(rng, text, shown)


def attribute_choice(row: Row, rng: random.Random) -> Sample | None:
    """Which category has an attribute, or which attribute a category has (task 2's kind)."""
    first = first_number(rng)
    if len(row["without"]) >= 3 and rng.random() < 0.75:
        wrong = [category.lower() for category in row["without"]]
        text = request(rng, row, HAVE_ATTRIBUTE, attribute=row["attribute"])
        return choice(rng, text, multiple_choice(row["category"].lower(), wrong, rng, first=first))
    text = request(rng, row, ATTRIBUTES_OF, category=row["category"].lower())
    return choice(rng, text, multiple_choice(row["attribute"], row["foreign"], rng, first=first))


def alike(row: Row, rng: random.Random) -> Sample | None:
    """Three products of the same category among ten or more."""
    if len(row["near"]) < 3:
        return None
    near, far = ([one_line(text, 110) for text in row[name]] for name in ("near", "far"))
    shown = retrieval(rng.sample(near, 3), far, rng, count=rng.choice((8, 10, 12)))
    return selection(rng, request(rng, row, ALIKE, text=one_line(row["input"], 110)), "Product", shown)


_OUNCES = re.compile(r"(\d+(?:\.\d+)?)[ -]?(?:fl\.? ?)?(?:oz|ounces?)\b", re.IGNORECASE)
_PACK = re.compile(r"pack of (\d+)|\b(\d+)[ -](?:pack|count|ct)\b", re.IGNORECASE)


def total(row: Row, rng: random.Random) -> Sample | None:
    """Ounces times packs (task 8's kind): the distractors are the single one, the sum, and a slip of the pen."""
    ounces, pack = _OUNCES.search(row["input"]), _PACK.search(row["input"])
    if not ounces or not pack:
        return None
    each, number = float(ounces[1]), int(pack[1] or pack[2])
    if not 2 <= number <= 48 or not 0 < each < 200:
        return None
    right = each * number
    wrong = [each, each + number, right + each, right - each, right * 10, float(number), round(right * 1.3, 1)]
    options = [f"{value:g} ounces" for value in wrong if f"{value:g}" != f"{right:g}" and value > 0]
    shown = multiple_choice(f"{right:g} ounces", options, rng, first=first_number(rng))
    return choice(rng, request(rng, row, TOTALS, text=one_line(row["input"], 200)), shown)


def title_key(row: Row) -> str:
    """Identity of a row: its title."""
    return same_key(row["input"])


def attribute_key(row: Row) -> str:
    """Identity of an attribute and a category."""
    return f"{row['attribute']}:{row['category']}"


EXAMPLE: Row = {
    "input": "Hillside Breakfast Tea, 16 oz (Pack of 6)",
    "category": "Tea",
    "target_scores": {"Brand": {"Hillside": 1}, "Net content": {"16 oz": 1}, "Scent": {"n/a": 1}},
    "rivals": {
        "Brand": ["Marrow", "Quillon", "Tessaly"],
        "Net content": ["2 lb", "5 oz", "9 g"],
        "Scent": ["mint", "rose", "lime"],
    },
    "near": ["Quillon Green Tea", "Marrow Mint Tea", "Tessaly Black Tea"],
    "far": [
        "Wool Scarf",
        "Desk Lamp",
        "Garden Hose",
        "Bike Bell",
        "Chess Set",
        "Rain Coat",
        "Wall Map",
        "Dog Bed",
        "Drum Sticks",
    ],
}
CATEGORY_EXAMPLE: Row = {
    "attribute": "roast",
    "category": "Coffee",
    "without": ["Tea", "Shoes", "Lure"],
    "foreign": ["spf", "lens", "heel"],
}


def _task(
    name: str,
    rows: Reader,
    build: ToSample,
    domain: str,
) -> DataTask:
    by_category = rows is category_rows
    return DataTask(
        name=name,
        rows=rows,
        to_sample=build,
        example=CATEGORY_EXAMPLE if by_category else EXAMPLE,
        row_id=attribute_key if by_category else title_key,
        licence=LICENCE,
        shareable=True,
        domain=domain,
    )


TASKS = (
    _task("ave_alike", shelf_rows, alike, "behaviour"),
    _task("ave_attribute", category_rows, attribute_choice, "concepts"),
    _task("ave_entity", titles, entity, "concepts"),
    _task("ave_total", titles, total, "knowledge"),
    _task("ave_value", value_rows, value_choice, "concepts"),
)
