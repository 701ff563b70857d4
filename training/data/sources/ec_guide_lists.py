"""Questions that EC-Guide's rows give together: products of a category, keyword sets."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import DataTask, Reader, Row, SourceFolder, ToSample
from training.data.options import first_number, multiple_choice, one_line, retrieval, same_key
from training.data.sources import ec_guide
from training.data.wordings import choice, request, selection

ALSO_BOUGHT = (
    "A user on an online shopping website has just purchased a product '{title}'. The following numbered list "
    "contains {count} products. Please select 3 products from the list that the user may also purchase.",
    "Someone bought '{title}'. Which three of the products below is the same customer most likely to buy as well?",
    "A customer's basket holds '{title}'. Choose the 3 products of the list that go best with it.",
)
COMPLEMENTS = (
    "Which of the following product categories best complement the product type {type}?",
    "A shopper has bought a(n) {type}. Which product category is most likely to go with it?",
    "Select the category whose products are used together with the product type {type}.",
)
KEYWORD_SETS = (
    "Given the following product, which of the following keyword sets is most suitable for it?\nProduct Title: {title}",
    "Which set of keywords sums up this product best?\nProduct Title: {title}",
    "A seller looks for keywords for the product '{title}'. Which set fits?",
)


def categorised(sources: SourceFolder) -> Iterator[Row]:
    """Titles with their category path: {"title", "path"} of Generation/CR."""
    for row in ec_guide.read(sources, "Generation/CR"):
        found = re.search(r"['\"](.{5,})['\"]", row.get("input_field", ""))
        path = [part.strip() for part in str(row.get("output_field", "")).split(", ")]
        if found and len(path) >= 3:
            yield {"title": one_line(found[1], 150), "path": path}


def shelf_rows(sources: SourceFolder) -> Iterator[Row]:
    """A title with "near" (titles that share three levels of the path) and "far" (titles of other departments)."""
    rows = list(categorised(sources))
    shelves: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        shelves[tuple(row["path"][:3])].append(row["title"])
    for place, row in enumerate(rows):
        near = [title for title in shelves[tuple(row["path"][:3])] if title != row["title"]]
        others = (rows[place:] + rows[:place])[1:150]
        far = [other["title"] for other in others if other["path"][0] != row["path"][0]]
        if len(near) >= 3:
            yield {"title": row["title"], "near": near[:8], "far": far[:30]}


def sibling_rows(sources: SourceFolder) -> Iterator[Row]:
    """A product type (last level of a path) with "near" types of the same second level and "far" ones."""
    rows = list(categorised(sources))
    siblings: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        siblings[tuple(row["path"][:2])].add(row["path"][-1])
    for place, row in enumerate(rows):
        kind = row["path"][-1]
        words = set(same_key(kind).split())
        near = sorted(t for t in siblings[tuple(row["path"][:2])] if not words & set(same_key(t).split()))
        others = (rows[place:] + rows[:place])[1:40]
        far = [other["path"][-1] for other in others if other["path"][0] != row["path"][0]]
        if near:
            yield {"type": kind.lower(), "near": near, "far": far, "title": row["title"]}


def keyword_rows(sources: SourceFolder) -> Iterator[Row]:
    """A title with its keywords and "others": the keywords of three other products."""
    rows = []
    for row in ec_guide.read(sources, "Generation/PKS"):
        found = re.search(r"Title:\s*(.+)", row.get("input_field", ""))
        if found:
            rows.append({"title": one_line(found[1], 200), "keywords": str(row["output_field"])})
    for place, row in enumerate(rows):
        others = (rows[place:] + rows[:place])[1:7]
        yield {**row, "others": [other["keywords"] for other in others]}


def also_bought(row: Row, rng: random.Random) -> Sample | None:
    """Three products of the same shelf among fifteen: the kind of ShopBench's task 14."""
    if len(row["near"]) < 3:
        return None
    shown = retrieval(rng.sample(row["near"], 3), row["far"], rng, count=rng.choice((8, 10, 12, 15)))
    count = len(shown.text.splitlines()) if shown else 0
    text = request(rng, row, ALSO_BOUGHT, title=row["title"], count=count)
    return selection(rng, text, "Product", shown)


def complement(row: Row, rng: random.Random) -> Sample | None:
    """A category of the same department against three of others: the kind of ShopBench's task 10."""
    lowered = [text.lower() for text in row["far"]]
    shown = multiple_choice(rng.choice(row["near"]).lower(), lowered, rng, first=first_number(rng))
    return choice(rng, request(rng, row, COMPLEMENTS, type=row["type"]), shown)


def keyword_set(row: Row, rng: random.Random) -> Sample | None:
    """A product's keywords among those of others: the kind of ShopBench's task 16, in English and Italian."""
    shown = multiple_choice(row["keywords"], row["others"], rng, first=first_number(rng))
    return choice(rng, request(rng, row, KEYWORD_SETS, title=row["title"]), shown)


def title_key(row: Row) -> str:
    """Identity of a row: its product's title (what splits go by, too)."""
    return same_key(row["title"])


_FAR = [
    "Wool Scarf",
    "Desk Lamp",
    "Garden Hose",
    "Bike Bell",
    "Chess Set",
    "Rain Coat",
    "Wall Map",
    "Dog Bed",
    "Ink Pen",
    "Drum Sticks",
    "Tent Pegs",
    "Car Wax",
]


def _task(name: str, rows: Reader, to_sample: ToSample, example: Row, domain: str) -> DataTask:
    return DataTask(
        name=name,
        rows=rows,
        to_sample=to_sample,
        example=example,
        row_id=title_key,
        licence=ec_guide.LICENCE,
        shareable=True,
        domain=domain,
        group=title_key,
    )


TASKS = (
    _task(
        "ec_guide_also_bought",
        shelf_rows,
        also_bought,
        {"title": "Brass Kettle", "near": ["Tea Pot", "Milk Jug", "Tea Strainer"], "far": _FAR},
        "behaviour",
    ),
    _task(
        "ec_guide_complement",
        sibling_rows,
        complement,
        {"title": "Brass Kettle", "type": "kettle", "near": ["tea pot"], "far": _FAR},
        "knowledge",
    ),
    _task(
        "ec_guide_keywords_of_title",
        keyword_rows,
        keyword_set,
        {"title": "Brass Kettle", "keywords": "kettle, brass", "others": ["hose, garden", "lamp", "map"]},
        "multilingual",
    ),
)
