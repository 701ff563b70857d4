"""Real product texts in Amazon-M2's columns, for trying what needs Amazon-M2 where it is not at hand.

    python -m benchmarks.m2_shaped --sources DIR --output OTHER/amazon_m2/products_train.csv

Takes the products of ESCI (us) under DIR that have a description, as products of M2's UK shop. Titles, descriptions,
brands and colours are real; what M2 has and ESCI has not is empty.
"""

from __future__ import annotations

from shopbench.errors import DONE, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.m2_shaped")

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from shopbench.files import replacing
from shopbench.outputs import outputs
from training.data.formats import SourceFolder
from training.data.options import one_line
from training.data.reading import database, stream
from training.data.sources.esci import open_tables

COLUMNS = ("id", "locale", "title", "price", "brand", "color", "size", "model", "material", "author", "desc")
WORDS = 8
"""A shorter description explains nothing."""


def write_products(sources: Path, output: Path) -> int:
    """Write the file; the number of its products."""
    output.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with database() as connection, replacing(output) as file:
        open_tables(connection, SourceFolder(sources))
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for row in stream(
            connection,
            """SELECT product_id AS id, title, brand, description AS text FROM products WHERE locale = 'us'
                QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY title, description) = 1
                ORDER BY product_id""",
        ):
            text = one_line(row["text"] or "")
            if row["title"] and len(text.split()) >= WORDS:
                given = {"id": row["id"], "title": one_line(row["title"]), "brand": row["brand"] or "", "desc": text}
                writer.writerow({**given, "locale": "UK"})
                count += 1
    return count


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.m2_shaped", description="ESCI's products as M2's")
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(argv)
    with outputs(given.output, inputs=[given.sources], make_folders=True):
        print(f"{given.output}: {write_products(given.sources, given.output)} products")
    return DONE
