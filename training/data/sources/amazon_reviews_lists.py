"""Amazon Reviews as lists: the bullet points of a product, and reviews by their rating; schema: amazon_reviews.py.

The winners' Table 7 has such lists of ESCI (row 27) and ECInstruct (row 28). These are of data that the embedded
model is not trained on, so its measure of unseen tasks asks them (training/recipes/embedded.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import DataTask, MissingDataset, Row, SourceFolder
from training.data.options import same_key
from training.data.reading import database, neighbours, quoted, stream
from training.data.sources.amazon_reviews import LICENCE, ReviewFile, review_files, review_rows, scan
from training.data.sources.ecinstruct_lists import REVIEWS_EXAMPLE, rank_reviews
from training.data.sources.esci import telling_lines
from training.data.sources.esci_match import three_bullets
from training.data.star_ratings import states_rating

LOWEST, HIGHEST = 1, 5
WAITING = 1000
"""Reviews of one rating that wait for the others at most."""


def bullet_rows(sources: SourceFolder) -> Iterator[Row]:
    """Products in hash order: {"id", "kind", "title", "bullets", "others"}, the last: bullet points of some others."""
    files = [file for file in review_files(sources) if file.is_meta]
    if not files:
        raise MissingDataset(
            f"{sources}: no metadata under amazon_reviews_2023/ or amazon_reviews_2018/; get them with: "
            "python -m training.data.download amazon_reviews_2023"
        )
    parts = " UNION ALL ".join(map(_bullets_of, files))
    with database() as connection:
        found = stream(
            connection,
            f"""SELECT item AS id, any_value(kind ORDER BY kind) AS kind, any_value(title ORDER BY title) AS title,
                any_value(bullets ORDER BY bullets) AS bullets
                FROM ({parts}) WHERE length(title) BETWEEN 5 AND 400 AND len(bullets) >= 3
                GROUP BY item ORDER BY md5_number_lower(item), item""",
        )
        yield from neighbours(found, "others", lambda row: row["bullets"], lambda row: row["kind"])


def _bullets_of(file: ReviewFile) -> str:
    item, bullets = ("asin", "feature") if file.year == 2018 else ("parent_asin", "features")
    columns = {item: "VARCHAR", "title": "VARCHAR", bullets: "VARCHAR[]"}
    # In JSON a field may be absent where it is empty; a table of Parquet has it for all rows or for none.
    needed = (item, "title", bullets) if file.path.endswith(".parquet") else (item, "title")
    read = scan(file.path, columns, *needed)
    return f"SELECT {quoted(file.kind)} AS kind, {item} AS item, title, {bullets} AS bullets FROM {read}"


def bullets_of_product(row: Row, rng: random.Random) -> Sample | None:
    """Three bullet points of a product among those of other products of its category."""
    mine = telling_lines(row["bullets"])
    if len(mine) < 3:
        return None
    own = set(map(same_key, mine))
    wrong = [point for others in row["others"] for point in telling_lines(others) if same_key(point) not in own]
    return three_bullets(row, row["title"], mine, wrong, rng)


def rated_reviews(sources: SourceFolder) -> Iterator[Row]:
    """Five reviews a row, one of each rating, until one rating has no more; none says its own rating."""
    waiting: dict[int, list[Row]] = {rating: [] for rating in range(LOWEST, HIGHEST + 1)}
    for review in review_rows(sources, balanced=True):
        rating = review["rating"]
        if states_rating(review["text"]) or len(waiting[rating]) == WAITING:
            continue
        waiting[rating].append({"id": review["id"], "text": review["text"], "level": HIGHEST - rating})
        if all(waiting.values()):
            yield {"reviews": [waiting[rating].pop(0) for rating in sorted(waiting, reverse=True)]}


BULLET_EXAMPLE: Row = {
    "id": "X1",
    "kind": "kitchen",
    "title": "Ridgeway Brass Kettle, 2 Litres",
    "bullets": ["Whistles when the water boils", "Fits gas and electric stoves", "Handle stays cool to the touch"],
    "others": [
        ["Dries in an hour on the line", "Woven from long cotton"],
        ["Cuts bread and cake alike", "Washes by hand in no time"],
    ],
}

TASKS = (
    DataTask(
        name="amazon_reviews_bullets",
        rows=bullet_rows,
        to_sample=bullets_of_product,
        example=BULLET_EXAMPLE,
        row_id=lambda row: row["id"],
        group=lambda row: same_key(row["title"]),
        licence=LICENCE,
        shareable=False,
        domain="concepts",
    ),
    DataTask(
        name="amazon_reviews_rank_ratings",
        rows=rated_reviews,
        to_sample=rank_reviews,
        example=REVIEWS_EXAMPLE,
        row_id=lambda row: ":".join(review["id"] for review in row["reviews"]),
        licence=LICENCE,
        shareable=False,
        domain="concepts",
    ),
)
