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
from training.data.reading import (
    Connection,
    database,
    in_chunks,
    json_scan,
    need_columns,
    need_fields,
    need_rows,
    quoted,
)

DATASETS = (Dataset("esci", "Apache-2.0", "tasksource/esci", ("data/*.parquet",)),)
LICENCE = DATASETS[0].licence
LOCALES = ("us", "es", "jp")
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
        _views(connection, "raw_judged", "raw_products", split, examples[0])
        return
    joined = sources.files(f"esci/**/{split}-*.parquet")
    slices: list[str] = []
    if joined:
        connection.execute(f"CREATE VIEW joined AS SELECT *, '{split}' AS split FROM read_parquet({quoted(joined)})")
        need_columns(connection, "joined", joined[0], *_JUDGED_FIELDS, *_PRODUCT_FIELDS)
    else:
        # Only slices with product text: a judgment without a title makes no question.
        slices = sources.need_files("esci", "esci/**/labelled*.jsonl", "esci/**/exact*.jsonl")
        need_fields(slices, "query", "product_id")
        connection.execute(
            f"""CREATE TABLE joined AS SELECT * REPLACE (
                    coalesce(product_title, regexp_extract(product_text, '^.{{1,{_TITLE_OF_TEXT}}}(?:\\s|$)'))
                        AS product_title,
                    coalesce(product_locale, 'us') AS product_locale,
                    coalesce(esci_label, CASE WHEN parse_filename(filename) LIKE '%exact%' THEN 'E' END) AS esci_label)
                FROM {json_scan(slices, _SLICE_COLUMNS)}"""
        )
    _views(connection, "joined", "joined", split, (joined or slices)[0])


# A pair that is judged twice has its better label.
def _views(connection: Connection, judged: str, products: str, split: str, path: str) -> None:
    connection.execute(
        f"""CREATE VIEW judged AS SELECT lower(product_locale) AS locale, trim(query) AS query, product_id,
                arg_min(upper(left(esci_label, 1)), strpos('ESCI', upper(left(esci_label, 1)))) AS label,
                bool_or(coalesce(small_version::INT, 1) = 1) AS small
            FROM {judged}
            WHERE lower(coalesce(split, 'train')) = '{split}' AND trim(query) <> '' AND product_id IS NOT NULL
                AND upper(left(esci_label, 1)) IN ('E', 'S', 'C', 'I') AND lower(product_locale) IN {_in(LOCALES)}
            GROUP BY ALL"""
    )
    wanted = {"split": split, "esci_label": "E, S, C or I", "product_locale": ", ".join(LOCALES)}
    need_rows(connection, "judged", judged, path, wanted)
    connection.execute(
        f"""CREATE VIEW products AS SELECT lower(product_locale) AS locale, product_id, product_title AS title,
                product_description AS description, product_bullet_point AS bullets, product_brand AS brand
            FROM {products} WHERE trim(product_title) <> ''"""
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


def product_rows(
    sources: SourceFolder, locales: Sequence[str] = ("us",), least_labels: int = 1, first: str = "least(3, failed)"
) -> Iterator[Row]:
    """One row a product with an E query: its texts, brand, "queries": [{"query", "label"}, ...], and "near".

    "near": queries that the S, C and I products of its E queries answer exactly, and that it is not judged for; those
    of one product stand together. They are about the same kind of thing.

    Args:
        first: what products come first, then by hash: SQL of `exact` and `failed`, the numbers of queries that judge a
            product E, or S, C and I. By default those that fail three queries: enough hard wrong options.
    """
    with database() as connection:
        open_tables(connection, sources)
        connection.execute(
            f"CREATE TABLE pairs AS SELECT locale, query, product_id, label FROM judged WHERE locale IN {_in(locales)}"
        )
        connection.execute(
            f"""CREATE TABLE picked AS SELECT *, row_number() OVER (
                    ORDER BY {first} DESC, md5_number_lower(locale || product_id), locale, product_id) AS place
                FROM (SELECT locale, product_id, count(*) FILTER (label = 'E') AS exact,
                    count(*) FILTER (label <> 'E') AS failed,
                    {_some("label = 'E'")} || coalesce({_some("label <> 'E'")}, []) AS queries
                    FROM pairs GROUP BY locale, product_id
                    HAVING count(*) FILTER (label = 'E') > 0 AND count(DISTINCT label) >= {least_labels})"""
        )
        for row in in_chunks(connection, "picked", _PRODUCTS_WITH_NEAR, FIRST_CHUNK, LARGEST_CHUNK):
            del row["place"]
            yield row


def _some(which: str) -> str:
    """SQL of up to six queries of a product."""
    chosen = "list({'query': query, 'label': label} ORDER BY md5_number_lower(query), query, label)"
    return f"list_slice({chosen} FILTER ({which}), 1, 6)"


_PRODUCTS_WITH_NEAR = f"""WITH chosen AS (SELECT * FROM picked WHERE place BETWEEN ? AND ?),
    kin AS (SELECT DISTINCT c.place, c.locale, c.product_id AS mine, s.product_id FROM chosen c
        JOIN pairs e ON e.locale = c.locale AND e.product_id = c.product_id AND e.label = 'E'
        JOIN pairs s ON s.locale = c.locale AND s.query = e.query AND s.label <> 'E'),
    theirs AS (SELECT k.place, q.query, min(md5_number_lower(k.mine || k.product_id)) AS turn FROM kin k
        JOIN pairs q ON q.locale = k.locale AND q.product_id = k.product_id AND q.label = 'E'
        WHERE NOT EXISTS (SELECT 1 FROM pairs j
            WHERE j.locale = k.locale AND j.product_id = k.mine AND j.query = q.query)
        GROUP BY k.place, q.query),
    near AS (SELECT place, list_slice(list(query ORDER BY turn, query), 1, 12) AS near FROM theirs GROUP BY place)
    SELECT c.place, c.locale, c.product_id AS id, c.queries, coalesce(n.near, []) AS near, t.title, {_TEXTS}, t.brand
    FROM chosen c JOIN products t USING (locale, product_id) LEFT JOIN near n USING (place)
    QUALIFY row_number() OVER (PARTITION BY c.place ORDER BY t.title, {_TEXTS}, t.brand) = 1 ORDER BY c.place"""


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


def _joined(connection: Connection, texts: str) -> Iterator[Row]:
    """The rows of `picked` with their products' texts, by place; a product that stands in two files counts once."""
    shown = f"t.title{', ' + texts if texts else ''}"
    return in_chunks(
        connection,
        "picked",
        f"""SELECT p.place, p.locale, p.query, p.product_id AS id, p.label, {shown}
            FROM (SELECT * FROM picked WHERE place BETWEEN ? AND ?) p JOIN products t USING (locale, product_id)
            QUALIFY row_number() OVER (PARTITION BY p.place, p.product_id, p.label ORDER BY {shown}) = 1
            ORDER BY ALL""",
        first=FIRST_CHUNK,
        largest=LARGEST_CHUNK,
    )


def labelled(row: Row, labels: str) -> list[Row]:
    """The products (or queries) of a row whose label is one of these letters."""
    judged: list[Row] = row["products"] if "products" in row else row["queries"]
    return [one for one in judged if one["label"] in labels]


def bullet_points(product: Row) -> list[str]:
    """The bullet points of a product as single lines, those that say something."""
    return telling_lines((product.get("bullets") or "").split("\n"))


def telling_lines(points: Iterable[str]) -> list[str]:
    """Bullet points as single lines, those that say something."""
    lines = [one_line(point, 200) for point in points]
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
