"""ECInstruct's three query tasks built from ESCI as eCeLLM (appendix A.3) does: MPC, PSI, QPR.

US judgments in English; ESCI's train split trains, one half of its test split validates and the other tests.
Titles lose tags and whatever is not ASCII. MPC and PSI take judged pairs as they come (about 35:10:1:5 of E, S,
C, I); QPR takes queries of the small version and one product of each of two to four labels.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

from training.data.ecinstruct_wordings import built_row, digest, lettered
from training.data.formats import Row, SourceFolder
from training.data.options import one_line
from training.data.reading import Connection, database, in_chunks
from training.data.sources.ecinstruct import MPC, PSI, QPR, task_of
from training.data.sources.esci import FIRST_CHUNK, LARGEST_CHUNK, LICENCE, open_tables

RELEVANCE = {
    "E": "The product fits the query in every respect.",
    "S": "The product fits the query in part and could replace what was meant.",
    "C": "The product is something else, but goes with what was meant.",
    "I": "The product does not fit the query at all.",
}
MOST_PAIRS = 200_000
"""Judged pairs drawn at most: twenty times what a study of ECInstruct's size needs."""


def plain(text: str) -> str:
    """English text as the paper keeps it: one line, no tags, ASCII only."""
    ascii_only = unicodedata.normalize("NFKD", one_line(text)).encode("ascii", "ignore").decode()
    return " ".join(ascii_only.split())


def english(text: str) -> bool:
    """Whether nearly all letters are Latin: queries in other scripts come to the US shop too."""
    return len(plain(text)) >= 0.9 * len(one_line(text)) > 0


def pairs(sources: SourceFolder, split: str) -> Iterator[Row]:
    """Judged US pairs with titles, in hash order; split is train, val or test."""
    with database() as connection:
        _open(connection, sources, split)
        connection.execute(
            f"""CREATE TABLE picked AS SELECT locale, query, product_id, label, row_number() OVER (
                    ORDER BY md5_number_lower(query || '|' || product_id), query, product_id, label) AS place
                FROM half QUALIFY place <= {MOST_PAIRS}"""
        )
        yield from _titled(connection)


def ranked_queries(sources: SourceFolder, split: str) -> Iterator[Row]:
    """US pairs of the small version, one product a label, queries of two or more labels in hash order."""
    with database() as connection:
        _open(connection, sources, split)
        connection.execute(
            """CREATE TABLE picked AS
                WITH one AS (SELECT * FROM half WHERE small QUALIFY row_number() OVER (
                    PARTITION BY query, label ORDER BY md5_number_lower(query || product_id), product_id) = 1),
                several AS (SELECT query, row_number() OVER (ORDER BY md5_number_lower(query), query) AS place
                    FROM one GROUP BY query HAVING count(*) >= 2)
                SELECT place, locale, query, product_id, label FROM one JOIN several USING (query)"""
        )
        group: list[Row] = []
        for row in _titled(connection):
            if group and row["place"] != group[0]["place"]:
                yield {"query": group[0]["query"], "products": group}
                group = []
            group.append(row)
        if group:
            yield {"query": group[0]["query"], "products": group}


def _open(connection: Connection, sources: SourceFolder, split: str) -> None:
    open_tables(connection, sources, "train" if split == "train" else "test")
    half = {"train": "true", "val": "half = 0", "test": "half = 1"}[split]
    connection.execute(
        f"""CREATE VIEW half AS SELECT * FROM (SELECT *, md5_number_lower('half ' || query) % 2 AS half FROM judged)
            WHERE locale = 'us' AND {half}"""
    )


def _titled(connection: Connection) -> Iterator[Row]:
    return in_chunks(
        connection,
        "picked",
        """SELECT p.place, p.query, p.product_id AS id, p.label, t.title
            FROM (SELECT * FROM picked WHERE place BETWEEN ? AND ?) p JOIN products t USING (locale, product_id)
            QUALIFY row_number() OVER (PARTITION BY p.place, p.product_id, p.label ORDER BY t.title) = 1
            ORDER BY p.place, p.label, p.product_id""",
        first=FIRST_CHUNK,
        largest=LARGEST_CHUNK,
    )


def relevance_rows(sources: SourceFolder, split: str = "train") -> Iterator[Row]:
    """MPC rows in the published form."""
    options = lettered(list(RELEVANCE.values()))
    for pair in pairs(sources, split):
        if english(pair["query"]) and english(pair["title"]):
            given = {"query": plain(pair["query"]), "product title": plain(pair["title"])}
            output = options["ESCI".index(pair["label"])]
            yield built_row(MPC, f"{pair['query']}|{pair['id']}", split, given, options, output)


def substitute_rows(sources: SourceFolder, split: str = "train") -> Iterator[Row]:
    """PSI rows in the published form: S against all others."""
    for pair in pairs(sources, split):
        if english(pair["query"]) and english(pair["title"]):
            given = {"query": plain(pair["query"]), "product": plain(pair["title"])}
            output = "yes" if pair["label"] == "S" else "no"
            yield built_row(PSI, f"{pair['query']}|{pair['id']}", split, given, None, output)


def rank_rows(sources: SourceFolder, split: str = "train") -> Iterator[Row]:
    """QPR rows in the published form: two to four products of different labels, shuffled; the letters, best first.

    "labels" gives the label of each product, which NDCG needs and the published file keeps apart.
    """
    for row in ranked_queries(sources, split):
        products = [product for product in row["products"] if english(product["title"])]
        if not english(row["query"]) or len(products) < 2:
            continue
        rng = random.Random(digest(row["query"]))
        chosen = rng.sample(products, min(len(products), rng.randint(2, 4)))
        given = {
            "query": plain(row["query"]),
            "product list": lettered([plain(product["title"]) for product in chosen]),
        }
        order = sorted(range(len(chosen)), key=lambda place: "ESCI".index(chosen[place]["label"]))
        output = ",".join(chr(ord("A") + place) for place in order)
        labels = [product["label"] for product in chosen]
        yield {**built_row(QPR, row["query"], split, given, None, output), "labels": labels}


TASKS = (
    task_of(MPC, relevance_rows, "behaviour", built=True, licence=LICENCE),
    task_of(PSI, substitute_rows, "behaviour", built=True, licence=LICENCE),
    task_of(QPR, rank_rows, "behaviour", built=True, licence=LICENCE),
)
