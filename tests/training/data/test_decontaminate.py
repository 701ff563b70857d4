"""What counts as evaluation data, near repeats, and answers that their metric cannot score."""

from __future__ import annotations

import pytest

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.build.checks import Checks, NearDuplicates
from training.data.build.decontaminate import Excluded, runs, text_parts

REVIEW = "The brass kettle boils very fast but its lid came loose after only two weeks of careful use at home"
EVALUATION = [
    f"Find the keyphrase.\nReview: {REVIEW}\nAspect: speed\nOutput:",
    "Rank the products for the query 'brass kettle with whistle'.\n1. Old Brass Kettle, two litres\n2. Steel Pan",
]
EXCLUDED = Excluded(EVALUATION)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (EVALUATION[0], "same question"),
        (EVALUATION[0].upper(), "same question"),
        (f"Rate this review.\nInput: {REVIEW}!\nOutput:", "same text"),
        ("Which product fits the query 'Brass kettle, with whistle'?\n0. a\n1. b", "same text"),
        ("Pick one.\n0. Old brass kettle - two litres\n1. Wool hat", "same text"),
        (f"Rate it.\nReview: I think that {REVIEW[4:80]}\nAnswer:", "shared text"),
        ("Find the keyphrase.\nReview: A wool hat that keeps my ears warm in a cold winter.\nAspect: speed", None),
        ("Explain the product type Steel Pan", None),
    ],
)
def test_overlap(question: str, reason: str | None) -> None:
    assert EXCLUDED.overlap(question) == reason


def test_wording_that_evaluation_questions_share_is_not_their_data() -> None:
    wording = "Note: pick the one product that best fits the taste of this customer"
    excluded = Excluded(f"{wording}\nCustomer note: {wording}\nQuery: thing number {n}" for n in range(5))
    assert excluded.overlap(f"{wording}\nCustomer note: {wording}\nQuery: a wool hat with ears") is None


def test_nothing_excluded_drops_nothing() -> None:
    assert Excluded([]).overlap(EVALUATION[0]) is None


def test_japanese_runs_are_of_characters() -> None:
    assert len(runs("真鍮のやかんはとても早くお湯を沸かすことができます")) > 10


def test_parts_are_data_not_instructions() -> None:
    parts = set(
        text_parts("Instructions: Rate it.\nReview:\nBoils fast\nand well\n1. Good 'big kettle' here\nOutput: ")
    )
    assert parts >= {"boils fast", "and well", "good big kettle here", "big kettle"}
    assert "rate it" not in parts


def generation(text: str, answer: str) -> Sample:
    return Sample(f"Find the keyphrase.\nReview: {text}\nOutput:", answer, "t", TaskType.GENERATION, "rougel", False)


def test_a_word_or_two_make_no_new_sample() -> None:
    near = NearDuplicates()
    long_review = f"{REVIEW}, and the seller never answered my letters about the repair of the spout or the handle"
    assert not near.has(generation(long_review, "boils fast"))
    assert near.has(generation(long_review + " sadly", "Boils fast"))
    assert not near.has(generation(long_review, "lid came loose")), "another answer of the same review"
    assert not near.has(generation("Wool hat that keeps ears warm through every long and bitter winter night", "x"))


def related(words: str, query: str = "kettle") -> Sample:
    options = "\n".join(
        f"{n}. the product {word} the query in every detail that it asks for" for n, word in enumerate("abcd")
    )
    question = f"How do they relate?\nQuery: {query}\nProduct: {words}\n{options}\nAnswer:"
    return Sample(question, 0, "t", TaskType.MULTIPLE_CHOICE, "accuracy", True)


def test_options_that_are_always_the_same_hide_no_difference() -> None:
    near = NearDuplicates()
    texts = [" ".join(f"w{number * step % 1009}" for step in range(3, 19)) for number in range(1, 300)]
    assert sum(not near.has(related(text)) for text in texts) >= 295
    assert sum(near.has(related(text)) for text in texts[50:]) >= 240
    assert not near.has(related(texts[200], query="copper pot")), "the same product, another query"


@pytest.mark.parametrize(
    ("truth", "task_type", "metric", "scores"),
    [
        ("丝网印花", TaskType.GENERATION, "rougel", False),
        ("丝网印花", TaskType.GENERATION, "multilingual-sent-transformer", True),
        (("a brass kettle", "a pot"), TaskType.GENERATION, "rougel", True),
        ((" brass",), TaskType.NER, "micro f1", False),
        (("brass", "kettle"), TaskType.NER, "micro f1", True),
    ],
)
def test_an_answer_that_its_own_metric_cannot_score_is_no_sample(
    truth: str | tuple[str, ...], task_type: TaskType, metric: str, scores: bool
) -> None:
    question = "Extract the entities.\nQuery: brass kettle" if task_type is TaskType.NER else "Name it."
    problem = Checks(2048, ()).problem(Sample(question, truth, "t", task_type, metric, False))
    assert problem == (None if scores else "its own answer does not score")
