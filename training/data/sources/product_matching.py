"""Amazon-Google products (Leipzig benchmark, as Ditto text): are two records one product?

`product_matching/amazon_google/{train,valid}.txt` (megagonlabs/ditto): two records "COL title VAL ... COL
manufacturer VAL ... COL price VAL ..." and a label 0 or 1, separated by tabs. One pair in ten is a match. Ditto's
test split is left to evaluation. Source of ECInstruct's Product_Matching (eCeLLM, appendix A.1.3).
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator

from shopbench.sample import Sample
from shopbench.text_files import text_lines
from training.data.formats import Dataset, DataTask, Row, SourceFolder
from training.data.hashes import digest
from training.data.options import first_number, multiple_choice, one_line, same_key
from training.data.small_files import mixed
from training.data.wordings import choice, request

DATASETS = (
    Dataset(
        "product_matching",
        "CC-BY-4.0",  # Ditto's text form of it: BSD-3-Clause
        place="GitHub megagonlabs/ditto: Amazon-Google train.txt and valid.txt; and the Leipzig benchmark's "
        "Amazon.csv, GoogleProducts.csv and Amzon_GoogleProducts_perfectMapping.csv",
    ),
)
LICENCE = DATASETS[0].licence
_FIELD = re.compile(r"COL (\w+) VAL (.*?)(?=\s*COL \w+ VAL |\s*$)")
SAME = (
    "Two shops list the products below. Do they sell the same product?\nProduct 1: {first}\nProduct 2: {second}",
    "Decide whether both records are about one and the same product.\nProduct 1: {first}\nProduct 2: {second}",
)
WHICH = (
    "Which of the following listings is the same product as '{first}'?",
    "A shop sells '{first}'. Under which title is the same product sold elsewhere?",
)


def pairs(sources: SourceFolder) -> Iterator[Row]:
    """{"first", "second" (title, manufacturer, price), "same"}, mixed, with "near": titles that are no match."""
    found: list[Row] = []
    patterns = ("product_matching/**/train.txt", "product_matching/**/valid.txt")
    for path in sources.need_files("product_matching", *patterns):
        for number, line in text_lines(path):
            at = {"_file": path, "_place": f"line {number}"}
            parts = line.rstrip("\n").split("\t")
            if len(parts) != 3 or parts[2].strip() not in ("0", "1"):
                found.append({"_problem": "not two records and a label", **at})
                continue
            first, second = (dict(_FIELD.findall(part)) for part in parts[:2])
            found.append({"first": first, "second": second, "same": parts[2].strip() == "1", **at})
    unlike: dict[str, list[str]] = defaultdict(list)
    for row in found:
        if "first" in row and not row["same"]:
            unlike[row["first"].get("title", "")].append(row["second"].get("title", ""))
    titles = [row["second"].get("title", "") for row in found if "second" in row]
    for place, row in enumerate(mixed(found)):
        near = unlike[row["first"].get("title", "")][:4] if "first" in row else []
        yield {**row, "near": near, "far": titles[place % len(titles) :][:6]}


def shown(record: dict[str, str]) -> str:
    """A record as one line, without empty fields."""
    extra = [f"{name}: {record[name].strip()}" for name in ("manufacturer", "price") if record.get(name, "").strip()]
    return "; ".join([one_line(record.get("title"), 150), *extra])


def same_product(row: Row, rng: random.Random) -> Sample | None:
    """Yes or no; most of the non-matches are left out, so that both answers are about as frequent."""
    if not row["same"] and rng.random() > 0.12:
        return None
    answer = "yes" if row["same"] else "no"
    options = multiple_choice(answer, ["no" if row["same"] else "yes"], rng, count=2, first=0)
    asked = request(rng, row, SAME, first=shown(row["first"]), second=shown(row["second"]))
    return choice(rng, asked, options)


def which_product(row: Row, rng: random.Random) -> Sample | None:
    """The same product among its near misses."""
    if not row["same"]:
        return None
    title = row["second"].get("title", "")
    options = multiple_choice(title, [*row["near"], *row["far"]][:5], rng, first=first_number(rng))
    return choice(rng, request(rng, row, WHICH, first=row["first"].get("title", "").strip()), options)


def pair_id(row: Row) -> str:
    """Identity of a pair of records."""
    return digest(row["first"], row["second"])


def first_title(row: Row) -> str:
    """What splits go by."""
    return same_key(row["first"].get("title", ""))


EXAMPLE: Row = {
    "first": {"title": "brass kettle 2 l", "manufacturer": "hillside", "price": "29.99"},
    "second": {"title": "hillside kettle, brass, two litres", "manufacturer": "", "price": "31.0"},
    "same": True,
    "near": ["brass candle holder", "steel kettle 1 l"],
    "far": ["photo editor 3.0", "garden planner deluxe"],
}

TASKS = (
    DataTask(
        "product_matching_same", pairs, same_product, EXAMPLE, pair_id, LICENCE, True, "concepts", group=first_title
    ),
    DataTask(
        "product_matching_which", pairs, which_product, EXAMPLE, pair_id, LICENCE, True, "concepts", group=first_title
    ),
)
