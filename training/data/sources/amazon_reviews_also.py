"""Amazon Reviews tasks on what is bought together (Table 7 rows 4 and 6); the schema is in amazon_reviews.py.

"Also bought" is `also_buy` of the 2018 metadata; the 2023 metadata leaves `bought_together` empty, so there it
is what one person reviewed within 30 days. A folder may also hold `user_histories.jsonl` (user_id, history and
heldout with a product title each). What a buyer of the product bought at any time is no wrong option.

For row 4 the winners had a language model name the categories: `synthetic/amazon_reviews_complement.jsonl` holds
{"id": "golf club", "complements": ["golf bag", ...]} by product type, and then it alone is used. Without it the
types are the products' last categories, and a complement is another category that is bought with one more often
than its share of all purchases would have it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import DataTask, Row, SourceFolder
from training.data.options import multiple_choice, one_line, retrieval, same_key
from training.data.reading import (
    Connection,
    database,
    in_chunks,
    json_scan,
    need_fields,
    neighbours,
    said_by_model,
    stream,
)
from training.data.sources.amazon_reviews import LICENCE, open_items, open_reviews
from training.data.wordings import choice, request, selection

DAYS_TOGETHER = 30
FIRST_CHUNK, LARGEST_CHUNK = 10_000, 40_000
_HISTORY_ITEM = "STRUCT(parent_asin VARCHAR, product STRUCT(title VARCHAR, main_category VARCHAR))"
_HISTORIES = {"user_id": "VARCHAR", "history": f"{_HISTORY_ITEM}[]", "heldout": _HISTORY_ITEM}

COMPLEMENTS = (
    "Which of the following product categories complements the product type {type} best?",
    "Someone has just bought a product of the type {type}. Which category goes with it best?",
    "Given the product type {type}, select the category of products that is most likely needed with it.",
    "What is best offered together with a(n) {type}?",
)
ALSO_BOUGHT = (
    "A user has just purchased the product '{title}'. From the numbered list of {count} products, select 3 that the "
    "user may also purchase.",
    "Customers who buy '{title}' often buy other things with it. Choose the three products from the list that they "
    "would buy.",
    "Given the purchase of '{title}', which three of the following products is the customer likely to buy as well?",
)


def open_also(connection: Connection, sources: SourceFolder) -> None:
    """Make the tables `sold` (products: item, title, kind, type), `bought` (person, item, seconds) and `also`.

    `also` (item, other) holds what is bought together.
    """
    open_reviews(connection, sources, sample_by="person")
    open_items(connection, sources)
    connection.execute("CREATE TABLE sold AS SELECT item, title, kind, type FROM items")
    connection.execute("CREATE TABLE also AS SELECT item, unnest(also) AS other FROM items")
    # Whoever reviews hundreds of things says little about which two go together.
    connection.execute(
        """CREATE TABLE bought AS
            SELECT * FROM (SELECT person, item, min(seconds) AS seconds FROM reviews WHERE seconds > 0 GROUP BY ALL)
            QUALIFY count(*) OVER (PARTITION BY person) BETWEEN 2 AND 50"""
    )
    connection.execute(
        f"""INSERT INTO also SELECT DISTINCT a.item, b.item FROM bought a JOIN bought b
            ON a.person = b.person AND a.item <> b.item AND abs(a.seconds - b.seconds) <= {DAYS_TOGETHER * 86_400}"""
    )
    histories = sources.files("amazon_reviews_2023/**/user_histories.jsonl")
    if histories:
        need_fields(histories, "user_id", "history", "heldout")
        connection.execute(
            f"""CREATE TABLE owned AS SELECT user_id, unnest(list_append(history, heldout)) AS one
                FROM {json_scan(histories, _HISTORIES)}"""
        )
        connection.execute(
            """INSERT INTO sold SELECT one.parent_asin, one.product.title, lower(one.product.main_category),
                    lower(one.product.main_category)
                FROM owned WHERE length(one.product.title) >= 5"""
        )
        connection.execute(
            """INSERT INTO also SELECT a.one.parent_asin, b.one.parent_asin FROM owned a JOIN owned b
                ON a.user_id = b.user_id AND a.one.parent_asin <> b.one.parent_asin"""
        )


def also_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a product with three or more others bought with it: {"id", "title", "kind", "also", "ever", "others"}.

    "ever": the titles of everything that its buyers bought.
    """
    return neighbours(_also_bought(sources), "others", lambda row: row["also"][0], lambda row: row["kind"], 20)


def _also_bought(sources: SourceFolder) -> Iterator[Row]:
    with database() as connection:
        open_also(connection, sources)
        connection.execute(
            "CREATE TABLE named AS SELECT item, min(title) AS title, min(kind) AS kind FROM sold GROUP BY item"
        )
        # By a hash of both: by the other product's alone, the same few would come first everywhere.
        connection.execute(
            """CREATE TABLE few AS SELECT * FROM (SELECT *, row_number() OVER (
                    PARTITION BY item ORDER BY md5_number_lower(item || other), other) AS turn
                FROM (SELECT DISTINCT item, other FROM also WHERE item <> other
                    AND item IN (SELECT item FROM named) AND other IN (SELECT item FROM named))) WHERE turn <= 12"""
        )
        connection.execute(
            """CREATE TABLE picked AS SELECT item, row_number() OVER (ORDER BY md5_number_lower(item), item) AS place
                FROM few GROUP BY item HAVING count(*) >= 3"""
        )
        found = in_chunks(
            connection,
            "picked",
            """WITH chosen AS (SELECT * FROM picked WHERE place BETWEEN ? AND ?),
                same AS (SELECT c.item, s.item AS listing FROM chosen c JOIN named n USING (item)
                    JOIN named s ON s.title = n.title),
                ever AS (SELECT s.item, b.item AS other FROM same s JOIN bought a ON a.item = s.listing
                        JOIN bought b ON b.person = a.person
                    UNION SELECT s.item, a.other FROM same s JOIN also a ON a.item = s.listing
                    UNION SELECT s.item, a.item FROM same s JOIN also a ON a.other = s.listing),
                known AS (SELECT e.item, list(DISTINCT n.title ORDER BY n.title) AS ever
                    FROM ever e JOIN named n ON n.item = e.other GROUP BY e.item)
                SELECT c.item AS id, any_value(n.title) AS title, any_value(n.kind) AS kind, any_value(k.ever) AS ever,
                    list(o.title ORDER BY f.turn) AS also
                FROM chosen c JOIN few f USING (item) JOIN named n USING (item) JOIN known k USING (item)
                    JOIN named o ON o.item = f.other
                GROUP BY c.place, c.item ORDER BY c.place""",
            first=FIRST_CHUNK,
            largest=LARGEST_CHUNK,
        )
        for row in found:
            titles = [title for title in dict.fromkeys(row["also"]) if title != row["title"]]
            if len(titles) >= 3:
                yield {**row, "also": titles[:8]}


def complement_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a pair of types, the second complementing the first: {"id", "type", "complement", "others"}."""
    said = said_by_model(sources, "amazon_reviews_complement")
    rows: Iterator[Row]
    if said:
        rows = (
            {
                "id": f"{kind}:{one}",
                "type": kind,
                "complement": one,
                "avoid": label["complements"],
                "label_source": "llm",
            }
            for kind, label in sorted(said.items())
            for one in label["complements"]
        )
    else:
        rows = _bought_types(sources)
    return neighbours(rows, "others", lambda row: row["complement"], lambda row: None, 16)


def _bought_types(sources: SourceFolder) -> Iterator[Row]:
    with database() as connection:
        open_also(connection, sources)
        yield from stream(
            connection,
            """WITH named AS (SELECT item, min(type) AS type FROM sold WHERE type <> '' GROUP BY item),
                pairs AS (SELECT n.type, o.type AS complement, count(*) AS times
                    FROM (SELECT DISTINCT item, other FROM also) a JOIN named n USING (item)
                    JOIN named o ON o.item = a.other WHERE n.type <> o.type GROUP BY ALL),
                rated AS (SELECT *, times / sum(times) OVER (PARTITION BY complement) AS share FROM pairs)
                SELECT type || ':' || complement AS id, type, complement, 'metadata' AS label_source,
                    list(complement ORDER BY complement) OVER (PARTITION BY type) AS avoid
                FROM rated QUALIFY row_number() OVER (
                    PARTITION BY type ORDER BY times >= 2 DESC, times * share DESC, complement) <= 3
                ORDER BY md5_number_lower(type || complement), type, complement""",
        )


def complement(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 4, ShopBench's task 10: the category that complements a product type."""
    wrong = [other for other in row["others"] if other != row["type"] and other not in row["avoid"]]
    asked = request(rng, row, COMPLEMENTS, type=row["type"])
    return choice(rng, asked, multiple_choice(row["complement"], wrong, rng))


def also_bought(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 6, ShopBench's task 14: three of fifteen titles that are bought with a product.

    Table 7 calls it a ranking; the answer is a list of three, and the test set scores it as retrieval.
    """
    seen = {same_key(title) for title in (row["title"], *row["also"], *row["ever"])}
    wrong = [title for title in row["others"] if same_key(title) not in seen]
    shown = retrieval(rng.sample(row["also"], 3), wrong, rng, 15, least=7)
    if shown is None:
        return None
    asked = request(rng, row, ALSO_BOUGHT, title=one_line(row["title"], 300), count=shown.count)
    return selection(rng, asked, "Product", shown)


COMPLEMENT_EXAMPLE: Row = {
    "id": "teapot:tea cosy",
    "type": "teapot",
    "complement": "tea cosy",
    "avoid": ["tea cosy", "tea strainer"],
    "others": ["rain boots", "bicycle bell", "wall clock", "garden hose", "oat flour"],
    "label_source": "metadata",
}
ALSO_EXAMPLE: Row = {
    "id": "X1",
    "title": "Hillside Clay Teapot for Two",
    "kind": "home and kitchen",
    "also": ["Wool Tea Cosy", "Steel Tea Strainer", "Clay Cups, Set of Two", "Black Tea, 250 g"],
    "ever": ["Wool Tea Cosy", "Steel Tea Strainer", "Clay Cups, Set of Two", "Black Tea, 250 g", "Bread Knife"],
    "others": ["Rain Boots for Kids", "Bicycle Bell", "Wall Clock, Quiet", "Garden Hose, 15 m", "Oat Flour, 1 kg"],
}

TASKS = (
    DataTask(
        name="amazon_reviews_complement",
        rows=complement_rows,
        to_sample=complement,
        example=COMPLEMENT_EXAMPLE,
        row_id=lambda row: row["id"],
        licence=LICENCE,
        shareable=False,
        domain="knowledge",
        table7=4,
        limit=10_000,
        tags=("llm-labels",),
    ),
    DataTask(
        name="amazon_reviews_also_bought",
        rows=also_rows,
        to_sample=also_bought,
        example=ALSO_EXAMPLE,
        row_id=lambda row: row["id"],
        group=lambda row: row["title"],
        licence=LICENCE,
        shareable=False,
        domain="behaviour",
        table7=6,
        limit=5_815,
    ),
)
