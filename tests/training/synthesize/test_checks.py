"""What is asked of an answer: form, length, language, quotations, copies, placeholders, traits."""

from __future__ import annotations

import json
import random

import pytest

from training.synthesize.chat import Reply, filled, prompt_named
from training.synthesize.checks import (
    Rejected,
    alike,
    in_language,
    json_object,
    label,
    language_of,
    no_copy,
    quoted_in,
    words_between,
)
from training.synthesize.run import Acceptance
from training.synthesize.tasks.catalogue import SYNTHESIS_TASKS
from training.synthesize.tasks.rewriting import Traits, check_traits, read_marked, wanted_traits
from training.synthesize.tasks.task import RowResult

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def reason(check: object, *arguments: object) -> str:
    with pytest.raises(Rejected) as caught:
        check(*arguments)  # type: ignore[operator]
    return caught.value.reason


def test_every_job_has_a_prompt_whose_placeholders_it_fills() -> None:
    rows = {
        "amazon_reviews_complement": {"id": "a", "type": "teapot"},
        "reword": {"id": "a", "instruction": "Which {thing} is it?", "task_type": "generation", "example": "x"},
    }
    for name, task in SYNTHESIS_TASKS.items():
        row = rows.get(name, {"id": "a", "title": "Teapot", "text": "It pours.", "type": "kitchen", "seed": "x"})
        said = filled(prompt_named(name).user, **task.values(row, random.Random(0)))
        assert "{title}" not in said and "{seed}" not in said and len(said) > 200
        assert prompt_named(name).schema is not None and (task.read is None) == (name != "traits")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply('{"a": 1'), "no JSON"),
        (Reply('{"a": 1}', "length"), "cut off"),
        (Reply("  "), "empty"),
        (Reply('{"a": "1"}'), "not of the schema"),
        (Reply('{"a": 1, "b": 2}'), "not of the schema"),
        (Reply("[1]"), "no JSON"),
        (Reply("too long", "refused"), "refused by the server"),
    ],
)
def test_what_is_no_answer(reply: Reply, expected: str) -> None:
    assert reason(json_object, reply, SCHEMA) == expected


@pytest.mark.parametrize(
    "text",
    [
        '<think>The {thing} is {"a": "no"}.</think>\n{"a": 1}',
        'Sure! Here is the {JSON} you asked for:\n\n{"a": 1}\nLet me know.',
        'Here:\n```json\n{"a": 1}\n```\nDone.',
        '{"thought": {"a": 2}} and so {"a": 1}',
        '\ufeff{"a": 1}',
    ],
)
def test_prose_and_thoughts_around_an_object_are_passed_over(text: str) -> None:
    assert json_object(Reply(text), SCHEMA) == {"a": 1}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply("<think>I never come to an end"), "cut off"),
        (Reply("<think>nothing</think>  "), "empty"),
        (Reply("", "content_filter"), "no answer: content_filter"),
        (Reply("I cannot help with that.", "declined"), "no answer: declined"),
        (Reply('{"a": NaN}'), "no JSON"),
        (Reply("{" * 100_000), "no JSON"),
        (Reply('{"a": ' + "[" * 100_000), "no JSON"),
    ],
)
def test_thoughts_without_an_answer_and_hostile_text_are_rejected(reply: Reply, expected: str) -> None:
    assert reason(json_object, reply, SCHEMA) == expected


def test_a_lone_surrogate_is_replaced_and_a_pair_is_its_letter() -> None:
    reply = Reply(json.loads('"a\\ud83d\\ude00b\\ud800c\\udc00"'))
    assert reply.text == "a\U0001f600b\ufffdc\ufffd"


def test_a_code_fence_is_passed_over() -> None:
    assert json_object(Reply('```json\n{"a": 1}\n```'), SCHEMA) == {"a": 1}


def test_labels_are_short_and_plain() -> None:
    assert label(" Hedge Trimmer. ", 3, "x") == "hedge trimmer"
    assert label("men's t-shirt", 3, "x") == "men's t-shirt"
    assert label("bath_salts", 3, "x") == "bath salts"
    assert reason(label, "a very long name of a thing", 4, "x") == "length"
    assert reason(label, "hat {x}", 4, "x") == reason(label, "20V", 4, "x") == "no plain label"


def test_quotations_are_whole_words_of_the_text() -> None:
    text = "The colour is  lovely.\nSadly the spout drips!"
    assert quoted_in("the COLOUR is lovely", text, "x") == "The colour is lovely"
    assert quoted_in('"the spout drips."', text, "x") == "the spout drips"
    for span in ("the lid drips", "love", "he spout", "", "..."):
        assert reason(quoted_in, span, text, "x") == "not quoted"


def test_copies_and_lengths() -> None:
    seed = "A blanket woven from the wool of mountain sheep, warm even when damp."
    assert reason(no_copy, "Woven from the wool of mountain sheep, it is warm.", seed, "x") == "copy of the seed"
    assert no_copy("A blanket is a cover that keeps people warm in bed.", seed, "x")
    assert reason(no_copy, "warm even when damp", "warm even when damp", "x") == "copy of the seed"
    assert reason(words_between, "one two", 3, 5, "x") == "length"
    assert alike("Which of these is the best answer?", "Which of these is the best answer")
    assert not alike("Which of these is the best answer?", "Select the option that fits the query.")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Which of the following products would you buy?", "English"),
        ("Welche der folgenden Produkte sind für den Garten?", "German"),
        ("Quel est le produit qui va avec cette machine ?", "French"),
        ("¿Cuál de los productos es el mejor para la cocina?", "Spanish"),
        ("Quale di questi è il prodotto più adatto per la cucina?", "Italian"),
        ("この商品に合うものはどれですか。", "Japanese"),
        ("teapot", None),
    ],
)
def test_languages(text: str, language: str | None) -> None:
    assert language_of(text) == language
    if language:
        assert in_language(text, language, "x") == text
        other = "English" if language != "English" else "German"
        assert reason(in_language, text, other, "x") == "language"


MARKED = """[[difficulty: hard]]
[[length: short, at most 30 words]]
[[tone: casual]]
[[language: English]]
[[instruction]]
Which of these do I need for a pot of tea?
[[context]]

[[options]]
- tea cosy
2. bicycle bell
* garden hose
wall clock
[[right]]
- tea cosy
[[end]]"""
WANTED = Traits("hard", "short, at most 30 words", "casual", "English")


def test_the_parser_goes_by_the_delimiters() -> None:
    parts = read_marked("Sure, here you are:\n" + MARKED)
    assert parts["options"] == ["tea cosy", "bicycle bell", "garden hose", "wall clock"]
    assert parts["right"] == ["tea cosy"] and parts["context"] == ""
    check_traits(parts, WANTED)
    assert reason(read_marked, MARKED[:-8]) == "cut off"
    assert reason(read_marked, MARKED.replace("[[context]]", "[[instruction]]")) == "not of the form"
    assert WANTED.marked() == MARKED[: MARKED.index("\n[[instruction]]")]


def test_traits_that_were_not_wanted() -> None:
    parts = read_marked(MARKED)
    assert reason(check_traits, {**parts, "tone": "formal"}, WANTED) == "other traits"
    assert reason(check_traits, {**parts, "instruction": "Was ist das für eine Kanne?"}, WANTED) == "language"
    assert reason(check_traits, {**parts, "context": "word " * 30}, WANTED) == "length"
    drawn = wanted_traits({"id": "1", "traits": {"language": "German"}})
    assert drawn.language == "German" and drawn.tone in ("neutral", "casual", "formal", "impatient")


def test_repeats_and_near_repeats() -> None:
    taken = Acceptance(SYNTHESIS_TASKS["amazon_m2_explain_product"])
    text = (
        "A hedge trimmer is a garden tool with a long toothed blade that cuts bushes and hedges into shape for owners."
    )
    texts = [text, text.upper(), text.replace("owners", "gardeners"), "A teapot is a vessel in which tea is brewed."]
    for number, one in enumerate(texts):
        taken.take({"id": str(number)}, RowResult([{"id": str(number), "product_type": "x", "explanation": one}]))
    taken.take({"id": "3"}, RowResult([{"id": "3", "product_type": "x", "explanation": "Something else altogether."}]))
    assert [row["id"] for row in taken.rows] == ["0", "3"]
    assert taken.reasons == {"repeat": 2, "near repeat": 1}
    assert json.loads(json.dumps(taken.rejected))[0]["id"] == "1"
