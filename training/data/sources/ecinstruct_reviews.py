"""ECInstruct's tasks built from Amazon Reviews 2018 as eCeLLM (appendix A.1.2, A.2) does: PRP, SA, SR.

Electronics, Home and Kitchen, Sports and Outdoors are in domain, a third each; Tools and Home Improvement is out of
domain (a test set only). Where none of the three is in the folder, whatever is there stands in for them. Products
and reviews are split 8:1:1 by a hash; SR tests on the last purchase of a user, validates on the last but one and
trains on the one before. The schema is in amazon_reviews.py; the metadata of 2014, which SR supplements those of 2018
with where they are in the folder, in amazon_reviews_2014.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from training.data.ecinstruct_wordings import built_row, digest, lettered
from training.data.formats import MissingDataset, Row, SourceFolder
from training.data.options import one_line
from training.data.reading import Connection, database, json_scan, quoted, stream
from training.data.sources.amazon_reviews import (
    LICENCE,
    META_2018,
    REVIEWS_2018,
    review_files,
)
from training.data.sources.amazon_reviews_2014 import add_metadata_of_2014
from training.data.sources.ecinstruct import PRP, SA, SR, task_of

IN_DOMAIN = ("electronics", "home and kitchen", "sports and outdoors")
OUT_OF_DOMAIN = "tools and home improvement"
SPLITS = {"train": "BETWEEN 0 AND 7", "val": "= 8", "test": "= 9"}

RELATIONS = (
    "Who buys product 1 may buy product 2 as well.",
    "Who looks at product 1 may look at product 2 as well.",
    "Product 1 and product 2 are similar.",
)
SENTIMENTS = ("very positive", "positive", "neutral", "negative", "very negative")
SHORTEST_REVIEW = 10  # words
LONGEST_HISTORY, SHOWN_WORDS, CANDIDATES, CORE = 50, 25, 20, 5
DRAWS = 50  # of 2 * CANDIDATES purchases each, at most


def _open(connection: Connection, sources: SourceFolder, ood: bool) -> None:
    """Make the tables `items18` and `reviews18` of the wanted domain."""
    files = [file for file in review_files(sources) if file.year == 2018]
    kinds = {file.kind for file in files}
    wanted = {OUT_OF_DOMAIN} if ood else (kinds & set(IN_DOMAIN)) or kinds - {OUT_OF_DOMAIN}
    chosen = [file for file in files if file.kind in wanted]
    if not chosen:
        raise MissingDataset(
            f"{sources}: no amazon_reviews_2018/ files of {', '.join(sorted(wanted)) or 'any category'}; get them "
            "with: python -m training.data.download amazon_reviews_2018"
        )
    for name, columns, meta in (("items18", META_2018, True), ("reviews18", REVIEWS_2018, False)):
        fields = ", ".join(f'"{field}"' for field in columns)
        parts = [
            f"SELECT {quoted(file.kind)} AS kind, {fields} FROM {json_scan([file.path], columns)}"
            for file in chosen
            if file.is_meta == meta
        ]
        empty = ", ".join(f'NULL::{kind} AS "{field}"' for field, kind in columns.items())
        parts.append(f"SELECT '' AS kind, {empty} WHERE false")
        connection.execute(f"CREATE VIEW {name} AS {' UNION ALL '.join(parts)}")


def relation_rows(sources: SourceFolder, split: str = "train", ood: bool = False) -> Iterator[Row]:
    """PRP rows in the published form: pairs of titles in one relation only (also buy, also view, similar)."""
    options = lettered(list(RELATIONS))
    with database() as connection:
        _open(connection, sources, ood)
        connection.execute(
            """CREATE TABLE titled AS SELECT kind, asin, any_value(title ORDER BY title) AS title FROM items18
                WHERE length(title) BETWEEN 5 AND 400 AND NOT contains(title, 'getTime') GROUP BY kind, asin"""
        )
        connection.execute(
            """CREATE TABLE related AS
                WITH named AS (
                    SELECT kind, asin, unnest(also_buy) AS other, 0 AS relation FROM items18
                    UNION ALL SELECT kind, asin, unnest(also_view), 1 FROM items18
                    UNION ALL SELECT kind, asin,
                        unnest(regexp_extract_all(similar_item, 'asin[=/:" ]*([0-9A-Z]{10})', 1)), 2 FROM items18),
                pairs AS (SELECT DISTINCT a.kind, relation,
                        least(a.title, b.title) AS first, greatest(a.title, b.title) AS second
                    FROM named n JOIN titled a ON a.kind = n.kind AND a.asin = n.asin
                    JOIN titled b ON b.kind = n.kind AND b.asin = n.other WHERE a.title <> b.title)
                SELECT kind, first, second, any_value(relation) AS relation FROM pairs
                GROUP BY ALL HAVING count(*) = 1"""
        )
        found = stream(
            connection,
            f"""SELECT first, second, relation FROM (SELECT *, row_number() OVER (PARTITION BY kind
                    ORDER BY md5_number_lower(first || '|' || second), first, second) AS turn FROM related
                    WHERE md5_number_lower('split ' || first || second) % 10 {SPLITS[split]})
                ORDER BY turn, kind""",
        )
        for row in found:
            given = {"Product 1:": one_line(row["first"]), "Product 2:": one_line(row["second"])}
            key = f"{row['first']}|{row['second']}"
            yield built_row(PRP, key, split, given, options, chr(ord("A") + row["relation"]), ood)


def sentiment_rows(sources: SourceFolder, split: str = "train", ood: bool = False) -> Iterator[Row]:
    """SA rows in the published form: reviews of ten words or more; five stars are very positive."""
    options = lettered(list(SENTIMENTS))
    with database() as connection:
        _open(connection, sources, ood)
        found = stream(
            connection,
            f"""SELECT text, stars FROM (
                    SELECT kind, reviewText AS text, min(overall)::INT AS stars,
                        row_number() OVER (PARTITION BY kind ORDER BY md5_number_lower(reviewText), reviewText) AS turn
                    FROM reviews18 WHERE len(string_split(trim(reviewText), ' ')) >= {SHORTEST_REVIEW}
                        AND overall BETWEEN 1 AND 5 AND md5_number_lower('split ' || reviewText) % 10 {SPLITS[split]}
                    GROUP BY kind, reviewText HAVING count(DISTINCT overall) = 1)
                ORDER BY turn, kind""",
        )
        for row in found:
            yield built_row(SA, row["text"], split, row["text"], options, options[5 - row["stars"]], ood)


def next_rows(sources: SourceFolder, split: str = "train", ood: bool = False) -> Iterator[Row]:
    """SR rows in the published form: a user's purchases in order, and twenty options for the next one.

    Categories take turns. The wrong options are drawn from other users' purchases in the same category, so that how
    often a product is bought does not tell the right one.
    """
    held_back = {"test": 1, "val": 2, "train": 3}[split]
    with database() as connection:
        _open(connection, sources, ood)
        _five_core(connection, sources)
        pools = _purchases(connection)
        found = stream(
            connection,
            f"""SELECT kind, person, items FROM (
                    SELECT kind, person, list(text ORDER BY seconds, asin) AS items, row_number() OVER (
                        PARTITION BY kind ORDER BY md5_number_lower(person), person) AS turn
                    FROM core JOIN described USING (kind, asin) GROUP BY kind, person HAVING count(*) > {held_back})
                ORDER BY turn, kind""",
        )
        for row in found:
            shown = row["items"][:LONGEST_HISTORY]
            history, target = shown[: len(shown) - held_back], shown[len(shown) - held_back]
            key = f"{digest(row['person'] + row['kind'])} {split}"
            rng = random.Random(digest(key))
            options = _not_bought(pools[row["kind"]], set(row["items"]), rng)
            if len(options) < CANDIDATES - 1 or not history:
                continue
            place = rng.randrange(CANDIDATES)
            options.insert(place, target)
            given = str([f"{_ordinal(number)}: {text}" for number, text in enumerate(history, 1)])
            yield built_row(SR, key, split, given, lettered(options), chr(ord("A") + place), ood)


Purchases = tuple[list[str], list[int]]
"""Products bought in a category, and the purchases up to and with each."""


def _purchases(connection: Connection) -> dict[str, Purchases]:
    pools: dict[str, Purchases] = {}
    counted = connection.execute(
        """SELECT kind, text, count(*) FROM core JOIN described USING (kind, asin) GROUP BY kind, text
            ORDER BY kind, text"""
    )
    for kind, text, times in counted.fetchall():
        texts, totals = pools.setdefault(kind, ([], []))
        texts.append(text)
        totals.append(times + (totals[-1] if totals else 0))
    return pools


def _not_bought(pool: Purchases, bought: set[str], rng: random.Random) -> list[str]:
    """Wrong options, as many as are wanted if there are so many: random purchases, none of them in `bought`."""
    texts, totals = pool
    found: dict[str, None] = {}
    for _ in range(DRAWS):
        drawn = rng.choices(texts, cum_weights=totals, k=2 * CANDIDATES)
        found |= dict.fromkeys(text for text in drawn if text not in bought)
        if len(found) >= CANDIDATES - 1:
            break
    return list(found)[: CANDIDATES - 1]


def _five_core(connection: Connection, sources: SourceFolder) -> None:
    """Make `described` (kind, asin, text: title, category and brand, cut to 25 words) and `core`.

    `core` (kind, person, asin, seconds): within a category, every person and product occurs five times or more; who
    does not is dropped until nobody is. What the 2018 metadata lack of a product is filled in from those of 2014.
    """
    titled = "length(title) >= 5 AND NOT contains(title, 'getTime')"
    gaps = connection.execute(
        f"""SELECT DISTINCT asin FROM items18
            WHERE NOT coalesce({titled}, false) OR coalesce(len(category), 0) = 0 OR coalesce(brand, '') = ''"""
    ).fetchall()
    add_metadata_of_2014(connection, sources, {asin for (asin,) in gaps})
    connection.execute(
        f"""CREATE TABLE described AS SELECT kind, asin, min(array_to_string(list_slice(string_split(regexp_replace(
                concat_ws('. ', title, array_to_string(list_slice(category, 1, 2), '. '), nullif(brand, '')),
                '\\s+', ' ', 'g'), ' '), 1, {SHOWN_WORDS}), ' ')) AS text
            FROM (SELECT i.kind, i.asin, CASE WHEN coalesce({titled.replace("title", "i.title")}, false)
                    THEN i.title ELSE o.title END AS title,
                    CASE WHEN len(i.category) > 0 THEN i.category ELSE o.category END AS category,
                    coalesce(nullif(i.brand, ''), o.brand) AS brand
                FROM items18 i LEFT JOIN items14 o USING (asin))
            WHERE {titled} GROUP BY kind, asin"""
    )
    connection.execute(
        """CREATE TABLE core AS SELECT kind, reviewerID AS person, asin, min(unixReviewTime) AS seconds
            FROM reviews18 SEMI JOIN described USING (kind, asin) WHERE reviewerID <> '' GROUP BY ALL"""
    )
    size = -1
    while size != (size := connection.execute("SELECT count(*) FROM core").fetchall()[0][0]):
        for key in ("person", "asin"):
            connection.execute(
                f"""DELETE FROM core WHERE (kind, {key}) IN (
                    SELECT (kind, {key}) FROM core GROUP BY kind, {key} HAVING count(*) < {CORE})"""
            )


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


TASKS = (
    task_of(PRP, relation_rows, "knowledge", built=True, licence=LICENCE, shareable=False),
    task_of(SA, sentiment_rows, "concepts", built=True, licence=LICENCE, shareable=False),
    task_of(SR, next_rows, "behaviour", built=True, licence=LICENCE, shareable=False),
)
