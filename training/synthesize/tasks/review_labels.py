"""Labels of reviews (Table 7 rows 2 and 3): product type, aspects, sentiments, snippets quoted from the review."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from training.data.aspects import ASPECTS, covered
from training.data.formats import Row, SourceFolder
from training.data.options import one_line, same_key
from training.data.sources.amazon_reviews import review_rows
from training.synthesize.checks import Rejected, label, quoted_in
from training.synthesize.tasks.languages import in_language
from training.synthesize.tasks.task import Candidates, CheckQuestion, SynthesisTask

SEEN = 900
"""Characters of a review that the model is shown."""
SHORTEST = {"amazon_reviews_snippets": 8, "amazon_reviews_covered_aspects": 20}
"""Words of a review that can hold what is asked for."""
WHICH_SENTIMENT = "A customer wrote about a product: <<<{snippet}>>>\nWhat does that say about its {aspect}?"
SENTIMENTS = {"positive": "something good", "negative": "something bad"}
NOTHING = "nothing at all"
WHICH_ASPECT = "Review: <<<{text}>>>\nWhich of these does the review speak of?"


def _type(answer: dict[str, Any]) -> str:
    return in_language(label(answer["type"], 3, "type"), "English", "type")


def snippets(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 2: aspects whose snippets are quoted and, read alone, say the same of the aspect."""
    kind, rows = _type(answer), []
    for one in answer["aspects"]:
        snippet = quoted_in(one["snippet"], one_line(row["text"]), "snippet")
        aspect = label(one["aspect"], 3, "aspect")
        if not 2 <= len(snippet.split()) <= 12:
            raise Rejected("length", f"snippet: {snippet}")
        rows.append({"aspect": aspect, "sentiment": one["sentiment"], "snippet": snippet})
    if len({row["aspect"] for row in rows}) < len(rows):
        raise Rejected("repeats itself", f"aspects: {[row['aspect'] for row in rows]}")
    questions = [
        [
            CheckQuestion.on(
                WHICH_SENTIMENT,
                SENTIMENTS[one["sentiment"]],
                [*(text for name, text in SENTIMENTS.items() if name != one["sentiment"]), NOTHING],
                snippet=one["snippet"],
                aspect=one["aspect"],
            )
        ]
        for one in rows
    ]
    return Candidates(rows, questions, joined=lambda kept: {"id": row["id"], "type": kind, "aspects": kept})


def covered_aspects(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """Row 3: three or more aspects that the review speaks of, in words that it says."""
    kind, rows = _type(answer), []
    review = one_line(row["text"], SEEN)
    for one in answer["aspects"]:
        quoted_in(one["quote"], review, one["aspect"])
        rows.append({"aspect": in_language(label(one["aspect"], 3, "aspect"), "English", "aspect")})
    names = [one["aspect"] for one in rows]
    if len(set(map(same_key, names))) < len(names):
        raise Rejected("repeats itself", f"aspects: {names}")
    taken = {*map(same_key, names), *covered(review)}
    absent = [one for one in ASPECTS if one not in taken and one not in review.casefold()]
    questions = [
        [CheckQuestion.on(WHICH_ASPECT, name, rng.sample(absent, min(3, len(absent))), text=review)] for name in names
    ]

    def joined(kept: list[Row]) -> Row:
        return {"id": row["id"], "type": kind, "aspects": [one["aspect"] for one in kept]}

    return Candidates(rows, questions, least=3, joined=joined)


def _reviews(sources: SourceFolder, words: int) -> Iterator[Row]:
    return (row for row in review_rows(sources) if words <= len(row["text"].split()) and len(row["text"]) <= SEEN)


def _values(row: Row, rng: random.Random) -> dict[str, object]:
    return {"department": one_line(row["type"], 40), "text": one_line(row["text"], SEEN)}


TASKS = (
    SynthesisTask(
        name="amazon_reviews_snippets",
        kind="label",
        fields=("type", "text"),
        values=_values,
        make=snippets,
        rows=lambda sources: _reviews(sources, SHORTEST["amazon_reviews_snippets"]),
        source=lambda row: str(row["text"]),
        text=lambda row: "",
        max_tokens=180,
    ),
    SynthesisTask(
        name="amazon_reviews_covered_aspects",
        kind="label",
        fields=("type", "text"),
        values=_values,
        make=covered_aspects,
        rows=lambda sources: _reviews(sources, SHORTEST["amazon_reviews_covered_aspects"]),
        source=lambda row: str(row["text"]),
        text=lambda row: "",
        max_tokens=220,
    ),
)
