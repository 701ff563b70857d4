"""Amazon-M2 (KDD Cup 2023): multilingual shopping sessions (Table 7 rows 9, 10, 31).

Published as `products_train.csv` (id, locale, title, price, brand, color, size, model, material, author, desc)
and `sessions_train.csv` (prev_items, a printed numpy array of ids; next_item; locale), with locales UK, DE, JP,
ES, FR, IT; under `amazon_m2/` in the sources folder. A product keeps its id in every locale it is sold in, which
makes the parallel titles and descriptions. The competition's test sessions hold no labels and are not read.

Texts that end in "..." were cut by whoever printed them and are left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby

from shopbench.sample import Sample
from training.data.formats import Dataset, DataTask, Row, SourceFolder
from training.data.options import multiple_choice, one_line, retrieval
from training.data.reading import (
    Connection,
    database,
    in_chunks,
    need_columns,
    need_rows,
    neighbours,
    quoted,
    stream,
)
from training.data.wordings import choice, request, selection, written

DATASETS = (
    Dataset(
        "amazon_m2",
        "Apache-2.0",
        place="KDD Cup 2023 on AIcrowd (login; accept the rules): products_train.csv and sessions_train.csv",
    ),
)
LICENCE = DATASETS[0].licence
LANGUAGES = {"UK": "English", "DE": "German", "JP": "Japanese", "ES": "Spanish", "FR": "French", "IT": "Italian"}
SESSIONS_AT_ONCE = 40_000

TITLES = (
    "A product is sold as '{text}'. Write the title it should carry on a(n) {language} online shop.",
    "Translate the product title '{text}' into {language}.",
    "On an online store a user found a product with the title '{text}'. Give a fitting {language} title for it.",
    "Write a {language} product title for the item known as '{text}'.",
)
DESCRIPTIONS = (
    "A product is described as '{text}'. Which of the following may describe the same product in another language?",
    "Which of these descriptions, in a different language, may belong to the product with the description '{text}'?",
    "A shop describes a product with the words '{text}'. Select what a shop abroad may say about the same product.",
)
CLICKS = (
    "A user has just bought the product '{title}'. Select the 3 products from the list that the user clicked on "
    "before the purchase.",
    "Someone ended a shopping session by buying '{title}'. Which three of the following products did they look at "
    "earlier in the session?",
    "The last product of a shopping session was '{title}'. Choose three products that were viewed before it.",
)


def open_products(connection: Connection, sources: SourceFolder) -> None:
    """Make the view `products` (the published columns)."""
    paths = sources.need_files("amazon_m2", "amazon_m2/**/products_train*.csv")
    connection.execute(f"CREATE VIEW raw_products AS SELECT * FROM {csv_scan(paths)}")
    need_columns(connection, "raw_products", paths[0], "id", "locale", "title", "brand", "color", "material", "desc")
    known = f"(SELECT 1 FROM raw_products WHERE upper(locale) IN ({', '.join(map(quoted, LANGUAGES))}))"
    need_rows(connection, known, "raw_products", paths[0], {"locale": ", ".join(LANGUAGES)})
    # A product that stands in two files, or twice in one, counts once.
    connection.execute(
        f"""CREATE VIEW products AS SELECT * REPLACE (upper(locale) AS locale) FROM raw_products
            WHERE title <> '' AND title NOT LIKE '%...' AND upper(locale) IN ({", ".join(map(quoted, LANGUAGES))})
            QUALIFY row_number() OVER (PARTITION BY id, upper(locale)
                ORDER BY title, "desc", brand, color, material) = 1"""
    )


def csv_scan(paths: list[str]) -> str:
    """SQL that reads published CSV files, all columns as text."""
    return f"""read_csv({quoted(paths)}, header=true, all_varchar=true, delim=',', quote='"', escape='"')"""


def parallel_rows(sources: SourceFolder, field: str, shortest: int = 10) -> Iterator[Row]:
    """One row a product and pair of locales: {"id", "source", "target", "text", "translation"}.

    Pairs of locales take turns, those from English four times as often as the others, as in ShopBench.
    """
    with database() as connection:
        open_products(connection, sources)
        connection.execute(
            f"""CREATE TABLE texts AS SELECT id, locale, "{field}" AS text FROM products
                WHERE length("{field}") >= {shortest} AND "{field}" NOT LIKE '%...'
                QUALIFY row_number() OVER (PARTITION BY id, locale ORDER BY text) = 1"""
        )
        yield from stream(
            connection,
            """SELECT id, source, target, text, translation FROM (
                SELECT a.id, a.locale AS source, b.locale AS target, a.text, b.text AS translation,
                    row_number() OVER (PARTITION BY a.locale, b.locale ORDER BY md5_number_lower(a.id), a.id) AS turn
                FROM texts a JOIN texts b ON a.id = b.id AND a.locale <> b.locale
                WHERE lower(a.text) <> lower(b.text))
            ORDER BY CASE WHEN source = 'UK' THEN turn ELSE 4 * turn END, source, target, id""",
        )


def title_rows(sources: SourceFolder) -> Iterator[Row]:
    """Titles of one product in two locales."""
    return parallel_rows(sources, "title")


def description_rows(sources: SourceFolder) -> Iterator[Row]:
    """Descriptions of one product in two locales, with descriptions of other products in all of them."""
    return neighbours(parallel_rows(sources, "desc"), "others", lambda row: row["translation"], lambda row: None, 12)


def session_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a session of three or more clicked products and a purchase, with titles of the locale's others."""
    return neighbours(_sessions(sources), "others", lambda row: row["clicks"][0], lambda row: row["locale"], 14)


def _sessions(sources: SourceFolder) -> Iterator[Row]:
    with database() as connection:
        open_products(connection, sources)
        paths = sources.need_files("amazon_m2", "amazon_m2/**/sessions_train.csv")
        connection.execute(f"CREATE VIEW raw_sessions AS SELECT * FROM {csv_scan(paths)}")
        need_columns(connection, "raw_sessions", paths[0], "prev_items", "next_item", "locale")
        connection.execute(
            """CREATE TABLE sessions AS SELECT *, row_number() OVER (
                    ORDER BY md5_number_lower(locale || next_item || items::VARCHAR), locale, next_item, items) AS place
                FROM (SELECT DISTINCT upper(locale) AS locale, next_item,
                    list_distinct(list_filter(regexp_extract_all(prev_items, '[0-9A-Z]{10}'),
                        lambda item: item <> next_item)).list_sort() AS items
                    FROM raw_sessions WHERE next_item <> '') WHERE len(items) >= 3"""
        )
        found = in_chunks(
            connection,
            "sessions",
            """SELECT s.place, s.locale, s.next_item AS id, p.id = s.next_item AS bought, p.id AS item, p.title
                FROM (SELECT place, locale, next_item, unnest(list_append(items, next_item)) AS item
                    FROM sessions WHERE place BETWEEN ? AND ?) s
                JOIN products p ON p.id = s.item AND p.locale = s.locale
                ORDER BY s.place, bought, p.id""",
            first=SESSIONS_AT_ONCE,
            largest=4 * SESSIONS_AT_ONCE,
        )
        for place, members in groupby(found, key=lambda row: row["place"]):
            session = list(members)
            if len(session) >= 4 and session[-1]["bought"]:
                yield {
                    "id": f"{session[0]['id']}:{place}",
                    "locale": session[0]["locale"],
                    "purchase": session[-1]["title"],
                    "clicks": [one["title"] for one in session[:-1]],
                }


def title_in_language(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 9, ShopBench's task 17: a product's title in another language."""
    text, translation = one_line(row["text"], 250), one_line(row["translation"], 200)
    metric = "jp-bleu" if row["target"] == "JP" else "bleu"
    asked = request(rng, row, TITLES, text=text, language=LANGUAGES[row["target"]])
    return written(rng, asked, translation, metric)


def description_in_language(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 10, ShopBench's task 18: the same product's description in another language."""
    asked = request(rng, row, DESCRIPTIONS, text=one_line(row["text"], 400))
    shown = multiple_choice(row["translation"], row["others"], rng)
    return choice(rng, asked, shown)


def previous_clicks(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 31: three products clicked before a purchase, among others of the same shop."""
    seen = {row["purchase"], *row["clicks"]}
    wrong = [title for title in row["others"] if title not in seen]
    right = rng.sample(row["clicks"], 3)
    shown = retrieval(right, wrong, rng, 15, least=7)
    asked = request(rng, row, CLICKS, title=one_line(row["purchase"], 300))
    return selection(rng, asked, "Product", shown)


TITLE_EXAMPLE: Row = {
    "id": "Z1",
    "source": "UK",
    "target": "DE",
    "text": "Brindle Wool Blanket 130 x 180 cm, Dark Green",
    "translation": "Brindle Wolldecke 130 x 180 cm, dunkelgrün",
}
DESCRIPTION_EXAMPLE: Row = {
    "id": "Z1",
    "source": "UK",
    "target": "FR",
    "text": "Woven from the wool of mountain sheep, warm even when damp.",
    "translation": "Tissée en laine de moutons de montagne, chaude même humide.",
    "others": [
        "Stahlkanne mit Sieb für zwei Tassen Tee.",
        "子ども用の長靴、滑りにくい底。",
        "Campana de latón para el manillar de la bicicletta.",
        "Orologio da parete silenzioso con cifre grandi.",
    ],
}
SESSION_EXAMPLE: Row = {
    "id": "Z1:1",
    "locale": "UK",
    "purchase": "Brindle Wool Blanket 130 x 180 cm, Dark Green",
    "clicks": ["Fleece Blanket 150 x 200 cm", "Brindle Wool Blanket, Grey", "Tartan Throw for Sofas"],
    "others": [
        "Steel Teapot with Strainer",
        "Rain Boots for Kids, Yellow",
        "Brass Bicycle Bell",
        "Quiet Wall Clock, 30 cm",
        "Garden Hose, 15 m",
        "Oat Flour, 1 kg",
    ],
}

TASKS = (
    DataTask(
        name="amazon_m2_title_in_language",
        rows=title_rows,
        to_sample=title_in_language,
        example=TITLE_EXAMPLE,
        row_id=lambda row: f"{row['id']}:{row['source']}:{row['target']}",
        group=lambda row: row["id"],
        licence=LICENCE,
        shareable=True,
        domain="multilingual",
        table7=9,
        limit=10_000,
    ),
    DataTask(
        name="amazon_m2_description_in_language",
        rows=description_rows,
        to_sample=description_in_language,
        example=DESCRIPTION_EXAMPLE,
        row_id=lambda row: f"{row['id']}:{row['source']}:{row['target']}",
        group=lambda row: row["id"],
        licence=LICENCE,
        shareable=True,
        domain="multilingual",
        table7=10,
        limit=10_000,
    ),
    DataTask(
        name="amazon_m2_previous_clicks",
        rows=session_rows,
        to_sample=previous_clicks,
        example=SESSION_EXAMPLE,
        row_id=lambda row: row["id"],
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        table7=31,
        limit=10_000,
    ),
)
