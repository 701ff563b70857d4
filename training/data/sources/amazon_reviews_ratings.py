"""Amazon Reviews tasks on ratings and on helpfulness (Table 7 rows 7 and 36); the schema is in amazon_reviews.py.

Many reviews say their rating: Amazon itself headed old ones "Five Stars". Such a title is left out, a review whose
text says so is not used (training/data/star_ratings.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import DataTask, Row, SourceFolder, make_sample
from training.data.options import one_line, ranking
from training.data.reading import database, in_chunks
from training.data.sources.amazon_reviews import (
    FIRST_CHUNK,
    LARGEST_CHUNK,
    LICENCE,
    REVIEW_EXAMPLE,
    open_items,
    open_reviews,
    review_rows,
)
from training.data.star_ratings import states_rating
from training.data.wordings import ENDINGS, ordering, request

HELPFUL_GAINS = (1.0, 0.6, 0.3, 0.1, 0.0)

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
HELPFUL_UNTITLED = (
    "Customers wrote the {count} reviews below, all for one product of the category {kind}. Rank the reviews from the "
    "most to the least helpful for other shoppers.",
    "Given {count} reviews of the same product (category: {kind}), rank the reviews according to their helpfulness.",
    "Which of these reviews of a product of the category {kind} did other customers find helpful? Rank all {count}, "
    "the most helpful first.",
)


def rating_rows(sources: SourceFolder) -> Iterator[Row]:
    """Reviews, the five ratings in turns: four of five real reviews have five stars, and a model would just say so."""
    return review_rows(sources, balanced=True)


def helpful_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a product with five or more reviews of different numbers of votes: {"id", "kind", "title", "reviews"}.

    "title" is None where the metadata lack the product.
    """
    with database() as connection:
        open_reviews(connection, sources, sample_by="item")
        open_items(connection, sources)
        connection.execute(
            """CREATE TABLE picked AS
                SELECT *, row_number() OVER (ORDER BY md5_number_lower(item), item) AS place FROM (
                SELECT item, any_value(kind ORDER BY kind) AS kind,
                    list({'text': text, 'votes': votes} ORDER BY md5_number_lower(id), id) AS reviews
                FROM (SELECT * FROM reviews QUALIFY row_number() OVER (
                    PARTITION BY item, votes ORDER BY md5_number_lower(id), id, kind) = 1)
                GROUP BY item HAVING count(*) >= 5)"""
        )
        yield from in_chunks(
            connection,
            "picked",
            """SELECT p.item AS id, p.kind, p.reviews, any_value(i.title ORDER BY i.title) AS title
                FROM (SELECT * FROM picked WHERE place BETWEEN ? AND ?) p LEFT JOIN items i USING (item)
                GROUP BY p.place, p.item, p.kind, p.reviews ORDER BY p.place""",
            first=FIRST_CHUNK,
            largest=LARGEST_CHUNK,
        )


def rating(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 7, ShopBench's task 15: the rating of a review; the answer is 1 to 5, there is no option list."""
    title = one_line(row["title"], 150)
    if states_rating(row["text"]):
        return None
    review = "\n".join(part for part in ("" if states_rating(title) else title, one_line(row["text"], 1500)) if part)
    question = request(rng, row, RATINGS, type=row["type"], review=review) + rng.choice(ENDINGS)
    return make_sample(question, row["rating"], TaskType.MULTIPLE_CHOICE, "accuracy")


def rank_helpful(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 36: rank five reviews of a product by how many customers found them helpful."""
    chosen = sorted(rng.sample(row["reviews"], 5), key=lambda review: -review["votes"])
    if chosen[0]["votes"] < 3:  # one vote more or less says nothing
        return None
    options = [(one_line(review["text"]), gain) for review, gain in zip(chosen, HELPFUL_GAINS, strict=True)]
    title = one_line(row["title"], 250)
    if title:
        asked = request(rng, row, HELPFUL, title=title, count=5)
    else:
        asked = request(rng, row, HELPFUL_UNTITLED, kind=row["kind"], count=5)
    return ordering(rng, asked, "Review", ranking(options, rng))


HELPFUL_EXAMPLE: Row = {
    "id": "X1",
    "kind": "home and kitchen",
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
