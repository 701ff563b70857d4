"""Parquet files shaped as ESCI's, of any size, from nothing: for measuring the build where the dataset is not at hand.

Counts and shares are the published ones (2,621,288 judgments, 130,652 queries, 1,814,924 products; us 69%, es 14%,
jp 17%; labels E 65%, S 22%, C 3%, I 10%; train 77%), text lengths those of the released products. The words are
made up, and the same for the same size.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from shopbench.files import replacing

JUDGMENTS, QUERIES, PRODUCTS = 2_621_288, 130_652, 1_814_924
EXAMPLES_FILE = "shopping_queries_dataset_examples.parquet"
PRODUCTS_FILE = "shopping_queries_dataset_products.parquet"

_SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va", "we"]
_LOCALE = "CASE WHEN {0} % 100 < 69 THEN 'us' WHEN {0} % 100 < 83 THEN 'es' ELSE 'jp' END"


def write_dataset(folder: Path, scale: float = 1.0, memory: str = "2GB") -> Path:
    """Write both tables under `folder`/esci (kept if they are there already) and return `folder`."""
    target = folder / "esci"
    target.mkdir(parents=True, exist_ok=True)
    judgments, queries, products = (max(40, int(count * scale)) for count in (JUDGMENTS, QUERIES, PRODUCTS))
    words = [a + b + end for a in _SYLLABLES for b in _SYLLABLES for end in ("", "n", "r", "la", "to")]
    with duckdb.connect(config={"memory_limit": memory, "temp_directory": str(folder / "duckdb")}) as connection:
        connection.execute("SET VARIABLE words = ?", [words])
        # Squaring a uniform number makes some words frequent and most of them rare, as in real titles.
        connection.execute(
            f"""CREATE MACRO word(seed, i) AS getvariable('words')[
                1 + CAST(floor(pow((hash(seed, i) % 100000) / 100000.0, 2) * {len(words)}) AS INTEGER)]"""
        )
        connection.execute(
            """CREATE MACRO text(seed, n) AS
                array_to_string(list_transform(range(CAST(n AS BIGINT)), lambda i: word(seed, i)), ' ')"""
        )
        _write(
            connection,
            target / PRODUCTS_FILE,
            f"""SELECT printf('B%09d', p) AS product_id, text(p, 12 + hash(p) % 12) AS product_title,
                    CASE WHEN hash(p, 'd') % 100 < 52 THEN text(p + 1e9, 30 + hash(p, 'dn') % 180) END
                        AS product_description,
                    CASE WHEN hash(p, 'b') % 100 < 84 THEN array_to_string(list_transform(range(5),
                        lambda b: text(p * 7 + b + 2e9, 10 + hash(p, b) % 24)), chr(10)) END AS product_bullet_point,
                    CASE WHEN hash(p, 'n') % 100 < 93 THEN upper(word(p % 90000, 'brand')) END AS product_brand,
                    CASE WHEN hash(p, 'c') % 100 < 60 THEN word(p % 50, 'color') END AS product_color,
                    {_LOCALE.format("p")} AS product_locale
                FROM range({products}) t(p)""",
        )
        _write(
            connection,
            target / EXAMPLES_FILE,
            f"""WITH pairs AS (SELECT e, hash(e // {max(1, judgments // queries)}) % {queries} AS q,
                    hash(e, 'product') % {products} AS any_p FROM range({judgments}) t(e)),
                placed AS (SELECT e, q, q % 100 AS place, any_p - any_p % 100 + q % 100 AS p FROM pairs)
                SELECT e AS example_id, text(q + 5e9, 2 + hash(q) % 4) AS query, q AS query_id,
                    printf('B%09d', p) AS product_id, {_LOCALE.format("place")} AS product_locale,
                    CASE WHEN hash(e, 'l') % 100 < 65 THEN 'E' WHEN hash(e, 'l') % 100 < 87 THEN 'S'
                        WHEN hash(e, 'l') % 100 < 90 THEN 'C' ELSE 'I' END AS esci_label,
                    CAST(hash(q, 'small') % 2 AS INTEGER) AS small_version, 1 AS large_version,
                    CASE WHEN hash(q, 'split') % 100 < 77 THEN 'train' ELSE 'test' END AS split
                FROM placed WHERE p < {products}""",
        )
    return folder


def _write(connection: duckdb.DuckDBPyConnection, path: Path, sql: str) -> None:
    if not path.exists():
        with replacing(path, "wb") as file:  # DuckDB writes by name
            connection.execute(f"COPY ({sql}) TO '{file.name}' (FORMAT parquet, COMPRESSION snappy)")
