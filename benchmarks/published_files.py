"""Datasets of the winning solution's Table 7 in their published forms, made up, at sizes that fill every row of it.

ESCI comes from benchmarks/data_build.py; here are Amazon-M2, Amazon Reviews 2023, ECInstruct, Alpaca and MMLU. The same
scale gives the same files. Texts are of made-up words, so that no two are near repeats, but where a builder looks for
words (aspects and judgments of reviews), they are real ones.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.data_build import write_dataset
from shopbench.files import replacing, write_json_lines
from training.data.sources.ecinstruct import EXAMPLES, PM

Row = dict[str, Any]
RowMaker = Callable[[random.Random, int], Row]
_SYLLABLES = [start + vowel for start in "bcdfghjklmnprstvw" for vowel in "aeiou"]
ESCI_SCALE = 0.35
"""Share of ESCI's size at which its rows of Table 7 are full."""


def words(rng: random.Random, count: int) -> str:
    """Some made-up words."""
    return " ".join("".join(rng.choices(_SYLLABLES, k=rng.choice((2, 2, 3)))) for _ in range(count))


def _rows(make: RowMaker, count: int, name: str) -> Iterator[Row]:
    for number in range(count):
        yield make(random.Random(f"{name} {number}"), number)


def _parquet(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.with_suffix(".lines")
    write_json_lines(lines, rows)
    duckdb.execute(f"COPY (SELECT * FROM read_json('{lines}', format='newline_delimited')) TO '{path}'")
    lines.unlink()


def _csv(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    remaining = iter(rows)
    first = next(remaining)
    with replacing(path) as file:
        writer = csv.DictWriter(file, first)
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(remaining)


def amazon_m2(folder: Path, scale: float) -> None:
    """Products that are sold in six locales, and sessions."""
    locales, products = ("UK", "DE", "JP", "FR", "IT", "ES"), max(40, int(12_500 * scale))

    def product(rng: random.Random, number: int) -> Row:
        given = {"id": f"B{number // 6:09d}", "locale": locales[number % 6], "title": words(rng, 9), "price": "9.99"}
        given |= {"brand": words(rng, 1), "color": words(rng, 1), "size": "", "model": "", "material": words(rng, 1)}
        return {**given, "author": "", "desc": f"{words(rng, 14).capitalize()}. {words(rng, 20)}."}

    def session(rng: random.Random, number: int) -> Row:
        *clicked, bought = rng.sample(range(products), 5)
        seen = "\n ".join(f"'B{one:09d}'" for one in clicked)
        return {"prev_items": f"[{seen}]", "next_item": f"B{bought:09d}", "locale": locales[number % 6]}

    _csv(folder / "amazon_m2/products_train.csv", _rows(product, 6 * products, "product"))
    _csv(folder / "amazon_m2/sessions_train.csv", _rows(session, max(40, int(12_000 * scale)), "session"))


_SAID = {True: ("love the {}", "great {}", "the {} is excellent"), False: ("bad {}", "the {} is awful", "poor {}")}


def amazon_reviews(folder: Path, scale: float) -> None:
    """Reviews of products, ten each, by people who write seven in a week, and metadata with 4,000 last categories."""
    products, kinds = max(80, int(20_000 * scale)), max(40, int(4_000 * scale))
    aspects = ("quality", "price", "color", "fabric", "smell", "taste", "packaging", "design", "battery", "sound")

    def review(rng: random.Random, number: int) -> Row:
        stars = number % 5 + 1
        named = rng.sample(aspects, 3)
        said = ". ".join(f"{rng.choice(_SAID[stars > 3]).format(one)} {words(rng, 2)}" for one in named)
        return {
            "rating": float(stars),
            "title": rng.choice(("Five Stars", words(rng, 3))),
            "text": f"{said}. {words(rng, 12)}.",
            "asin": f"A{number % products}",
            "parent_asin": f"A{number % products}",
            "user_id": f"U{number // 7}",
            "timestamp": 1_600_000_000_000 + number * 60_000,
            "helpful_vote": number // products * 3 + rng.randrange(3),
            "verified_purchase": True,
        }

    def item(rng: random.Random, number: int) -> Row:
        path = ["Home", words(random.Random(f"kind {number % kinds}"), 2)]
        return {"main_category": "Home", "title": words(rng, 8), "categories": path, "parent_asin": f"A{number}"}

    write_json_lines(_made(folder / "amazon_reviews_2023/Home.jsonl"), _rows(review, 10 * products, "review"))
    write_json_lines(_made(folder / "amazon_reviews_2023/meta_Home.jsonl"), _rows(item, products, "item"))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def ecinstruct(folder: Path, scale: float) -> None:
    """Every task's training samples, as many as are published, in both settings of the published file."""

    def samples() -> Iterator[Row]:
        for task, example in EXAMPLES.items():
            count = max(20, int((2_022 if task == PM else 10_000) * scale))
            for number in range(count):
                made = _ecinstruct_row(random.Random(f"{task} {number}"), example, number)
                for setting in ("IND_Diverse_Instruction", "IND_Single_Instruction"):
                    yield {**made, "setting": setting, "instruction": f"{example['instruction']} ({setting[4:10]})"}

    with replacing(_made(folder / "ecinstruct/ECInstruct.json")) as file:
        file.write("[" + ",\n".join(json.dumps(row) for row in samples()) + "]")


def _ecinstruct_row(rng: random.Random, example: Row, number: int) -> Row:
    """The example with other words in its place: what a builder reads of it keeps its form."""
    row = {key: example[key] for key in example if key != "id"}
    options = json.loads(row["options"]) if row["options"] else None
    if row["task"] == "Attribute_Value_Extraction":
        title, material = words(rng, 6), words(rng, 1)
        given = {"product title": f"{title} {material}", "product description": words(rng, 15)}
        row["input"] = json.dumps({**given, "target attributes": "Material"})
        row["output"] = json.dumps([{"attribute": "Material", "value": material, "source": "product title"}])
    elif row["task"] == "Sequential_Recommendation":
        row["input"] = str([f"{place}: {words(rng, 6)}" for place in ("1st", "2nd", "3rd")])
        row["options"] = json.dumps([f"{letter}: {words(rng, 7)}" for letter in "ABCDEFGHIJKLMNOPQRST"])
    elif row["task"] == "Query_Product_Rank":
        products = [f"{letter}: {words(rng, 8)}" for letter in "ABCDE"]
        row["input"] = json.dumps({"query": words(rng, 3), "product list": products})
        row["output"] = ",".join(rng.sample("ABCDE", 5))
    elif row["input"].startswith("{"):
        row["input"] = json.dumps(_reworded(json.loads(row["input"]), rng))
    else:
        row["input"] = words(rng, 25)
    if options and row["task"] != "Sequential_Recommendation":
        row["output"] = options[number % len(options)]
    elif row["output"] in ("yes", "no"):
        row["output"] = ("yes", "no")[number % 2]
    elif row["task"] == "Answer_Generation":
        row["output"] = words(rng, 8)
    return row


def _reworded(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: _reworded(one, rng) for key, one in value.items()}
    if isinstance(value, list):
        return [_reworded(one, rng) for one in value]
    return words(rng, 7)


def alpaca(folder: Path, scale: float) -> None:
    """Instructions, as many as are published."""

    def row(rng: random.Random, number: int) -> Row:
        return {"instruction": f"Write about {words(rng, 8)}.", "input": "", "output": words(rng, 12)}

    with replacing(_made(folder / "alpaca/alpaca_data_cleaned.json")) as file:
        json.dump(list(_rows(row, max(20, int(51_760 * scale)), "alpaca")), file)


def mmlu(folder: Path, scale: float) -> None:
    """The questions of every split, as many as are published."""
    sizes = {"test": 14_042, "validation": 1_531, "dev": 285, "auxiliary_train": 99_842}

    def row(rng: random.Random, number: int) -> Row:
        choices = [words(rng, 4) for _ in range(4)]
        return {"question": f"{words(rng, 14)}?", "subject": "geography", "choices": choices, "answer": number % 4}

    for split, size in sizes.items():
        made = _rows(row, max(5, int(size * scale)), split)
        _parquet(folder / f"mmlu/all/{split}-00000-of-00001.parquet", made)


def write_all(folder: Path, scale: float = 1.0) -> Path:
    """All of them under `folder` (kept if they are there already), which is returned."""
    marker = folder / "complete"
    if not marker.exists():
        write_dataset(folder, ESCI_SCALE * scale)
        for write in (amazon_m2, amazon_reviews, ecinstruct, alpaca, mmlu):
            write(folder, scale)
        marker.touch()
    return folder
