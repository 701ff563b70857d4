"""ESCI tasks over lists: rank products or queries, select the exact matches (Table 7 rows 5, 30, 34, 35)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice

from shopbench.ecinstruct import ESCI_GAINS
from shopbench.sample import Sample
from training.data.formats import DataTask, Row, SourceFolder
from training.data.options import distinct, one_line, ranking, retrieval
from training.data.reading import neighbours
from training.data.sources.esci import (
    LICENCE,
    labelled,
    pair_rows,
    product_id,
    product_rows,
    query_id,
    query_rows,
)
from training.data.wordings import ordering, request, selection

RANK_PRODUCTS = (
    "A shopper typed '{query}' into the search box of an online store. Rank the products below by how well each "
    "fits this search.",
    "Given the query '{query}' and a numbered list of {count} products, rank the products according to their "
    "relevance to the query.",
    "You help people shop. Rank the {count} products in the list from the most to the least relevant for someone "
    'who searches for "{query}".',
    "Sort the following {count} products in descending order of relevance to the search keyword '{query}'.",
)
RANK_QUERIES = (
    "The product '{title}' is sold online. Rank the queries below from the one it answers best to the one it "
    "answers least.",
    "Given a product with the title '{title}' and {count} search queries, rank the queries by how well the product "
    "satisfies them.",
    "Rank the following {count} user queries according to their relevance to the product.\nProduct: {title}",
)
RANK_PAIRS = (
    "Each line below pairs a search query with a product. Rank the {count} pairs from the most to the least closely "
    "related.",
    "Given a numbered list of {count} query-product pairs, rank the pairs by how well the product fits the query.",
    "How well does each product answer its query? Rank the {count} pairs, the best match first.",
)
EXACT_MATCHES = (
    "A user searches for '{query}'. Select the 3 products that meet every detail of the query, not substitutes, "
    "accessories or unrelated items.",
    "From the numbered list, choose the three products that match the query '{query}' exactly. Products that only "
    "come close, that go with it or that have nothing to do with it do not count.",
    "Which three of the listed products are exactly what a shopper who types '{query}' is looking for?",
)


def ranking_rows(sources: SourceFolder) -> Iterator[Row]:
    """Queries with five or more judged products of two or more labels, as far as six a label go."""
    return query_rows(sources, [("E", 1), ("SCI", 1), ("ESCI", 5)])


def exact_rows(sources: SourceFolder) -> Iterator[Row]:
    """Queries with three exact matches and three other products."""
    return query_rows(sources, [("E", 3), ("SCI", 3)])


def mixed_product_rows(sources: SourceFolder) -> Iterator[Row]:
    """Products judged for queries of two or more labels, with queries of other products beside ("others")."""
    rows = product_rows(sources, least_labels=2)
    return neighbours(rows, "others", lambda row: labelled(row, "E")[0]["query"], lambda row: row["locale"])


def pair_group_rows(sources: SourceFolder) -> Iterator[Row]:
    """Eight judged pairs a row, two of each label while there are some."""
    pairs = pair_rows(sources)
    while group := list(islice(pairs, 8)):
        yield {"pairs": group}


def spread(judged: Sequence[Row], rng: random.Random, count: int = 5) -> list[Row]:
    """`count` of the judged things with as many different labels as there are; fewer if there are not so many."""
    shuffled = rng.sample(judged, len(judged))
    firsts = {one["label"]: one for one in reversed(shuffled)}
    chosen = list(firsts.values())
    return (chosen + [one for one in shuffled if not any(one is first for first in chosen)])[:count]


def rank_products(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 5, ShopBench's task 12: five products of one query."""
    chosen = spread(row["products"], rng)
    shown = ranking([(product["title"], ESCI_GAINS[product["label"]]) for product in chosen], rng)
    text = request(rng, row, RANK_PRODUCTS, query=one_line(row["query"]), count=5)
    return ordering(rng, text, "Product", shown)


def rank_queries(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 30, the same backwards; queries of other products count as irrelevant."""
    judged = spread(row["queries"], rng)
    others = distinct(row["others"], [one["query"] for one in row["queries"]])
    options = [(one["query"], ESCI_GAINS[one["label"]]) for one in judged]
    options += [(query, 0.0) for query in others[: 5 - len(options)]]
    text = request(rng, row, RANK_QUERIES, title=one_line(row["title"], 300), count=5)
    return ordering(rng, text, "Query", ranking(options, rng))


def rank_pairs(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 34: five pairs of different queries and products."""
    chosen = spread(row["pairs"], rng)
    options = [
        (f"query '{one_line(pair['query'])}' and product '{one_line(pair['title'], 200)}'", ESCI_GAINS[pair["label"]])
        for pair in chosen
    ]
    text = request(rng, row, RANK_PAIRS, count=5)
    return ordering(rng, text, "Pair", ranking(options, rng))


def exact_matches(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 35: three exact matches among six to twelve products of the same query."""
    exact = [product["title"] for product in labelled(row, "E")]
    others = [product["title"] for product in labelled(row, "SCI")]
    if len(exact) < 3:
        return None
    shown = retrieval(rng.sample(exact, 3), others, rng, rng.randint(6, 12), least=6)
    text = request(rng, row, EXACT_MATCHES, query=one_line(row["query"]))
    return selection(rng, text, "Product", shown)


QUERY_EXAMPLE: Row = {
    "locale": "us",
    "query": "clay teapot two cups",
    "products": [
        {"id": "X1", "label": "E", "title": "Hillside Clay Teapot for Two, 500 ml, Matte Brown"},
        {"id": "X2", "label": "E", "title": "Two-Cup Red Clay Tea Pot with Strainer"},
        {"id": "X3", "label": "E", "title": "Potter's Yard Small Clay Teapot, 2 Cups, Grey"},
        {"id": "X4", "label": "S", "title": "Glass Teapot with Infuser, 1.5 Litre"},
        {"id": "X5", "label": "C", "title": "Wool Tea Cosy for Small Pots"},
        {"id": "X6", "label": "I", "title": "Garden Hose Nozzle, Brass"},
        {"id": "X7", "label": "I", "title": "Clay Pigeon Launcher for Beginners"},
    ],
}
PRODUCT_EXAMPLE: Row = {
    "locale": "us",
    "id": "X1",
    "title": "Hillside Clay Teapot for Two, 500 ml, Matte Brown",
    "brand": "Hillside",
    "description": "A small teapot thrown from brown clay. It keeps two cups of tea warm and pours without dripping.",
    "bullets": "Holds 500 ml, enough for two cups\nMatte brown glaze, food safe\nStrainer of steel inside the spout",
    "queries": [
        {"query": "clay teapot two cups", "label": "E"},
        {"query": "small brown tea pot", "label": "E"},
        {"query": "glass teapot", "label": "S"},
        {"query": "tea cosy", "label": "C"},
    ],
    "others": ["garden hose 50 ft", "usb microphone", "kids rain boots", "wall clock quiet", "oat flour", "bike bell"],
    "other_brands": ["Northpeak", "Quillon", "Marrow & Co", "Blue Jetty", "Tessaly"],
}
PAIR_EXAMPLE: Row = {
    "pairs": [
        {"locale": "us", "query": "clay teapot", "id": "X1", "label": "E", "title": "Hillside Clay Teapot for Two"},
        {"locale": "us", "query": "usb microphone", "id": "X8", "label": "S", "title": "Clip-On Microphone, 3.5 mm"},
        {"locale": "us", "query": "bike bell", "id": "X9", "label": "C", "title": "Handlebar Tape, Black"},
        {"locale": "us", "query": "oat flour", "id": "X10", "label": "I", "title": "Flower Press for Children"},
        {"locale": "us", "query": "kids rain boots", "id": "X11", "label": "E", "title": "Rain Boots for Kids, Yellow"},
        {"locale": "us", "query": "wall clock", "id": "X12", "label": "I", "title": "Wall Paint, White, 1 l"},
    ]
}


def group_id(row: Row) -> str:
    """Identity of a group of pairs: its first pair's."""
    first = row["pairs"][0]
    return f"{first['locale']}:{first['query']}:{first['id']}"


TASKS = (
    DataTask(
        name="esci_rank_products",
        rows=ranking_rows,
        to_sample=rank_products,
        example=QUERY_EXAMPLE,
        row_id=query_id,
        group=lambda row: row["query"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=5,
        limit=16_728,
    ),
    DataTask(
        name="esci_rank_queries",
        rows=mixed_product_rows,
        to_sample=rank_queries,
        example=PRODUCT_EXAMPLE,
        row_id=product_id,
        group=lambda row: row["title"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=30,
        limit=5_000,
    ),
    DataTask(
        name="esci_rank_pairs",
        rows=pair_group_rows,
        to_sample=rank_pairs,
        example=PAIR_EXAMPLE,
        row_id=group_id,
        group=lambda row: row["pairs"][0]["query"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=34,
        limit=10_000,
    ),
    DataTask(
        name="esci_exact_matches",
        rows=exact_rows,
        to_sample=exact_matches,
        example=QUERY_EXAMPLE,
        row_id=query_id,
        group=lambda row: row["query"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=35,
        limit=10_000,
    ),
)
