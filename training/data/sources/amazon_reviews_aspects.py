"""Amazon Reviews tasks on what reviews say (Table 7 rows 2 and 3); the schema is in amazon_reviews.py.

The winners had a language model name product type, aspects and snippets. Where `training.synthesize` has done so,
`synthetic/<task>.jsonl` under the sources folder holds, by review id (`review_rows`):
  amazon_reviews_snippets: {"id", "type": "handbag", "aspects":
      [{"aspect": "size", "sentiment": "positive", "snippet": "roomy"}, ...]}
  amazon_reviews_covered_aspects: {"id", "type": "bra", "aspects": ["fit", "comfort", "support"]}
and only those reviews are used. Without it the type is the product's last category, aspects and snippets are
found by cue words (training/data/aspects.py), and a snippet is positive or negative where its own words
(training/data/sentiment.py) and the stars of its review agree: a five-star review may hold a complaint.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.aspects import ASPECTS, covered, snippets
from training.data.formats import DataTask, Row, SourceFolder
from training.data.options import one_line, retrieval, same_key
from training.data.reading import labelled_only, neighbours
from training.data.sentiment import sentiment as sentiment_of
from training.data.sources.amazon_reviews import LICENCE, REVIEW_EXAMPLE, review_rows
from training.data.wordings import request, selection

SNIPPETS = (
    "A customer bought a(n) {type} product and is about to write something {sentiment} about its {aspect}. From the "
    "numbered list, select the 3 snippets the customer would most likely write.",
    "Someone reviews a(n) {type} and feels {sentiment} about the aspect {aspect}. Choose three review snippets from "
    "the list that they would use.",
    "Which three of the following snippets would stand in a review of a(n) {type} that is {sentiment} on {aspect}?",
)
COVERED = (
    "Read the review of a(n) {type} product. Choose the three aspects from the numbered list that it covers.\n"
    "Review: {review}",
    "You are given a review of a(n) {type} and a numbered list of ten aspects. Select 3 aspects that the review "
    "speaks of.\nReview:\n{review}",
    "Which three of the listed aspects does this review of a(n) {type} product mention?\nReview: {review}",
)


def _id(row: Row) -> str:
    return str(row["id"])


def _said(row: Row) -> list[Row]:
    """The snippets of a review with aspect and sentiment, a language model's or the cue words'."""
    if row["label_source"] == "llm":
        said: list[Row] = row["aspects"]
        return said
    if row["rating"] == 3:
        return []
    sentiment = "positive" if row["rating"] > 3 else "negative"
    return [
        {"aspect": aspect, "sentiment": sentiment, "snippet": snippet}
        for aspect, snippet in snippets(one_line(row["text"], 600))
        if sentiment_of(snippet) == sentiment
    ]


def snippet_rows(sources: SourceFolder) -> Iterator[Row]:
    """One row a type, sentiment and aspect: three "snippets" from different reviews, and "others" that do not fit."""
    waiting: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    recent: deque[Row] = deque(maxlen=80)
    for row in labelled_only(sources, "amazon_reviews_snippets", review_rows(sources), _id):
        for said in _said(row)[:3]:
            key = (row["type"], said["sentiment"], said["aspect"])
            same = {same_key(snippet) for snippet in waiting[key]}
            if same_key(said["snippet"]) not in same:
                waiting[key].append(said["snippet"])
            recent.append(said)
            if len(waiting[key]) == 3:
                others = [
                    one["snippet"]
                    for one in recent
                    if one["aspect"] != said["aspect"] or one["sentiment"] != said["sentiment"]
                ]
                yield {
                    "id": f"{row['id']}:{said['aspect']}",
                    "type": row["type"],
                    "sentiment": said["sentiment"],
                    "aspect": said["aspect"],
                    "snippets": waiting.pop(key),
                    "others": others,
                    "label_source": row["label_source"],
                }


def covered_rows(sources: SourceFolder) -> Iterator[Row]:
    """Reviews with the aspects they cover, and aspects of other reviews of the same kind of labels."""
    rows = labelled_only(sources, "amazon_reviews_covered_aspects", review_rows(sources), _id)
    found = ({**row, "aspects": row["aspects"] if "aspects" in row else covered(row["text"])} for row in rows)
    return neighbours(found, "others", lambda row: row["aspects"], lambda row: row["label_source"], 12)


def likely_snippets(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 2, ShopBench's task 3: three of fifteen snippets for a type, a sentiment and an aspect."""
    right = {same_key(snippet) for snippet in row["snippets"]}
    wrong = [snippet for snippet in row["others"] if same_key(snippet) not in right]
    asked = request(rng, row, SNIPPETS, type=row["type"], sentiment=row["sentiment"], aspect=row["aspect"])
    return selection(rng, asked, "Snippet", retrieval(row["snippets"], wrong, rng, 15))


def covered_aspects(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 3, ShopBench's task 7: three of ten aspects that a review covers."""
    mine = list(dict.fromkeys(row["aspects"]))
    if len(mine) < 3:
        return None
    others = [aspect for aspects in row["others"] for aspect in aspects]
    wrong = [aspect for aspect in dict.fromkeys([*others, *ASPECTS]) if aspect not in mine]
    # An aspect that the text names is no wrong option, whoever labelled it.
    review = one_line(row["text"], 1200)
    named = set(covered(review))
    wrong = [aspect for aspect in wrong if aspect not in named and aspect not in review.casefold()]
    shown = retrieval(rng.sample(mine, 3), wrong, rng, 10)
    asked = request(rng, row, COVERED, type=row["type"], review=review)
    return selection(rng, asked, "Aspect", shown)


SNIPPET_EXAMPLE: Row = {
    "id": "R1:color",
    "type": "teapot",
    "sentiment": "positive",
    "aspect": "color",
    "snippets": ["the colour is lovely", "just the shade I wanted", "warm brown colour"],
    "others": [
        "the spout drips",
        "lid does not close",
        "too heavy for me",
        "came in a crushed box",
        "the handle gets hot",
        "cheaper elsewhere",
        "arrived a week late",
        "hard to clean inside",
        "smells of glue",
        "a nice present for my aunt",
        "keeps tea warm for an hour",
        "faded after a month",
        "strainer is too coarse",
    ],
    "label_source": "metadata",
}
COVERED_EXAMPLE: Row = {
    **REVIEW_EXAMPLE,
    "aspects": ["color", "price", "fit"],
    "others": [["smell", "packaging"], ["delivery", "taste", "weight"], ["sound"], ["softness", "zipper"]],
}

TASKS = (
    DataTask(
        name="amazon_reviews_snippets",
        rows=snippet_rows,
        to_sample=likely_snippets,
        example=SNIPPET_EXAMPLE,
        row_id=_id,
        licence=LICENCE,
        shareable=False,
        domain="concepts",
        table7=2,
        limit=7_373,
        tags=("llm-labels",),
    ),
    DataTask(
        name="amazon_reviews_covered_aspects",
        rows=covered_rows,
        to_sample=covered_aspects,
        example=COVERED_EXAMPLE,
        row_id=_id,
        group=lambda row: row["text"],
        licence=LICENCE,
        shareable=False,
        domain="concepts",
        table7=3,
        limit=3_608,
        tags=("llm-labels",),
    ),
)
