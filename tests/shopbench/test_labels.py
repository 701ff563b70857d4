"""Answers that a request names in words are found in wordings and languages that no rule was written from."""

from __future__ import annotations

import pytest

from shopbench.labels import Labels, offered_labels
from shopbench.question import Question


@pytest.mark.parametrize(
    ("request_text", "names"),
    [
        ("Do both belong together? Answer only with yes or no.", ("yes", "no")),
        ("Does it fit? Respond with 'Yes' or 'No', nothing else.", ("Yes", "No")),
        ("Does it fit (yes/no)?", ("yes", "no")),
        ("Is the seller right? YES or NO:", ("YES", "NO")),
        ('Output "yes" if the two titles name one product and "no" otherwise.', ("yes", "no")),
        ("Reply yes if it is waterproof, no if it is not. Do not explain.", ("yes", "no")),
        ("Passt das Teil? Antworte nur mit Ja oder Nein.", ("Ja", "Nein")),
        ("¿Es compatible? Responde sí o no.", ("sí", "no")),
        ("Est-ce compatible ? Répondez par oui ou non.", ("oui", "non")),
        ("È compatibile? Rispondi sì o no.", ("sì", "no")),
        ("It broke because I dropped it.\nIs that a complaint? Answer yes or no.", ("yes", "no")),
        ("この商品は防水ですか。はい か いいえ で答えてください。", ("はい", "いいえ")),
    ],
)
def test_yes_or_no_is_read_as_the_request_writes_it(request_text: str, names: tuple[str, str]) -> None:
    assert offered_labels(request_text) == Labels(names, several=False)


@pytest.mark.parametrize(
    ("request_text", "names", "several"),
    [
        ("Is the mood good? Candidates: happy, angry, neither", ("happy", "angry", "neither"), True),
        ("Determine if both match. Candidate: match, not match.", ("match", "not match"), False),
        ("Assign one of these types to 'lamp': brand, product, colour.", ("brand", "product", "colour"), False),
        ("Name one of the following categories: Toys, Pet Supplies", ("Toys", "Pet Supplies"), False),
        ("Which of these topics come up?\nPossible topics: 'price', 'fit', 'price'\nOutput:", ("price", "fit"), True),
        ("文の話題を挙げてください。候補：価格、サイズ、色", ("価格", "サイズ", "色"), True),
    ],
)
def test_a_list_of_labels_is_read(request_text: str, names: tuple[str, ...], several: bool) -> None:
    assert offered_labels(request_text) == Labels(names, several)


@pytest.mark.parametrize(
    "request_text",
    [
        "Is it any good? Answer yes or no and say why.",
        "Answer yes or no, followed by one sentence.",
        "Answer yes or no.\nExplain your answer.",
        "Antworte mit ja oder nein und begründe es.",
        "What did the shopper mean? No buttons, yes pockets.",
        "Write a title.\nCategories: Toys, Games, Puzzles",
        "Explain what these candidates have in common: cup, mug, glass",
        "Write a description of the following: a lamp, which is small",
        "Candidates: one",
        f"Candidates: short, {'long ' * 20}",
        "",
    ],
)
def test_a_request_that_wants_a_text_names_no_answers(request_text: str) -> None:
    assert offered_labels(request_text) is None


def test_data_and_other_types_name_no_answers() -> None:
    review = "Review: Does it fit? Answer yes or no, they said.\nWhat is the review about?"
    assert Question.read(review, False).labels is None
    assert Question.read("Which one? Answer yes or no.\n0. lamp\n1. cup", True).labels is None
