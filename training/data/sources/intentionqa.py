"""IntentionQA (`HKUST-KnowComp/IntentionQA`): why two products are bought together, and what is.

JSON lines under `intentionqa/`: item_a_name, item_b_name, options {letter: reason}, gold_ind (its letter).
EC-Guide's Generation/EBT words the same item pairs anew: both split by the first item.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import Dataset, DataTask, Row, SourceFolder
from training.data.hashes import digest
from training.data.options import first_number, multiple_choice, one_line, same_key
from training.data.small_files import small_set
from training.data.wordings import choice, request

DATASETS = (Dataset("intentionqa", "MIT", place="GitHub HKUST-KnowComp/IntentionQA: QA_fullInfo_task1.jsonl"),)

REASONS = (
    "A customer buys these two products together. What is the most likely reason?\nProduct A: {a}\nProduct B: {b}",
    "Why would someone buy '{a}' and '{b}' at the same time?",
    "Select the intention behind this purchase.\nProduct A: {a}\nProduct B: {b}",
)
PARTNERS = (
    "A user on an online shopping website has just purchased '{a}'. Which of the following products is the user most "
    "likely to buy with it?",
    "Which of these products best complements the product '{a}'?",
    "Someone put '{a}' into the basket. What else is most likely to be bought?",
)


def pairs(sources: SourceFolder) -> Iterator[Row]:
    """The rows, each with "others": second items of other pairs."""
    fields = ("item_a_name", "item_b_name", "options", "gold_ind")
    found = small_set(sources, "intentionqa", ["intentionqa/**/*task1.jsonl"], *fields)
    rows = [row for row in found if "_problem" not in row]
    for place, row in enumerate(rows):
        others = (rows[place:] + rows[:place])[1:8]
        yield {**row, "others": [other["item_b_name"] for other in others]}


def reason(row: Row, rng: random.Random) -> Sample | None:
    """The intention behind a purchase of two products."""
    options = dict(row["options"])
    right = options.pop(row["gold_ind"], None)
    if len(options) != 3:
        return None
    shown = multiple_choice(right, options.values(), rng, first=first_number(rng))
    a, b = (one_line(row[name], 120) for name in ("item_a_name", "item_b_name"))
    return choice(rng, request(rng, row, REASONS, a=a, b=b), shown)


def partner(row: Row, rng: random.Random) -> Sample | None:
    """The product bought with another one, among products bought with something else."""
    shown = multiple_choice(row["item_b_name"], row["others"], rng, first=first_number(rng))
    return choice(rng, request(rng, row, PARTNERS, a=one_line(row["item_a_name"], 150)), shown)


def row_id(row: Row) -> str:
    """Identity of a row: both items and the reason."""
    return digest(row["item_a_name"], row["item_b_name"], row["options"].get(row["gold_ind"]))


def pair_id(row: Row) -> str:
    """Identity of a pair of items."""
    return digest(row["item_a_name"], row["item_b_name"])


def first_item(row: Row) -> str:
    """What splits go by."""
    return same_key(one_line(row["item_a_name"]))


EXAMPLE: Row = {
    "item_a_name": "Brass Kettle",
    "item_b_name": "Green Tea",
    "options": {"A": "both are worn", "B": "both serve to make tea", "C": "both are books", "D": "both are loud"},
    "gold_ind": "B",
    "others": ["Wool Scarf", "Garden Hose", "Desk Lamp"],
}

TASKS = (
    DataTask("intentionqa_partner", pairs, partner, EXAMPLE, pair_id, "MIT", True, "behaviour", group=first_item),
    DataTask("intentionqa_reason", pairs, reason, EXAMPLE, row_id, "MIT", True, "behaviour", group=first_item),
)
