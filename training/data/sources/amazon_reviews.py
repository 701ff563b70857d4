"""Amazon Reviews (McAuley Lab, UCSD): how it is read, ratings and helpfulness (Table 7 rows 7 and 36).

The owners state no licence, so weights trained on it are marked as not shareable.

2023 (`McAuley-Lab/Amazon-Reviews-2023`), JSON lines, plain or gzipped, or the Hub's parquet. Reviews: rating,
title, text, asin, parent_asin, user_id, timestamp (ms), helpful_vote, verified_purchase. Metadata (files or
folders with "meta" in their names): main_category, title, categories, store, features, description,
parent_asin, bought_together; `details` and `price`, typed differently in the two forms, are not read.
2018: reviews overall, reviewText, summary, asin, reviewerID, unixReviewTime, vote ("1,024", absent for none);
metadata asin, title, category, main_cat, also_buy, also_view, similar_item, brand.
They lie under `amazon_reviews_2023/` and `amazon_reviews_2018/` in the sources folder.

What is larger than READ_BYTES is sampled by a hash of the user or the product, so that groups stay whole.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import Dataset, DataTask, MissingDataset, Row, SourceFolder, make_sample
from training.data.options import one_line, ranking
from training.data.reading import Connection, database, in_chunks, json_scan, quoted
from training.data.wordings import ENDINGS, ordering, request

LICENCE = "not stated by its owner (research use)"
DATASETS = (
    Dataset(
        "amazon_reviews_2018",
        LICENCE,
        place="Amazon Review Data 2018 of UCSD (a form): <Category>_5.json.gz and meta_<Category>.json.gz",
    ),
    Dataset(
        "amazon_reviews_2023",
        LICENCE,
        "McAuley-Lab/Amazon-Reviews-2023",
        ("raw/review_categories/*.jsonl", "raw/meta_categories/*.jsonl"),
    ),
)
READ_BYTES = 3_000_000_000
FIRST_CHUNK, LARGEST_CHUNK = 30_000, 120_000
HELPFUL_GAINS = (1.0, 0.6, 0.3, 0.1, 0.0)

_REVIEWS_2023 = {
    "rating": "DOUBLE",
    "title": "VARCHAR",
    "text": "VARCHAR",
    "parent_asin": "VARCHAR",
    "user_id": "VARCHAR",
    "timestamp": "BIGINT",
    "helpful_vote": "BIGINT",
}
REVIEWS_2018 = {
    "overall": "DOUBLE",
    "summary": "VARCHAR",
    "reviewText": "VARCHAR",
    "asin": "VARCHAR",
    "reviewerID": "VARCHAR",
    "unixReviewTime": "BIGINT",
    "vote": "VARCHAR",
}
_META_2023 = {
    "parent_asin": "VARCHAR",
    "title": "VARCHAR",
    "main_category": "VARCHAR",
    "categories": "VARCHAR[]",
}
META_2018 = {
    "asin": "VARCHAR",
    "title": "VARCHAR",
    "main_cat": "VARCHAR",
    "category": "VARCHAR[]",
    "also_buy": "VARCHAR[]",
    "also_view": "VARCHAR[]",
    "similar_item": "VARCHAR",
    "brand": "VARCHAR",
}

RATINGS = (
    "Instructions: Rate the review below on a scale of 1 to 5, where 1 is very negative and 5 is very positive.\n"
    "Input: a review of a(n) {type} product\n{review}",
    "How many stars, on a scale of 1 to 5, did the author of this review of a(n) {type} product give?\n{review}",
    "Read the review of a(n) {type} product and estimate its rating on a scale from 1 to 5.\nReview: {review}",
    "On a scale of 1 (very dissatisfied) to 5 (very satisfied), how satisfied is the customer who wrote this review of "
    "a(n) {type} product?\n{review}",
)
HELPFUL = (
    "Customers wrote the {count} reviews below for the product '{title}'. Rank the reviews from the most to the least "
    "helpful for other shoppers.",
    "Given a product titled '{title}' and {count} of its reviews, rank the reviews according to their helpfulness.",
    "Which reviews of '{title}' did other customers find helpful? Rank all {count}, the most helpful first.",
)


def open_reviews(connection: Connection, sources: SourceFolder, sample_by: str) -> None:
    """Make the view `reviews` (id, kind, item, person, rating, title, text, votes, seconds).

    Args:
        sample_by: "item" or "person": what is sampled where the files are larger than READ_BYTES.
    """
    paths = [path for path in review_files(sources) if not is_meta(path)]
    if not paths:
        raise MissingDataset(
            f"{sources}: no reviews under amazon_reviews_2023/ or amazon_reviews_2018/; get them with: "
            "python -m training.data.download amazon_reviews_2023"
        )
    size = sum(Path(path).stat().st_size * (3 if path.endswith((".gz", ".parquet")) else 1) for path in paths)
    share = min(1000, max(1, READ_BYTES * 1000 // size))
    parts = " UNION ALL ".join(
        f"SELECT {quoted(kind_of(path))} AS kind, * FROM ({_review_part(path)})" for path in paths
    )
    connection.execute(
        f"""CREATE VIEW reviews AS SELECT md5(item || person || coalesce(text, '') || seconds) AS id, *
            FROM ({parts}) WHERE item <> '' AND person <> '' AND rating BETWEEN 1 AND 5 AND length(text) >= 20
                AND md5_number_lower({sample_by}) % 1000 < {share}"""
    )


def open_items(connection: Connection, sources: SourceFolder) -> None:
    """Make the view `items` (item, title, type, kind, also): products with a title; the type is the last category."""
    paths = [path for path in review_files(sources) if is_meta(path)]
    parts = [f"SELECT {quoted(kind_of(path))} AS kind, * FROM ({_item_part(path)})" for path in paths]
    parts.append("SELECT '' AS kind, '' AS item, '' AS title, '' AS main, []::VARCHAR[] AS path, []::VARCHAR[] AS also")
    # Categories of 2018 have selling points and broken HTML among them; titles have scripts.
    connection.execute(
        f"""CREATE VIEW items AS SELECT item, title, kind, also, lower(coalesce(
                list_filter(path, lambda one: length(one) BETWEEN 2 AND 40 AND NOT regexp_matches(one, '[.<>$]'))[-1],
                main, kind)) AS type
            FROM ({" UNION ALL ".join(parts)})
            WHERE item <> '' AND length(title) BETWEEN 5 AND 400 AND NOT contains(title, 'getTime')"""
    )


def review_files(sources: SourceFolder) -> list[str]:
    """The files of reviews and metadata, of both years."""
    found = sources.files(
        *(
            f"amazon_reviews_{year}/**/*.{end}"
            for year in (2018, 2023)
            for end in ("jsonl", "json", "jsonl.gz", "json.gz")
        ),
        "amazon_reviews_2023/**/*.parquet",
    )
    return [path for path in found if "user_histories" not in path]


def is_meta(path: str) -> bool:
    """Whether a file holds metadata (else reviews)."""
    return any("meta_" in part for part in Path(path).parts[-3:])


def kind_of(path: str) -> str:
    """The category that a file is of: "all beauty" for raw_review_All_Beauty/full-0.parquet or All_Beauty_5.json.gz."""
    part = Path(path).parent.name if path.endswith(".parquet") else Path(path).name.split(".")[0]
    name = re.sub(r"^(raw_)?(reviews?|meta)_|_5$", "", part)
    return name.replace("_", " ").lower()


def _scan(path: str, columns: dict[str, str]) -> str:
    return f"read_parquet({quoted(path)})" if path.endswith(".parquet") else json_scan([path], columns)


def _review_part(path: str) -> str:
    if "amazon_reviews_2018" in path:
        return f"""SELECT asin AS item, reviewerID AS person, overall::INT AS rating, summary AS title,
            reviewText AS text, coalesce(TRY_CAST(replace(vote, ',', '') AS BIGINT), 0) AS votes,
            coalesce(unixReviewTime, 0) AS seconds FROM {_scan(path, REVIEWS_2018)}"""
    return f"""SELECT parent_asin AS item, user_id AS person, rating::INT AS rating, title, text,
        coalesce(helpful_vote, 0) AS votes, coalesce("timestamp", 0) // 1000 AS seconds
        FROM {_scan(path, _REVIEWS_2023)}"""


def _item_part(path: str) -> str:
    if "amazon_reviews_2018" in path:
        return f"""SELECT asin AS item, title, nullif(main_cat, '') AS main, category AS path, also_buy AS also
            FROM {_scan(path, META_2018)}"""
    return f"""SELECT parent_asin AS item, title, nullif(main_category, '') AS main, categories AS path,
        []::VARCHAR[] AS also FROM {_scan(path, _META_2023)}"""


def review_rows(sources: SourceFolder, balanced: bool = False) -> Iterator[Row]:
    """One row a review: {"id", "type", "rating", "title", "text"}, in hash order.

    Args:
        balanced: the five ratings take turns, for as long as there are some of each.
    """
    order = "turn, rating, id" if balanced else "md5_number_lower(id), id"
    with database() as connection:
        open_reviews(connection, sources, sample_by="item")
        open_items(connection, sources)
        connection.execute(
            f"""CREATE TABLE picked AS SELECT *, row_number() OVER (ORDER BY {order}) AS place FROM (
                    SELECT id, kind, item, rating, title, text,
                        row_number() OVER (PARTITION BY rating ORDER BY md5_number_lower(id), id) AS turn
                    FROM reviews QUALIFY row_number() OVER (PARTITION BY id ORDER BY kind) = 1)"""
        )
        found = in_chunks(
            connection,
            "picked",
            """SELECT p.id, p.rating, p.title, p.text, coalesce(any_value(i.type ORDER BY i.type), p.kind) AS type
                FROM (SELECT * FROM picked WHERE place BETWEEN ? AND ?) p LEFT JOIN items i USING (item)
                GROUP BY p.place, p.id, p.rating, p.title, p.text, p.kind ORDER BY p.place""",
            first=FIRST_CHUNK,
            largest=LARGEST_CHUNK,
        )
        yield from found


def rating_rows(sources: SourceFolder) -> Iterator[Row]:
    """Reviews, the five ratings in turns: four of five real reviews have five stars, and a model would just say so."""
    return review_rows(sources, balanced=True)


def helpful_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a product with five or more reviews of different numbers of votes: {"id", "title", "reviews"}."""
    with database() as connection:
        open_reviews(connection, sources, sample_by="item")
        open_items(connection, sources)
        connection.execute(
            """CREATE TABLE picked AS
                SELECT *, row_number() OVER (ORDER BY md5_number_lower(item), item) AS place FROM (
                SELECT item, any_value(kind ORDER BY kind) AS kind,
                    list({'text': text, 'votes': votes} ORDER BY md5_number_lower(id), id) AS reviews
                FROM (SELECT * FROM reviews QUALIFY row_number() OVER (
                    PARTITION BY item, votes ORDER BY md5_number_lower(id), id) = 1)
                GROUP BY item HAVING count(*) >= 5)"""
        )
        yield from in_chunks(
            connection,
            "picked",
            """SELECT p.item AS id, p.reviews,
                    coalesce(any_value(i.title ORDER BY i.title), 'a(n) ' || p.kind || ' product') AS title
                FROM (SELECT * FROM picked WHERE place BETWEEN ? AND ?) p LEFT JOIN items i USING (item)
                GROUP BY p.place, p.item, p.kind, p.reviews ORDER BY p.place""",
            first=FIRST_CHUNK,
            largest=LARGEST_CHUNK,
        )


def rating(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 7, ShopBench's task 15: the rating of a review; the answer is 1 to 5, there is no option list."""
    review = "\n".join(part for part in (one_line(row["title"], 150), one_line(row["text"], 1500)) if part)
    question = request(rng, row, RATINGS, type=row["type"], review=review) + rng.choice(ENDINGS)
    return make_sample(question, row["rating"], TaskType.MULTIPLE_CHOICE, "accuracy")


def rank_helpful(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 36: rank five reviews of a product by how many customers found them helpful."""
    chosen = sorted(rng.sample(row["reviews"], 5), key=lambda review: -review["votes"])
    if chosen[0]["votes"] < 3:  # one vote more or less says nothing
        return None
    options = [(one_line(review["text"]), gain) for review, gain in zip(chosen, HELPFUL_GAINS, strict=True)]
    asked = request(rng, row, HELPFUL, title=one_line(row["title"], 250), count=5)
    return ordering(rng, asked, "Review", ranking(options, rng))


REVIEW_EXAMPLE: Row = {
    "id": "R1",
    "type": "teapot",
    "rating": 2,
    "title": "Pretty, but it drips",
    "text": "The colour is lovely and the price was fair. Sadly the spout drips and the lid does not fit well.",
    "label_source": "metadata",
}
HELPFUL_EXAMPLE: Row = {
    "id": "X1",
    "title": "Hillside Clay Teapot for Two",
    "reviews": [
        {"text": "I have used it daily for a year; the glaze holds, but warm it up before you pour.", "votes": 41},
        {"text": "Holds two cups exactly, measured with a jug.", "votes": 17},
        {"text": "Spout drips a little if you fill it to the brim.", "votes": 6},
        {"text": "Nice gift for my aunt.", "votes": 1},
        {"text": "Came on a Tuesday as promised.", "votes": 0},
    ],
}

TASKS = (
    DataTask(
        name="amazon_reviews_rating",
        rows=rating_rows,
        to_sample=rating,
        example=REVIEW_EXAMPLE,
        row_id=lambda row: row["id"],
        group=lambda row: row["text"],
        licence=LICENCE,
        shareable=False,
        domain="behaviour",
        table7=7,
        limit=10_000,
    ),
    DataTask(
        name="amazon_reviews_rank_helpful",
        rows=helpful_rows,
        to_sample=rank_helpful,
        example=HELPFUL_EXAMPLE,
        row_id=lambda row: row["id"],
        licence=LICENCE,
        shareable=False,
        domain="behaviour",
        table7=36,
        limit=10_000,
    ),
)
