"""Instructions for ECInstruct tasks built from raw sources: five to train on, the last kept unseen (as eCeLLM does).

The published file has its own; these say the same in other words.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from shopbench.ecinstruct import AG, AP, AVE, MPC, PM, PRP, PSI, QPR, SA, SR
from training.data.formats import Row

INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    AVE: (
        "Read what the shop says about the product and give the values of the target attributes, each with the field "
        "that it comes from.",
        "For every target attribute, copy its value from the product's fields and name the field. Write None where "
        "no field tells it.",
        "List the target attributes as objects of attribute, value and source, as the product information has them.",
        "Look up the target attributes in title, description, features, price and brand; report value and source.",
        "From the fields of this product, pull out what they say on the target attributes and where they say it.",
        "Tell the value of each target attribute of the product, together with the field where you read it.",
    ),
    PRP: (
        "Judge from their titles how the two products belong together, and choose an option.",
        "Two products are given by title. Choose the option that states their relation.",
        "Are these products bought together, viewed together, or alike? Answer with one of the options.",
        "Compare both titles and decide which of the options relates product 1 to product 2.",
        "Pick the option that says what customers do with the two products.",
        "Which option holds for this pair of products, going by the titles alone?",
    ),
    PM: (
        "Do both entries describe one and the same product? Say yes or no.",
        "Compare the two entries and say yes if the products are identical, no if they are not.",
        "Two shops list a product each. Answer yes if it is the same one, else no.",
        "Going by title, description, manufacturer and price, are the products the same? Only yes or no.",
        "Say whether the two listings are for one product: yes or no.",
        "Is product 1 the very product that product 2 is? Reply yes or no.",
    ),
    SA: (
        "How does the author of the review feel about the product? Choose an option.",
        "Choose the option that names the sentiment of the review.",
        "Read the review and answer with the option that fits its tone.",
        "From very positive to very negative: which option describes this review?",
        "Decide how satisfied the customer is and give the matching option.",
        "Name the option that says best what the reviewer thinks.",
    ),
    SR: (
        "The user bought these products in this order. Choose the option that will be bought next.",
        "Going by the purchase history, which option does the user want next?",
        "Predict the next purchase of this user among the options.",
        "Order the options in your mind by the user's taste, and give the first.",
        "Which of the options continues this purchase history best?",
        "A user's purchases are listed, oldest first. Name the option that comes next.",
    ),
    MPC: (
        "How well does the product fit the query? Answer with an option.",
        "Choose the option that states the relevance of the product title to the query.",
        "Compare query and product title, and pick the option that holds.",
        "Decide which of the options describes what this product is to this query.",
        "A query and a product title are given. Say by an option how they relate.",
        "Say by one of the options how far the product answers the search.",
    ),
    PSI: (
        "Could the product stand in for what the query asks for, though it is not quite that? Say yes or no.",
        "Answer yes if the product is a substitute for the query, otherwise no.",
        "Is this product no exact match, yet usable instead of what was searched? Yes or no.",
        "Say yes if the product misses a part of the query but serves the same purpose, no otherwise.",
        "Decide whether the product is a functional substitute for the query: yes or no.",
        "Would a shopper with this query accept the product as a replacement? Reply yes or no.",
    ),
    QPR: (
        "Put the products A, B, C, ... in the order of their relevance to the query, the best first.",
        "Order the listed products by how well they answer the query, the best one in front.",
        "Which product fits the query best, which second, and so on? Give the letters in that order.",
        "Arrange the products from the most to the least relevant to the query.",
        "Write the letters of the products, beginning with the one that answers the query best.",
        "List the letters of the products from the best answer to the query to the worst.",
    ),
    AP: (
        "Does the document hold an answer to the question? Say yes or no.",
        "Answer yes if the question can be answered from the document, otherwise no.",
        "Can a reader of the document answer the question? Only yes or no.",
        "Say whether the document tells what the question asks: yes or no.",
        "Decide if the reviews in the document are enough to answer the question. Yes or no.",
        "Is the question settled by the document? Reply yes or no.",
    ),
    AG: (
        "Answer the question with what the document says.",
        "Use the document to answer the question.",
        "Write an answer to the question from the reviews in the document.",
        "Reply to the customer's question; the document has the facts.",
        "Read the document and tell what it says on the question.",
        "Give the answer that the document supports.",
    ),
}


def digest(key: str) -> int:
    """A number that a key always gives: splits and instructions are chosen by it."""
    return int(hashlib.md5(key.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:15], 16)


def built_row(
    task: str, key: str, split: str, given: Any, options: list[str] | None, output: str, ood: bool = False
) -> Row:
    """A row in the published form; the key chooses one of the five instructions."""
    return {
        "id": f"{task}:{key}",
        "split": split,
        "task": task,
        "setting": "OOD_Diverse_Instruction" if ood else "IND_Diverse_Instruction",
        "instruction": INSTRUCTIONS[task][digest(f"instruction {key}") % 5],
        "input": given if isinstance(given, str) else json.dumps(given, ensure_ascii=False),
        "options": json.dumps(options, ensure_ascii=False) if options else None,
        "output": output,
        "few_shot_example": None,
    }


def unseen(row: Row) -> Row:
    """The row under the instruction that no training row has."""
    return {**row, "setting": row["setting"].replace("Diverse", "Unseen"), "instruction": INSTRUCTIONS[row["task"]][5]}


def lettered(options: list[str]) -> list[str]:
    """The options as "A: ...", "B: ..."."""
    return [f"{chr(ord('A') + place)}: {option}" for place, option in enumerate(options)]
