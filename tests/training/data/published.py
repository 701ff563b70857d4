"""Small files in the published schemas of ESCI, Amazon-M2, Amazon Reviews, MMLU and ECInstruct, with invented rows."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import duckdb

THINGS = ("teapot", "blanket", "bell", "clock", "hose", "kettle", "lamp", "chair", "scarf", "brush")
COLORS = ("red", "green", "blue", "grey", "white", "black")


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    """Rows as a parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.with_suffix(".lines")
    write_lines(lines, rows)
    duckdb.sql(f"COPY (SELECT * FROM read_json('{lines}', format='newline_delimited')) TO '{path}' (FORMAT parquet)")
    lines.unlink()


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Rows as JSON lines, gzipped if the name ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Rows as csv with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def esci(folder: Path, locales: tuple[str, ...] = ("us", "es", "jp")) -> None:
    """Sixty queries a locale; each product is judged for four queries, with every label in turn."""
    products, examples = [], []
    for locale in locales:
        for number in range(60):
            thing, color = THINGS[number % 10], COLORS[number % 6]
            name = f"{color} {thing} {number}"
            products.append(
                {
                    "product_id": f"P{number}",
                    "product_title": f"Brand {number} {color} {thing} number {number} ({locale})",
                    "product_description": f"<p>{name}, the pride of our shop &amp; built to last for many years</p>",
                    "product_bullet_point": "\n".join(
                        f"{part} of {color} {thing} {number}" for part in ("Handle", "Colour", "Weight", "Warranty")
                    ),
                    "product_brand": f"Brand {number}",
                    "product_color": color,
                    "product_locale": locale,
                }
            )
            for shift, label in enumerate("ESCIESIE"):
                examples.append(
                    {
                        "example_id": len(examples),
                        "query": f"{color} {thing} {number}",
                        "query_id": number,
                        "product_id": f"P{(number + 7 * shift) % 60}",
                        "product_locale": locale,
                        "esci_label": label,
                        "small_version": 1,
                        "large_version": 1,
                        "split": "test" if number % 10 == 9 else "train",
                    }
                )
    write_parquet(folder / "esci/shopping_queries_dataset_products.parquet", products)
    write_parquet(folder / "esci/shopping_queries_dataset_examples.parquet", examples)


def amazon_m2(folder: Path) -> None:
    """Forty products in six locales, and sessions of four clicks; one description spans two lines."""
    products, sessions = [], []
    for locale in ("UK", "DE", "JP", "FR", "IT", "ES"):
        for number in range(40):
            products.append(
                {
                    "id": f"B0{number:08d}",
                    "locale": locale,
                    "title": f"{THINGS[number % 10]} {COLORS[number % 6]} model {number} {locale}",
                    "price": "9.99",
                    "brand": f"Brand {number}",
                    "color": COLORS[number % 6],
                    "size": "",
                    "model": "",
                    "material": "wool" if number % 2 else "clay",
                    "author": "",
                    "desc": f'A "fine" {THINGS[number % 10]}, made\nfor {locale}, it is number {number} of the series.',
                }
            )
            clicked = " ".join(f"'B0{(number + step) % 40:08d}'" for step in range(1, 5))
            sessions.append(
                {
                    "prev_items": f"[{clicked}]".replace("' '", "'\n '", 1),
                    "next_item": f"B0{number:08d}",
                    "locale": locale,
                }
            )
    write_csv(folder / "amazon_m2/products_train.csv", products)
    write_csv(folder / "amazon_m2/sessions_train.csv", sessions)


def amazon_reviews(folder: Path) -> None:
    """Reviews and metadata of 2023 (as on the Hub: gzip, parquet) and of 2018 with also_buy."""
    said = (
        *("colour {0} is lovely", "price {0} was fair", "arrived early {0}", "it fits well {0}", "soft as wool {0}"),
        *("smells awful {0}", "broke after {0} days", "far too heavy {0}", "battery died {0}", "sound is tinny {0}"),
    )
    texts = [
        ". ".join(said[(number + 3 * step) % 10].format(number) for step in range(3)) + ". That is all I can say."
        for number in range(120)
    ]
    reviews = [
        {
            "rating": float(number % 5 + 1),
            "title": f"Thoughts of {number}",
            "text": texts[number],
            "images": [],
            "asin": f"A{number % 12}",
            "parent_asin": f"A{number % 12}",
            "user_id": f"U{number // 4}",
            "timestamp": 1_600_000_000_000 + number * 60_000,
            "helpful_vote": number,
            "verified_purchase": True,
        }
        for number in range(120)
    ]
    items = [
        {
            "main_category": "Home",
            "title": f"{COLORS[number % 6]} {THINGS[number % 10]} {number}",
            "features": [f"Number {number} is good for {use}" for use in ("the kitchen", "the garden", "children")],
            "categories": ["Home", THINGS[number % 10]],
            "details": '{"Material": "clay"}',
            "price": "12.50",
            "parent_asin": f"A{number}",
            "bought_together": None,
        }
        for number in range(12)
    ]
    write_lines(folder / "amazon_reviews_2023/All_Beauty.jsonl.gz", reviews)
    write_parquet(folder / "amazon_reviews_2023/raw_meta_All_Beauty/full-00000-of-00001.parquet", items)
    old = [
        {
            "asin": f"C{number}",
            "title": f"Old {THINGS[number % 10]} {number}",
            "category": ["Garden", f"{THINGS[number % 10]}s", "Ships fast. Really."],
            "feature": [f"Number {number} was made for {use}" for use in ("the kitchen", "the garden", "children")],
            "main_cat": "Garden",
            "also_buy": [f"C{(number + step) % 20}" for step in (1, 2, 3)],
            "brand": "Old",
        }
        for number in range(20)
    ]
    write_lines(folder / "amazon_reviews_2018/meta_Garden.json.gz", old)


def everything(folder: Path) -> Path:
    """All of them under one sources folder."""
    esci(folder)
    amazon_m2(folder)
    amazon_reviews(folder)
    return folder
