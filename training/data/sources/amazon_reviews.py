"""Amazon Reviews (McAuley Lab, UCSD): how it is read; the tasks are in the amazon_reviews_*.py beside.

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

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.formats import Dataset, MissingDataset, Row, SourceFolder
from training.data.reading import Connection, database, in_chunks, json_scan, need_fields, quoted

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
PACKED = (".gz", ".parquet")
IN_OTHER_FORMS = ("user_histories",)
FIRST_CHUNK, LARGEST_CHUNK = 30_000, 120_000

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


def open_reviews(connection: Connection, sources: SourceFolder, sample_by: str) -> None:
    """Make the view `reviews` (id, kind, item, person, rating, title, text, votes, seconds).

    Args:
        sample_by: "item" or "person": what is sampled where the files are larger than READ_BYTES.
    """
    files = [file for file in review_files(sources) if not file.is_meta]
    if not files:
        raise MissingDataset(
            f"{sources}: no reviews under amazon_reviews_2023/ or amazon_reviews_2018/; get them with: "
            "python -m training.data.download amazon_reviews_2023"
        )
    size = sum(Path(file.path).stat().st_size * (3 if file.path.endswith(PACKED) else 1) for file in files)
    share = min(1000, max(1, READ_BYTES * 1000 // max(size, 1)))
    parts = " UNION ALL ".join(f"SELECT {quoted(file.kind)} AS kind, * FROM ({_review_part(file)})" for file in files)
    connection.execute(
        f"""CREATE VIEW reviews AS SELECT md5(item || person || coalesce(text, '') || seconds) AS id, *
            FROM ({parts}) WHERE item <> '' AND person <> '' AND rating BETWEEN 1 AND 5 AND length(text) >= 20
                AND md5_number_lower({sample_by}) % 1000 < {share}"""
    )


def open_items(connection: Connection, sources: SourceFolder) -> None:
    """Make the view `items` (item, title, type, kind, also): products with a title; the type is the last category."""
    files = [file for file in review_files(sources) if file.is_meta]
    parts = [f"SELECT {quoted(file.kind)} AS kind, * FROM ({_item_part(file)})" for file in files]
    parts.append("SELECT '' AS kind, '' AS item, '' AS title, '' AS main, []::VARCHAR[] AS path, []::VARCHAR[] AS also")
    # Categories of 2018 have selling points and broken HTML among them; titles have scripts.
    connection.execute(
        f"""CREATE VIEW items AS SELECT item, title, kind, also, lower(coalesce(
                list_filter(path, lambda one: length(one) BETWEEN 2 AND 40 AND NOT regexp_matches(one, '[.<>$]'))[-1],
                main, kind)) AS type
            FROM ({" UNION ALL ".join(parts)})
            WHERE item <> '' AND length(title) BETWEEN 5 AND 400 AND NOT contains(title, 'getTime')"""
    )


@dataclass(frozen=True)
class ReviewFile:
    """A file of reviews or of metadata; `kind` is its category: "all beauty" for All_Beauty_5.json.gz."""

    path: str
    year: int
    is_meta: bool
    kind: str


def review_files(sources: SourceFolder) -> list[ReviewFile]:
    """The files of reviews and metadata, of both years; what a file is, is told from its folder of the year on."""
    ends = ("jsonl", "json", "jsonl.gz", "json.gz")
    found = sources.files(
        *(f"amazon_reviews_{year}/**/*.{end}" for year in (2018, 2023) for end in ends),
        "amazon_reviews_2023/**/*.parquet",
    )
    return [_review_file(path, sources) for path in found if not Path(path).name.startswith(IN_OTHER_FORMS)]


def _review_file(path: str, sources: SourceFolder) -> ReviewFile:
    inside = Path(path).relative_to(sources.path).parts
    start = next(place for place, part in enumerate(inside) if part.startswith("amazon_reviews_"))
    part = inside[-2] if path.endswith(".parquet") else inside[-1].split(".")[0]
    name = re.sub(r"^(raw_)?(reviews?|meta)_|_5$", "", part)
    is_meta = any("meta_" in one for one in inside[start + 1 :])
    return ReviewFile(path, int(inside[start][-4:]), is_meta, name.replace("_", " ").lower())


def scan(path: str, columns: dict[str, str], *needed: str) -> str:
    """SQL that reads these fields of a file of any of the forms; SourceError if it lacks one of `needed`."""
    need_fields([path], *needed)
    return f"read_parquet({quoted([path])})" if path.endswith(".parquet") else json_scan([path], columns)


def _review_part(file: ReviewFile) -> str:
    if file.year == 2018:
        return f"""SELECT asin AS item, reviewerID AS person, overall::INT AS rating, summary AS title,
            reviewText AS text, coalesce(TRY_CAST(replace(vote, ',', '') AS BIGINT), 0) AS votes,
            coalesce(unixReviewTime, 0) AS seconds
            FROM {scan(file.path, REVIEWS_2018, "asin", "reviewerID", "overall", "reviewText")}"""
    return f"""SELECT parent_asin AS item, user_id AS person, rating::INT AS rating, title, text,
        coalesce(helpful_vote, 0) AS votes, coalesce("timestamp", 0) // 1000 AS seconds
        FROM {scan(file.path, _REVIEWS_2023, "parent_asin", "user_id", "rating", "text")}"""


def _item_part(file: ReviewFile) -> str:
    if file.year == 2018:
        return f"""SELECT asin AS item, title, nullif(main_cat, '') AS main, category AS path, also_buy AS also
            FROM {scan(file.path, META_2018, "asin", "title")}"""
    return f"""SELECT parent_asin AS item, title, nullif(main_category, '') AS main, categories AS path,
        []::VARCHAR[] AS also FROM {scan(file.path, _META_2023, "parent_asin", "title")}"""


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
                    SELECT *, row_number() OVER (PARTITION BY rating ORDER BY md5_number_lower(id), id) AS turn FROM (
                        -- A review may stand in two files, or twice with two titles.
                        SELECT id, kind, item, rating, title, text FROM reviews QUALIFY row_number() OVER (
                            PARTITION BY id ORDER BY title, rating, kind, item, text) = 1))"""
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


REVIEW_EXAMPLE: Row = {
    "id": "R1",
    "type": "teapot",
    "rating": 2,
    "title": "Pretty, but it drips",
    "text": "The colour is lovely and the price was fair. Sadly the spout drips and the lid does not fit well.",
    "label_source": "metadata",
}
