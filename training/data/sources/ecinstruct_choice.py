"""ECInstruct rows as multiple choice in ShopBench's form (Table 7 rows 12, 13, 15-19); schema in ecinstruct.py, which
says too what the two settings of the published file are to these rows: row 17 takes both, the others the first.

Letters become numbers, options are shuffled, yes/no become two options. Products 1 and 2 of Product_Matching swap
places in half of the samples. Rows 12, 13 and 15 were worded by a language model: `synthetic/wordings.jsonl`
may hold its requests for a task (see `wordings_of_model`), `synthetic/<task>.jsonl` {"id", "wording"} by row id, with
the same placeholders as those here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from shopbench.sample import Sample
from training.data.formats import DataTask, Reader, Row, SourceFolder, ToSample
from training.data.options import Shown, draw_style, multiple_choice, one_line
from training.data.reading import with_labels
from training.data.sources.ecinstruct import (
    AP,
    EXAMPLES,
    LICENCE,
    MPC,
    PM,
    PRP,
    PSI,
    SA,
    SR,
    copy_of,
    letter_place,
    option_texts,
    product_fields,
    read_rows,
    says_yes,
    value,
)
from training.data.wordings import choice, request

RELEVANCE = (
    "How relevant is the product '{title}' to the query '{query}'?",
    "Query: {query}\nProduct Title: {title}\nSelect the statement that describes the relevance of the product.",
    "A shopper searches for '{query}' and finds '{title}'. Which of the following is true?",
)
RELATIONS = (
    "What is the relation between these two products?\nProduct 1: {first}\nProduct 2: {second}",
    "Product 1 is '{first}' and product 2 is '{second}'. Which statement describes how they are related?",
    "Select how product 1, '{first}', is related to product 2, '{second}'.",
)
NEXT = (
    "A user bought the following products, oldest first:\n{history}\nWhich product will the user most likely buy next?",
    "Purchase history, in order of time:\n{history}\nPick the product that this user will want next.",
    "Given what a customer has purchased so far, predict the next purchase.\n{history}",
)
ANSWERABLE = (
    "Can the question about a product be answered from these reviews?\nQuestion: {question}\nReviews: {text}",
    "A customer asks: {question}\nThe reviews of the product say: {text}\nDo they hold the answer?",
    "Decide whether the reviews are enough to answer the question.\nQuestion: {question}\nReviews: {text}",
)
SAME = (
    "Do these two entries describe the same product?\nProduct 1: {first}\nProduct 2: {second}",
    "Two shops list the products below. Are they identical?\nProduct 1: {first}\nProduct 2: {second}",
    "Compare the two products and decide if they are one and the same.\nProduct 1: {first}\nProduct 2: {second}",
)
SUBSTITUTE = (
    "Is the product '{title}' a substitute for what the query '{query}' asks for: not quite that, but of use instead?",
    "Query: {query}\nProduct: {title}\nIs the product a substitute, one that misses a part of the query but could be "
    "used instead?",
    "A search for '{query}' shows '{title}'. Is it only a substitute for what was searched?",
)
SENTIMENT = (
    "What is the sentiment of this review?\nReview: {review}",
    "Read the review and select how its author feels about the product.\nReview: {review}",
    "How satisfied is the customer who wrote the following?\n{review}",
)
DOCUMENT_CHARACTERS = 6000
"""Reviews that a question is asked of are cut here, where the prompt would get too long: any of them may answer it."""
_ORDINAL = re.compile(r"^\d+(?:st|nd|rd|th): ")
YES_NO = (("yes", "no"), ("Yes", "No"), ("Yes, it is so.", "No, it is not so."))


def rows_with_wording(task: str, name: str) -> Reader:
    """A reader of a task's training rows with a language model's wordings, where there are some."""

    def rows(sources: SourceFolder) -> Iterator[Row]:
        return with_labels(sources, name, read_rows(sources, task), _id)

    rows.__doc__ = f"rows of task {task}, of split train"  # for who has none
    return rows


def _id(row: Row) -> str:
    return str(row["id"])


def _lettered(row: Row, rng: random.Random, asked: str, most: int = 9) -> Sample | None:
    """The row's own options, shuffled, at most `most` of them."""
    place, options = letter_place(row), option_texts(row)
    if place is None:
        return None
    wrong = options[:place] + options[place + 1 :]
    return choice(rng, asked, multiple_choice(options[place], wrong, rng, min(most, len(options))))


def _yes_no(row: Row, rng: random.Random, asked: str) -> Sample | None:
    answer = says_yes(row)
    if answer is None:
        return None
    yes_first = rng.random() < 0.5
    yes, no = rng.choice(YES_NO)
    style = draw_style(rng)
    shown = Shown(style.show([yes, no] if yes_first else [no, yes]), style.first + int(answer != yes_first), style)
    return choice(rng, asked, shown)


def relevance(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 12: relevance of a product to a query."""
    given = product_fields(row, "query", "product title")
    if not given:
        return None
    asked = request(rng, row, RELEVANCE, title=one_line(given["product title"], 300), query=one_line(given["query"]))
    return _lettered(row, rng, asked)


def relation(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 13: relation of two products."""
    given = product_fields(row, "product 1", "product 2")
    if not given:
        return None
    first, second = one_line(given["product 1"], 300), one_line(given["product 2"], 300)
    return _lettered(row, rng, request(rng, row, RELATIONS, first=first, second=second))


def next_purchase(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 15: the next purchase, among four to nine of the twenty options; the last ten purchases are shown."""
    listed = value(row["input"])
    if not isinstance(listed, list) or not listed:
        return None
    history = "\n".join(f"- {_ORDINAL.sub('', one_line(item, 160))}" for item in listed[-10:])
    asked = request(rng, row, NEXT, history=history)
    return _lettered(row, rng, asked, most=rng.randint(4, 9))


def answerable(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 16: is a question answerable from reviews?"""
    given = product_fields(row, "question", "document")
    if not given:
        return None
    text = given["document"]
    text = " ".join(map(str, text)) if isinstance(text, list) else text
    asked = request(
        rng, row, ANSWERABLE, question=one_line(given["question"], 300), text=one_line(text, DOCUMENT_CHARACTERS)
    )
    return _yes_no(row, rng, asked)


def same_product(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 17: are two products the same?"""
    given = product_fields(row, "product 1", "product 2")
    if not given:
        return None
    pair = [_described(given["product 1"]), _described(given["product 2"])]
    if rng.random() < 0.5:
        pair.reverse()
    return _yes_no(row, rng, request(rng, row, SAME, first=pair[0], second=pair[1]))


def _described(product: Any) -> str:
    fields = product.items() if isinstance(product, dict) else [("title", product)]
    shown = [f"{name}: {one_line(text, 500)}" for name, text in fields if one_line(text).lower() not in ("", "nan")]
    return "; ".join(shown)


def substitute(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 18: is a product a substitute?"""
    given = product_fields(row, "query", "product")
    if not given:
        return None
    asked = request(rng, row, SUBSTITUTE, title=one_line(given["product"], 300), query=one_line(given["query"]))
    return _yes_no(row, rng, asked)


def sentiment(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 19: the sentiment of a review."""
    asked = request(rng, row, SENTIMENT, review=one_line(row["input"], 1500))
    return _lettered(row, rng, asked)


def _task(
    name: str,
    number: int,
    task: str,
    to_sample: ToSample,
    domain: str,
    limit: int = 10_000,
    wordings: tuple[str, ...] = (),
) -> DataTask:
    return DataTask(
        name=name,
        rows=rows_with_wording(task, name),
        to_sample=to_sample,
        example=EXAMPLES[task],
        row_id=_id,
        group=lambda row: row["input"],
        setting=copy_of,
        licence=LICENCE,
        shareable=True,
        domain=domain,
        table7=number,
        limit=limit,
        wordings=wordings,
    )


TASKS = (
    _task("ecinstruct_relevance", 12, MPC, relevance, "behaviour", wordings=RELEVANCE),
    _task("ecinstruct_relation", 13, PRP, relation, "knowledge", wordings=RELATIONS),
    _task("ecinstruct_next_purchase", 15, SR, next_purchase, "behaviour", wordings=NEXT),
    _task("ecinstruct_answerable", 16, AP, answerable, "knowledge"),
    _task("ecinstruct_same_product", 17, PM, same_product, "concepts", limit=4_044),
    _task("ecinstruct_substitute", 18, PSI, substitute, "behaviour"),
    _task("ecinstruct_sentiment", 19, SA, sentiment, "concepts"),
)
