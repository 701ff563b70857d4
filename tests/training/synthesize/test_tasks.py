"""Each synthesis task on invented answers: what it makes of good ones, what it refuses; and that the build takes it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from tests.training.data import published
from tests.training.data.test_table7 import law, samples
from training.data.catalogue import all_tasks
from training.data.formats import SourceFolder
from training.synthesize.chat import ChatRequest, Reply
from training.synthesize.checks import Rejected
from training.synthesize.command import input_rows
from training.synthesize.tasks.catalogue import SYNTHESIS_TASKS
from training.synthesize.tasks.rewriting import Traits
from training.synthesize.tasks.task import Candidates, RowResult, Settings, steps

REVIEW = "The colour is lovely and the price was fair. Sadly the spout drips, and it arrived a week late."


def make(
    name: str, answer: dict[str, Any], row: dict[str, Any], others: list[dict[str, Any]] | None = None
) -> Candidates:
    return SYNTHESIS_TASKS[name].make(answer, row, others or [], random.Random(0))


def refused(name: str, answer: dict[str, Any], row: dict[str, Any], others: list[dict[str, Any]] | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        make(name, answer, row, others)
    return caught.value.reason


def play(name: str, row: dict[str, Any], say: Callable[[ChatRequest], str], others: list[dict[str, Any]]) -> RowResult:
    """Run a row's steps against a list of things to say."""
    running = steps(SYNTHESIS_TASKS[name], row, others, Settings())
    asks = next(running)
    try:
        while True:
            asks = running.send([Reply(say(ask)) for ask in asks])
    except StopIteration as end:
        outcome: RowResult = end.value
        return outcome


def choose(ask: ChatRequest, right: str) -> str:
    """What a second reader says who knows the right option."""
    line = next(line for line in ask.user.splitlines() if line[1:3] == ". " and line[3:] == right)
    return json.dumps({"answer": int(line[0])})


def test_snippets_are_quoted_and_those_that_do_not_hold_are_left_out() -> None:
    row = {"id": "r", "type": "kitchen", "text": REVIEW}
    said = [
        {"aspect": "color", "sentiment": "positive", "snippet": "the colour is lovely"},
        {"aspect": "pouring", "sentiment": "positive", "snippet": "the spout drips"},
    ]

    def say(ask: ChatRequest) -> str:
        if not ask.choices:
            return json.dumps({"type": "teapot", "aspects": said})
        return choose(ask, "something good" if "lovely" in ask.user else "something bad")

    outcome = play("amazon_reviews_snippets", row, say, [])
    kept = {"aspect": "color", "sentiment": "positive", "snippet": "The colour is lovely"}
    assert outcome.rows == [{"id": "r", "type": "teapot", "aspects": [kept]}]
    invented = {"type": "teapot", "aspects": [{"aspect": "lid", "sentiment": "negative", "snippet": "the lid leaks"}]}
    assert refused("amazon_reviews_snippets", invented, row) == "not quoted"
    assert refused("amazon_reviews_snippets", {"type": "teapot", "aspects": said[:1] * 2}, row) == "repeats itself"


def test_fewer_than_three_covered_aspects_are_none() -> None:
    row = {"id": "r", "type": "kitchen", "text": REVIEW}
    quotes = {"color": "The colour is lovely", "price": "the price was fair", "pouring": "the spout drips"}
    answer = {"type": "teapot", "aspects": [{"aspect": one, "quote": quote} for one, quote in quotes.items()]}
    made = make("amazon_reviews_covered_aspects", answer, row)
    assert [one["aspect"] for one in made.rows] == list(quotes) and made.least == 3
    # Wrong options are aspects that the review does not name.
    assert not {"delivery", "color", "price"} & {wrong for [one] in made.questions for wrong in one.wrong}

    def say(ask: ChatRequest) -> str:
        if not ask.choices:
            return json.dumps(answer)
        right = next(one for one in quotes if f". {one}" in ask.user)
        return choose(ask, right) if right != "pouring" else '{"answer": 9}'

    outcome = play("amazon_reviews_covered_aspects", row, say, [])
    assert not outcome.rows and [one.reason for one in outcome.rejected] == ["not derivable"]


def test_explanations_are_sentences_of_their_own() -> None:
    row = {"id": "UK:1", "title": "Brindle Wool Blanket", "text": "A blanket woven from the wool of mountain sheep."}
    good = "A wool blanket is a thick cover of woven sheep's hair that keeps people warm in bed."
    made = make("amazon_m2_explain_product", {"product_type": "Wool blanket", "explanation": good}, row)
    assert made.rows == [{"id": "UK:1", "product_type": "wool blanket", "explanation": good}]
    copied = {"product_type": "blanket", "explanation": "This is a blanket woven from the wool of mountain sheep."}
    assert refused("amazon_m2_explain_product", copied, row) == "copy of the seed"
    german = {
        "product_type": "blanket",
        "explanation": "Das ist eine Decke, die im Winter für die Familie und den Hund ist.",
    }
    assert refused("amazon_m2_explain_product", german, row) == "language"


@pytest.mark.parametrize(
    ("explanation", "reason"),
    [
        ("A motorcycle is a two-wheeled vehicle with an engine that carries one or two people.", None),
        ("Motorcycles are vehicles with two wheels that people ride, like the Vader does.", "of one product"),
        ("The product is a motorcycle with a 125cc engine, made for rides in the street.", "of one product"),
        ("This is a fast vehicle with two wheels that carries one or two people.", "not of its kind"),
    ],
)
def test_explanations_speak_of_the_kind_not_of_the_product(explanation: str, reason: str | None) -> None:
    row = {"id": "UK:2", "title": "Vader Adult Motorcycle 125cc, Black", "text": "Fast and safe, with two wheels."}
    answer = {"product_type": "motorcycle", "explanation": explanation}
    if reason is None:
        assert make("amazon_m2_explain_product", answer, row).rows[0]["explanation"] == explanation
    else:
        assert refused("amazon_m2_explain_product", answer, row) == reason


def test_a_type_is_no_complement_of_itself() -> None:
    others = [{"id": one, "type": one} for one in ("wall clock", "oat mill", "rain boot", "desk lamp")]
    row = {"id": "golf club", "type": "golf club"}
    made = make("amazon_reviews_complement", {"complements": ["Golf Bag", "club", "golf ball"]}, row, others)
    assert [one["complement"] for one in made.rows] == ["golf bag", "golf ball"]
    assert refused("amazon_reviews_complement", {"complements": ["golf", "club"]}, row, others) == "copy of the seed"


PARTS: dict[TaskType, dict[str, Any]] = {
    TaskType.MULTIPLE_CHOICE: {
        "instruction": "Which of these products would keep a pot of tea warm?",
        "options": ["tea cosy", "garden hose", "wall clock", "oat mill"],
        "right": ["tea cosy"],
    },
    TaskType.RETRIEVAL: {
        "instruction": "Which three of these products belong on a tea table?",
        "options": ["teapot", "tea cosy", "cup", "garden hose", "wall clock", "oat mill", "rain boot", "desk lamp"],
        "right": ["cup", "teapot", "tea cosy"],
    },
    TaskType.RANKING: {
        "instruction": "Rank these five products by how much a tea drinker needs them.",
        "options": ["teapot", "tea cosy", "cup", "garden hose", "oat mill"],
        "right": ["teapot", "cup", "tea cosy", "oat mill", "garden hose"],
    },
    TaskType.NER: {
        "instruction": "Extract the entity of the type brand from the product title.",
        "context": "Title: Brindle Wool Blanket 130 x 180 cm",
        "options": [],
        "right": ["brindle"],
    },
    TaskType.GENERATION: {
        "instruction": "Explain to a customer what a tea cosy is for.",
        "options": [],
        "right": ["A tea cosy is a cover that keeps a pot of tea warm."],
    },
}


@pytest.mark.parametrize("kind", list(TaskType))
def test_a_seed_becomes_a_question_that_obeys_the_law(kind: TaskType) -> None:
    answer = {"context": "", **PARTS[kind]}
    row = {"id": "s", "task_type": str(kind), "seed": "Someone bought a clay teapot; what goes with it?"}
    made = make("rewrite", answer, row)
    sample = Sample.from_dict(made.rows[0])
    law(sample)
    assert sample.task_type is kind and made.questions[0]
    for question in made.questions[0]:
        assert question.right not in question.wrong and question.wrong


def test_the_build_takes_questions_as_they_are(tmp_path: Path) -> None:
    row = {"id": "s", "task_type": "multiple-choice", "seed": "A clay teapot."}
    made = make("rewrite", {"context": "", **PARTS[TaskType.MULTIPLE_CHOICE]}, row)
    published.write_lines(tmp_path / "synthetic/rewrite.jsonl", made.rows)
    task = all_tasks()["synthetic_rewrite"]
    [sample] = samples(task, iter(task.rows(SourceFolder(tmp_path))))
    law(sample)
    assert sample.to_dict() == {key: value for key, value in made.rows[0].items() if key != "id"}


def test_what_is_no_question() -> None:
    row = {"id": "s", "task_type": "multiple-choice", "seed": PARTS[TaskType.GENERATION]["instruction"]}
    good = {"context": "", **PARTS[TaskType.MULTIPLE_CHOICE]}
    assert refused("rewrite", {**good, "right": ["kettle"]}, row) == "not of the form"
    assert refused("rewrite", {**good, "right": ["tea cosy", "oat mill"]}, row) == "not of the form"
    assert refused("rewrite", {**good, "instruction": row["seed"]}, row) == "copy of the seed"
    assert refused("rewrite", {**good, "instruction": "Was davon ist für den Tee und die Kanne?"}, row) == "language"
    ranking = {
        **good,
        **PARTS[TaskType.RANKING],
        "instruction": "Which three of these do you like? Give three numbers.",
    }
    assert refused("rewrite", ranking, {**row, "task_type": "ranking"}) == "reads as another task type"
    ner = {**good, **PARTS[TaskType.NER], "right": ["Bridle"]}
    assert refused("rewrite", ner, {**row, "task_type": "named_entity_recognition"}) == "not quoted"


def test_traits_travel_from_the_prompt_to_the_sample() -> None:
    row = {
        "id": "s",
        "task_type": "generation",
        "seed": "A teapot.",
        "traits": {"tone": "formal", "language": "English"},
    }
    shown: list[str] = []

    def say(ask: ChatRequest) -> str:
        if ask.choices:
            return choose(ask, "Yes, it follows from the question")
        shown.append(ask.user)
        filler = " ".join(["It stands on the table of a house in which the tea is poured."] * 3)
        wanted = ask.user.rsplit("[[length: ", 1)[1].split(",")[0]
        length = {"short": "", "medium": filler, "long": f"{filler} {filler}"}[wanted]
        question = f"Explain what a tea cosy is for. {length}"
        return f"{question}\n[[context]]\n[[options]]\n[[right]]\n- It keeps the tea warm.\n[[end]]"

    [made] = play("traits", row, say, []).rows
    assert made["traits"]["tone"] == "formal" and made["task_type"] == "generation"
    assert shown[0].endswith(Traits(**made["traits"]).marked() + "\n[[instruction]]")


def test_wordings_keep_placeholders_and_type_and_reach_the_build(tmp_path: Path) -> None:
    published.esci(tmp_path, ("us",))
    task = all_tasks()["esci_query_of_title"]
    rows = input_rows(SYNTHESIS_TASKS["reword"], tmp_path, None)
    assert {"ecinstruct_attribute_value", "esci_title_of_query"} < {row["task"] for row in rows} and len(rows) == 33
    row = next(row for row in rows if row["task"] == task.name)
    said = [
        "Shoppers type what they want. Choose the query to which '{text}' is the right answer.",
        "Shoppers type what they want. Choose the query to which '{text}' is the right answer!",
        "A shop sells '{text}'. Which of these searches was made for it?",
        "Which search finds '{title}'?",
        "Which search finds this product?",
        "Which search finds {text} and {text}?",
        "Welche Suche ist für den Titel '{text}' die richtige?",
        row["instruction"],
    ]

    def say(ask: ChatRequest) -> str:
        return choose(ask, " ".join(row["instruction"].split())) if ask.choices else json.dumps({"wordings": said})

    kept = [one["wording"] for one in play("reword", row, say, rows[:5]).rows]
    assert kept == [said[0], said[2]]
    offered = [
        {"id": "1", "task": task.name, "wording": said[0], "unseen": False},
        {"id": "2", "task": task.name, "wording": said[2], "unseen": True},
    ]
    published.write_lines(tmp_path / "synthetic/wordings.jsonl", offered)
    questions = [sample.input_field for sample in samples(task, iter(task.rows(SourceFolder(tmp_path))))]
    assert any("Shoppers type what they want." in one for one in questions), "offered wordings are used"
    assert any("Shoppers type what they want." not in one for one in questions), "and so are the builder's own"
    assert not any("A shop sells" in one for one in questions), "unseen ones are kept"


def test_an_instruction_that_changes_its_type_is_no_wording() -> None:
    row = {
        "id": "i",
        "instruction": "Rate the review from 1 to 5.",
        "task_type": "generation",
        "example": "Summarize the review.\nReview: good",
    }
    row["example"] = row["example"].replace("Summarize the review.", row["instruction"])
    assert Question.read("Summarize the review.\nReview: good", False).task_type is TaskType.GENERATION
    answer = {"wordings": ["Select three of the numbers below, separated by commas."]}
    assert refused("reword", answer, row) == "reads as another task type"


def test_a_labels_file_is_what_its_builder_reads(tmp_path: Path) -> None:
    """From the sources folder, through the task, into `synthetic/`, into the build; the model is always right."""
    published.amazon_m2(tmp_path)
    name = "amazon_m2_category_of_attribute"
    synthesis_task = SYNTHESIS_TASKS[name]
    rows = input_rows(synthesis_task, tmp_path, 12)
    made = []
    for number, row in enumerate(rows):
        others = [other for other in rows if other is not row]
        title = " ".join(row["title"].split())[:120]

        def say(ask: ChatRequest, number: int = number, title: str = title) -> str:
            kind = "abcdefghijklmnop"[number] + " thing"
            labels = {"category": kind, "attributes": [f"trait of {kind}", "weight"]}
            return choose(ask, title) if ask.choices else json.dumps(labels)

        made += play(name, row, say, others).rows
    assert len(made) == len(rows) >= 5
    published.write_lines(tmp_path / f"synthetic/{name}.jsonl", made)
    task = all_tasks()[name]
    built = samples(task, iter(task.rows(SourceFolder(tmp_path))))
    assert built
    for sample in built:
        law(sample)
