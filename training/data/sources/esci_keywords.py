"""The ESCI task on keyword sets (Table 7 row 8): which set of phrases fits a product?

A product's phrases are the queries that it answers exactly, each one whole. Wrong sets are about the same kind of
product: queries that the product is judged to fail, queries of the S, C and I products of its own ones, then queries
of the products whose titles are most like its own. None of the right set's length stands out.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from shopbench.sample import Sample
from training.data.formats import DataTask, Row, SourceFolder
from training.data.options import multiple_choice, one_line, same_key
from training.data.reading import ROWS_AT_ONCE, with_labels
from training.data.sources.esci import LICENCE, LOCALES, bullet_points, labelled, product_id, product_rows
from training.data.sources.esci_ranking import PRODUCT_EXAMPLE
from training.data.wordings import choice, request

TEXT_CHARACTERS = 600
MOST_PHRASES, SETS = 4, 4
ALIKE, COMMON = 24, 0.1
"""Phrases that products like one lend it; a word of more than this share of the products says nothing."""

KEYWORDS = (
    "Which of the following keyword sets describes the product best?\nProduct Title: {title}\n"
    "Product Description: {text}\n",
    "Pick the set of phrases that sums up this product.\nProduct Title: {title}\nProduct Description: {text}\n",
    "Product Title: {title}\nProduct Description: {text}\nWhich set of keywords should the shop file this product "
    "under?",
)


def keyword_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a product with an E query, those with the most of them first, with queries of products "alike"."""
    products = product_rows(sources, LOCALES, first=f"least({MOST_PHRASES}, exact), least(3, failed)")
    return with_labels(sources, "esci_keyword_set", with_alike(products), product_id)


def with_alike(rows: Iterable[Row]) -> Iterator[Row]:
    """Give every row the E queries of the products, of some thousands near it, whose titles share most with its own."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, ROWS_AT_ONCE)):
        for _, members in groupby(sorted(chunk, key=lambda row: str(row["locale"])), key=lambda row: row["locale"]):
            yield from _with_alike(list(members))


def _with_alike(rows: list[Row]) -> Iterator[Row]:
    titles, queries = [_words(row["title"]) for row in rows], [phrases(row) for row in rows]
    holders: dict[str, list[int]] = defaultdict(list)
    for place, words in enumerate(titles):
        for word in words:
            holders[word].append(place)
    for place, row in enumerate(rows):
        shared: Counter[int] = Counter()
        for word in sorted(titles[place]):
            if len(holders[word]) <= max(2, COMMON * len(rows)):
                shared.update(dict.fromkeys(holders[word], 100 // len(holders[word])))
        del shared[place]
        found: dict[str, None] = {}
        for other in sorted(shared, key=lambda other: (-shared[other], other)):
            found |= dict.fromkeys(query for query in queries[other] if query not in queries[place])
            if len(found) >= ALIKE:
                break
        yield {**row, "alike": list(found)}


def phrases(row: Row) -> list[str]:
    """What shoppers typed to find exactly this product, each query whole, without repeats."""
    found = {same_key(one["query"]): one_line(one["query"].casefold()) for one in labelled(row, "E")}
    return [phrase for phrase in found.values() if "," not in phrase]


def _words(text: object) -> set[str]:
    return set(same_key(one_line(text)).split())


def wrong_phrases(row: Row, right: list[str], text: str) -> list[str]:
    """Phrases that do not fit the product, the surest and nearest first.

    What nobody judged for it might fit as well: such a phrase must say something that neither the product's texts nor
    its own phrases say.
    """
    failed = [one_line(one["query"].casefold()) for one in labelled(row, "SCI")]
    said = _words(" ".join((text, row["title"], *right)))
    taken = {same_key(one["query"]) for one in row["queries"]}
    near = dict.fromkeys(one_line(query.casefold()) for query in (*row["near"], *row["alike"]))
    unsaid = [query for query in near if same_key(query) not in taken and not _words(query) <= said]
    unsaid.sort(key=lambda query: -len(_words(query) & said))
    return [phrase for phrase in dict.fromkeys((*failed, *unsaid)) if "," not in phrase and phrase not in right]


def keyword_set(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 8, ShopBench's task 16: the keyword set of a product, in three languages."""
    text = one_line(row["description"] or "; ".join(bullet_points(row)), TEXT_CHARACTERS)
    right = phrases(row)
    wrong = wrong_phrases(row, right, text)
    length = min(MOST_PHRASES, len(right), len(wrong) // (SETS - 1))
    if not text or not length:
        return None
    sets = [wrong[start : start + length] for start in range(0, (SETS - 1) * length, length)]
    shown = multiple_choice(", ".join(rng.sample(right, length)), [", ".join(one) for one in sets], rng, SETS)
    asked = request(rng, row, KEYWORDS, title=one_line(row["title"], 300), text=text)
    return choice(rng, asked, shown)


EXAMPLE: Row = {
    **PRODUCT_EXAMPLE,
    "near": ["glass tea kettle", "teapot warmer", "cast iron teapot"],
    "alike": ["clay cups set", "coffee pot for two", "tea tray bamboo"],
}

TASKS = (
    DataTask(
        name="esci_keyword_set",
        rows=keyword_rows,
        to_sample=keyword_set,
        example=EXAMPLE,
        row_id=product_id,
        group=lambda row: row["title"],
        licence=LICENCE,
        shareable=True,
        domain="multilingual",
        table7=8,
        limit=10_000,
    ),
)
