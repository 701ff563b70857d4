"""Data of a data set's shape: written whole, the same for the same size, and read by what the data set is for."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb

from benchmarks.data_build import EXAMPLES_FILE, PRODUCTS_FILE, write_dataset
from benchmarks.m2_shaped import COLUMNS, WORDS, write_products
from shopbench.files import file_hash


def test_made_up_products_of_esci_s_shape_become_products_of_amazon_m2_s(tmp_path: Path) -> None:
    first, second = (write_dataset(tmp_path / name, 0.0002) / "esci" for name in ("first", "second"))
    names = {EXAMPLES_FILE, PRODUCTS_FILE}
    assert {path.name for path in first.iterdir()} == {path.name for path in second.iterdir()} == names
    with duckdb.connect() as connection:
        for name, count in ((EXAMPLES_FILE, 524), (PRODUCTS_FILE, 362)):
            tables = [connection.execute(f"SELECT * FROM '{folder / name}'").fetchall() for folder in (first, second)]
            assert tables[0] == tables[1]
            assert 0.6 * count < len(tables[0]) <= count
    before = file_hash(first / PRODUCTS_FILE)
    write_dataset(tmp_path / "first", 0.0002)
    assert file_hash(first / PRODUCTS_FILE) == before, "what is there is kept"

    output = tmp_path / "amazon_m2" / "products_train.csv"
    count = write_products(tmp_path / "first", output)
    with open(output, encoding="utf-8", newline="") as file:
        products = list(csv.DictReader(file))
    assert len(products) == count > 50
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    assert {tuple(product) for product in products} == {COLUMNS}
    assert {product["locale"] for product in products} == {"UK"}
    assert min(len(product["desc"].split()) for product in products) >= WORDS
