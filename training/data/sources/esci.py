"""ESCI, the Shopping Queries Dataset (Amazon, KDD Cup 2022): how it is read.

Published as `shopping_queries_dataset_examples.parquet` (example_id, query, query_id, product_id,
product_locale, esci_label E/S/C/I, small_version, large_version, split) and `..._products.parquet`
(product_id, product_title, product_description, product_bullet_point with one bullet a line, product_brand,
product_color, product_locale): 2.6 million judgments of 130,000 queries, 1.8 million products, us/es/jp.
`tasksource/esci` holds both joined, with labels as words and the split in the file's name; JSON-lines slices
of either layout are read too. All lie under `esci/` in the sources folder.

Table 7's tasks use the train split only: ECInstruct's and ESCI's own test sets come from the other one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from training.data.formats import Dataset, Row, SourceFolder
from training.data.options import one_line
from training.data.reading import Connection, database, in_chunks, json_scan, need_columns, quoted

DATASETS = (Dataset("esci", "Apache-2.0", "tasksource/esci", ("data/*.parquet",)),)
LICENCE = DATASETS[0].licence
FIRST_CHUNK, LARGEST_CHUNK = 25_000, 100_000
"""Groups whose product texts are joined at once: a limit of 10,000 samples is met by one pass over the products."""

_PRODUCT_FIELDS = ("product_title", "product_description", "product_bullet_point", "product_brand")
_JUDGED_FIELDS = ("query", "product_id", "product_locale", "esci_label", "small_version", "split")
_SLICE_COLUMNS = dict.fromkeys((*_JUDGED_FIELDS, *_PRODUCT_FIELDS, "product_text"), "VARCHAR")
_TITLE_OF_TEXT = 120  # a slice with all text in one field: its beginning stands for the title


def open_tables(connection: Connection, sources: SourceFolder, split: str = "train") -> None:
    """Make the views `judged` (locale, query, product_id, label, small) and `products` (locale, product_id, texts)."""
    examples = sources.files("esci/**/*examples*.parquet")
    if examples:
        products = sources.need_files("esci", "esci/**/*products*.parquet")
        connection.execute(f"CREATE VIEW raw_judged AS SELECT * FROM read_parquet({quoted(examples)})")
        connection.execute(f"CREATE VIEW raw_products AS SELECT * FROM read_parquet({quoted(products)})")
        need_columns(connection, "raw_judged", examples[0], *_JUDGED_FIELDS)
        need_columns(connection, "raw_products", products[0], "product_id", "product_locale", *_PRODUCT_FIELDS)
        _views(connection, judged="raw_judged", products="raw_products", split=split)
        return
    joined = sources.files(f"esci/**/{split}-*.parquet")
    if joined:
        connection.execute(f"CREATE VIEW joined AS SELECT *, '{split}' AS split FROM read_parquet({quoted(joined)})")
        need_columns(connection, "joined", joined[0], *_JUDGED_FIELDS, *_PRODUCT_FIELDS)
    else:
        # Only slices with product text: a judgment without a title makes no question.
        slices = sources.need_files("esci", "esci/**/labelled*.jsonl", "esci/**/exact*.jsonl")
        connection.execute(
            f"""CREATE TABLE joined AS SELECT * REPLACE (
                    coalesce(product_title, regexp_extract(product_text, '^.{{1,{_TITLE_OF_TEXT}}}(?:\\s|$)'))
                        AS product_title,
                    coalesce(product_locale, 'us') AS product_locale,
                    coalesce(esci_label, CASE WHEN filename LIKE '%exact%' THEN 'E' END) AS esci_label)
                FROM {json_scan(slices, _SLICE_COLUMNS)}"""
        )
    _views(connection, judged="joined", products="joined", split=split)


def _views(connection: Connection, judged: str, products: str, split: str) -> None:
    connection.execute(
        f"""CREATE VIEW judged AS SELECT DISTINCT product_locale AS locale, trim(query) AS query, product_id,
                upper(left(esci_label, 1)) AS label, coalesce(small_version::INT, 1) = 1 AS small
            FROM {judged}
            WHERE coalesce(split, 'train') = '{split}' AND trim(query) <> '' AND product_id IS NOT NULL
                AND upper(left(esci_label, 1)) IN ('E', 'S', 'C', 'I')"""
    )
    once = "" if products == "raw_products" else "QUALIFY row_number() OVER (PARTITION BY locale, product_id) = 1"
    connection.execute(
        f"""CREATE VIEW products AS SELECT product_locale AS locale, product_id, product_title AS title,
                product_description AS description, product_bullet_point AS bullets, product_brand AS brand
            FROM {products} WHERE trim(product_title) <> '' {once}"""
    )


_TEXTS = "t.description, t.bullets"


def query_rows(
    sources: SourceFolder, least: Sequence[tuple[str, int]], locales: Sequence[str] = ("us",), texts: bool = False
) -> Iterator[Row]:
    """One row a query: {"locale", "query", "products": [{"id", "label", "title"}, ...]}, queries in hash order.

    Args:
        least: how many judged products of which labels a query must have: [("E", 1), ("SCI", 3)].
        texts: products carry "description" and "bullets" too.
    """
    enough = " AND ".join(f"count(*) FILTER (WHERE label IN {_in(labels)}) >= {number}" for labels, number in least)
    with database() as connection:
        open_tables(connection, sources)
        # At most six products a label: enough for every list, and no query of hundreds.
        connection.execute(
            f"""CREATE TABLE picked AS
                WITH few AS (SELECT * FROM judged WHERE locale IN {_in(locales)} QUALIFY row_number() OVER (
                    PARTITION BY locale, query, label ORDER BY md5_number_lower(product_id || query), product_id) <= 6),
                groups AS (SELECT locale, query, row_number() OVER (
                    ORDER BY md5_number_lower(locale || query), locale, query) AS place
                    FROM few GROUP BY locale, query HAVING {enough})
                SELECT place, locale, query, product_id, label FROM few JOIN groups USING (locale, query)"""
        )
        for _, members in groupby(_joined(connection, _TEXTS if texts else ""), key=lambda row: row["place"]):
            products = list(members)
            head = products[0]
            shown = [{key: one[key] for key in one if key not in ("place", "locale", "query")} for one in products]
            yield {"locale": head["locale"], "query": head["query"], "products": shown}


def product_rows(sources: SourceFolder, locales: Sequence[str] = ("us",), least_labels: int = 1) -> Iterator[Row]:
    """One row a product with an E query: its texts, brand, and "queries": [{"query", "label"}, ...].

    Products that some query judges S, C or I come first (they have hard negatives), then by hash.
    """
    with database() as connection:
        open_tables(connection, sources)
        connection.execute(
            f"""CREATE TABLE picked AS SELECT *, row_number() OVER (
                    ORDER BY hard DESC, md5_number_lower(locale || product_id), locale, product_id) AS place
                FROM (SELECT locale, product_id, count(*) FILTER (WHERE label <> 'E') > 0 AS hard,
                    list_slice(list({{'query': query, 'label': label}} ORDER BY md5_number_lower(query), query, label),
                        1, 12) AS queries
                    FROM judged WHERE locale IN {_in(locales)} GROUP BY locale, product_id
                    HAVING count(*) FILTER (WHERE label = 'E') > 0 AND count(DISTINCT label) >= {least_labels})"""
        )
        for row in _joined(connection, f"{_TEXTS}, t.brand", keys="p.place, p.locale, p.product_id AS id, p.queries"):
            del row["place"]
            yield row


def pair_rows(sources: SourceFolder, locales: Sequence[str] = ("us",)) -> Iterator[Row]:
    """One row a judged pair: {"locale", "query", "id", "label", "title"}; the four labels take turns."""
    with database() as connection:
        open_tables(connection, sources)
        connection.execute(
            f"""CREATE TABLE picked AS SELECT locale, query, product_id, label, row_number() OVER (
                    ORDER BY turn, label) AS place
                FROM (SELECT *, row_number() OVER (PARTITION BY label
                    ORDER BY md5_number_lower(query || product_id), locale, query, product_id) AS turn
                    FROM judged WHERE locale IN {_in(locales)})"""
        )
        for row in _joined(connection, ""):
            del row["place"]
            yield row


_PAIR_KEYS = "p.place, p.locale, p.query, p.product_id AS id, p.label"


def _joined(connection: Connection, texts: str, keys: str = _PAIR_KEYS) -> Iterator[Row]:
    """The rows of `picked` with their products' texts, by place."""
    return in_chunks(
        connection,
        "picked",
        f"""SELECT {keys}, t.title{", " + texts if texts else ""}
            FROM (SELECT * FROM picked WHERE place BETWEEN ? AND ?) p JOIN products t USING (locale, product_id)
            ORDER BY ALL""",  # by place; a product judged twice for a query comes in one order, too
        first=FIRST_CHUNK,
        largest=LARGEST_CHUNK,
    )


def labelled(row: Row, labels: str) -> list[Row]:
    """The products (or queries) of a row whose label is one of these letters."""
    judged: list[Row] = row["products"] if "products" in row else row["queries"]
    return [one for one in judged if one["label"] in labels]


def bullet_points(product: Row) -> list[str]:
    """The bullet points of a product as single lines, those that say something."""
    lines = [one_line(line, 200) for line in (product.get("bullets") or "").split("\n")]
    return [line for line in lines if len(line) >= 15]


def query_id(row: Row) -> str:
    """Identity of a query row."""
    return f"{row['locale']}:{row['query']}"


def product_id(row: Row) -> str:
    """Identity of a product row."""
    return f"{row['locale']}:{row['id']}"


def pair_id(row: Row) -> str:
    """Identity of a judged pair."""
    return f"{row['locale']}:{row['query']}:{row['id']}"


def _in(values: Iterable[str]) -> str:
    return "(" + ", ".join(quoted(value) for value in values) + ")"
