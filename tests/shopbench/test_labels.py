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
        ("Reply 'no' or 'yes': may it be washed?", ("no", "yes")),
        ("Return yes if both are the same, otherwise return no.", ("yes", "no")),
        ("Please reply with yes, if they match, or no, if they do not.", ("yes", "no")),
        ("Does it fit? Write **yes** or **no**. Do not give any reasons.", ("yes", "no")),
        ("Passt es? Antworte mit Ja oder Nein, ohne Begründung.", ("Ja", "Nein")),
        ("Convient-il ? Répondez par « oui » ou « non ».", ("oui", "non")),
        ("Serve? Responda apenas sim ou não.", ("sim", "não")),
        ("请选择：是 / 否", ("是", "否")),
        ("是同一商品吗？请回答“是”或“否”。", ("是", "否")),
        ("Is it in the text? Reply yes, no or unknown.", ("yes", "no", "unknown")),
        ("Do both texts describe one lamp? Answer yes or no and nothing else.", ("yes", "no")),
        ("Compare the two. Output true if they match, false otherwise.", ("true", "false")),
        ("Classify the sentiment as positive, neutral, or negative.", ("positive", "neutral", "negative")),
        ('Output "match" or "no match".', ("match", "no match")),
        ("Customer: is it, yes or no?\nIs that a complaint? Answer no or yes.", ("no", "yes")),
    ],
)
def test_a_few_words_are_read_as_the_request_writes_them(request_text: str, names: tuple[str, ...]) -> None:
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
        ("判断是否匹配。候选标签：匹配，不匹配", ("匹配", "不匹配"), False),
        ("Name one of the following categories: toys, pets, and garden.", ("toys", "pets", "garden"), False),
        ("What label fits? Possible labels: exact, close or none", ("exact", "close", "none"), False),
        ("Select one of: Small, 1,000 ml, Large", ("Small", "1,000 ml", "Large"), False),
        ("Choose one of: red, blue.\r\nTitle: a cup\r\n", ("red", "blue"), False),
        ("Which topic is it? Candidates: 'cups, mugs', 'lamps'", ("cups, mugs", "lamps"), False),
        ("Which brand? Candidates: Dr. Martens, St. John. Answer with its name.", ("Dr. Martens", "St. John"), True),
        ("What is said? Candidates: ['price', 'fit']", ("price", "fit"), True),
        ("What is said? Candidates: Price; Home & Kitchen", ("Price", "Home & Kitchen"), True),
    ],
)
def test_a_list_of_labels_is_read(request_text: str, names: tuple[str, ...], several: bool) -> None:
    assert offered_labels(request_text) == Labels(names, several)


@pytest.mark.parametrize(
    "request_text",
    [
        "Is it any good? Answer yes or no and say why.",
        "Answer yes or no, followed by one sentence.",
        "Answer yes or no together with an explanation.",
        "Reply yes or no giving a reason.",
        "Return yes or no for each of the three products.",
        "If the answer is yes or no, add one sentence.",
        "Answer in one sentence. Is it yes or no?",
        "Please answer the shopper: yes, no refunds are possible.",
        "Answer the customer's question. Keep the tone positive or neutral.",
        "Answer yes or no.\nExplain your answer.",
        "Antworte mit ja oder nein und begründe es.",
        "What did the shopper mean? No buttons, yes pockets.",
        "Write a title.\nCategories: Toys, Games, Puzzles",
        "Explain what these candidates have in common: cup, mug, glass",
        "Write a description of the following: a lamp, which is small",
        "Answer with yes or no and one sentence of detail.",
        "First say yes or no. Then describe the difference.",
        "Answer yes, no, or that the text does not say.",
        "Do not simply answer yes or no.",
        "Answer in a sentence; a mere yes or no is not enough.",
        "Write a question that can be answered with yes or no.",
        "Answer the following yes/no question.",
        "Translate into French: Answer yes or no.",
        "Übersetze ins Englische: Bitte antworte mit ja oder nein.",
        "Customer: does it fit, yes or no?\nSeller:",
        "What does 'Please answer yes or no' mean?",
        "Responda sim ou não e explique o motivo.",
        "请回答是或否，并说明原因。",
        "State whether it is true or false.",
        "Classify the following reviews as 'good' or 'bad'.",
        "For each review, output 'good' or 'bad'.",
        "Write a positive or negative review.",
        "What do buyers say, positive or negative?",
        "Design a program that finds one of the following categories: toys, pets",
        "Name colours. Possible values: red, green are taken; add three more",
        "Which label fits? Candidates: A. exact, B. close",
        "Which topics? Candidates: 'cups, mugs', 'lamps'",
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
