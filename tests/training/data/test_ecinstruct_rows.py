"""Table 7's rows from ECInstruct (11 to 19, 28) on a file in the published form: every sample in two settings."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.build.checks import Checks
from training.data.build.parts import PartSpec, Tally, part_samples
from training.data.catalogue import all_tasks
from training.data.ecinstruct_wordings import INSTRUCTIONS
from training.data.formats import SourceFolder, make_sample
from training.data.sources.ecinstruct import (
    AVE,
    EXAMPLES,
    MPC,
    PM,
    QPR,
    SA,
    SR,
    TRAINED_ON,
    letter_place,
    option_texts,
    read_rows,
)
from training.data.sources.ecinstruct_lists import TURNS

from . import published, published_ecinstruct
from .test_table7 import TABLE7, law

COUNT = 60
SIZES = {11: 2 * COUNT, 17: 2 * COUNT} | dict.fromkeys((12, 13, 14, 15, 16, 18, 19), COUNT)
"""Samples of the rows of Table 7, as its own sizes are to the published 10,000 and 2,022 samples a setting."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("published")
    published_ecinstruct.write(folder, COUNT)
    return folder


def build(folder: Path, name: str, limit: int | None = None) -> tuple[list[Sample], Tally]:
    tally = Tally()
    spec = PartSpec(name, limit, 0.0, None, 2048, str(folder), (), "")
    return [sample for _, sample in part_samples(all_tasks()[name], spec, tally)], tally


def shown_right(sample: Sample) -> str:
    """The text of a multiple-choice question's right option."""
    options = Question.read(sample.input_field, True).options
    return next(option.text for option in options if option.number == sample.output_field)


@pytest.mark.parametrize("number", SIZES)
def test_a_row_has_the_papers_share_of_the_file(number: int, file: Path) -> None:
    made, tally = build(file, TABLE7[number].name, SIZES[number])
    assert len(made) == SIZES[number], tally.dropped
    assert tally.dropped["near repeat"] <= 1  # two of row 14's lists with the same two others
    for sample in made:
        law(sample)
    assert len({sample.input_field for sample in made}) == len(made)


@pytest.mark.parametrize(("task", "number"), [(AVE, 11), (PM, 17), (MPC, 12)])
def test_the_first_setting_comes_first_and_the_second_in_other_words(task: str, number: int, file: Path) -> None:
    rows = list(TABLE7[number].rows(SourceFolder(file)))
    assert [row["copy"] for row in rows] == [0] * COUNT + [1] * COUNT
    assert {row["setting"] for row in rows[:COUNT]} == {TRAINED_ON}
    assert [row["input"] for row in rows[:COUNT]] == [row["input"] for row in rows[COUNT:]]
    for first, second in zip(rows[:COUNT], rows[COUNT:], strict=True):
        one, other = (TABLE7[number].sample(row) for row in (first, second))
        assert one is not None and other is not None and one.input_field != other.input_field


def test_near_repeats_are_those_of_one_setting() -> None:
    review = " ".join(f"word{number}" for number in range(60))
    made = [
        make_sample(f"Summarize.\nReview: {text}", "So it is.", TaskType.GENERATION, "rougel")
        for text in (review, f"{review} more", f"{review} again")
    ]
    checks = Checks(2048, ())
    assert [checks.problem(one, "first") for one in made] == [None, "near repeat", "near repeat"]
    assert checks.problem(made[0], "second") == "repeat", "the same question, word for word, in any setting"
    assert [checks.problem(one, "second") for one in made[1:]] == [None, "near repeat"]


@pytest.mark.parametrize("task", INSTRUCTIONS)
def test_ecellm_trains_on_the_diverse_instructions_alone(task: str, file: Path) -> None:
    rows = list(all_tasks()[f"ecinstruct_published_{task.lower()}"].rows(SourceFolder(file)))
    assert len(rows) == COUNT and {row["setting"] for row in rows} == {TRAINED_ON}
    assert len({row["instruction"] for row in rows}) == 5


def test_options_lose_their_letter_and_nothing_else(file: Path) -> None:
    for task in (SR, MPC, SA):
        for row in read_rows(SourceFolder(file), task):
            texts = option_texts(row)
            assert [f"{'ABCDEFGHIJKLMNOPQRST'[place]}: {text}" for place, text in enumerate(texts)] == json.loads(
                row["options"]
            )
    for number in (12, 15):
        for row in TABLE7[number].rows(SourceFolder(file)):
            place, sample = letter_place(row), TABLE7[number].sample(row)
            assert place is not None and sample is not None and shown_right(sample) == option_texts(row)[place]


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["A: Mr. Coffee: Filters. Kitchen.", "B: 3.5 mm: Plug"], ["Mr. Coffee: Filters. Kitchen.", "3.5 mm: Plug"]),
        (["A. One. Two.", "B. C. Three"], ["One. Two.", "C. Three"]),
        (["A: ", "B: x"], ["", "x"]),
        (["A: pot", "a pot: red"], ["A: pot", "a pot: red"]),  # letters that are no marks
        (["E: bike", "F: cup"], ["E: bike", "F: cup"]),
    ],
)
def test_only_a_mark_of_the_options_own_place_is_cut(options: list[str], texts: list[str]) -> None:
    assert option_texts({"options": json.dumps(options)}) == texts
    assert option_texts({"options": str(options)}) == texts, "a printed Python list"


@pytest.mark.parametrize(
    ("output", "place"), [("B", 1), ("B: Neither.", 1), ("b", None), ("Bad", None), ("C", None), ("A great pot", None)]
)
def test_the_right_option_is_named_by_its_letter(output: str, place: int | None) -> None:
    assert letter_place({"options": '["A: Both.", "B: Neither."]', "output": output}) == place


def test_as_many_products_are_asked_for_as_are_right_and_none_is_irrelevant(file: Path) -> None:
    made, _ = build(file, "ecinstruct_most_relevant")
    assert len(made) > 1.9 * COUNT
    for sample in made:
        question = Question.read(sample.input_field, False)
        assert question.task_type is TaskType.RETRIEVAL and sample.metric == "hit rate@3"
        assert isinstance(sample.output_field, tuple) and question.count == len(sample.output_field) == 3
        assert len(question.options) >= 7
        # The invented titles begin with their label; their queries, and no others', end in the list's number.
        right = sorted(option.text[0] for option in question.options if option.number in sample.output_field)
        asked = [int(number) for number in re.findall(r" (\d+)'", sample.input_field)]
        best = sorted(published_ecinstruct.labels_of(number)[0] for number in asked)
        assert len(asked) == 3 and right == best and set(right) <= {"E", "S"}


def test_labels_are_heeded_where_a_file_has_them(tmp_path: Path) -> None:
    rows = []
    for number in range(24):
        labels, output = [("CI", "A,B"), ("EE", "A,B"), ("IS", "B,A")][number % 3]
        listed = [f"{letter}: {label}-{number} thing" for letter, label in zip("AB", labels, strict=True)]
        given = json.dumps({"query": f"query{number}", "product list": listed})
        rows.append({**EXAMPLES[QPR], "input": given, "output": output, "labels": list(labels)})
    published.write_lines(tmp_path / "ecinstruct/ranks.jsonl", rows)
    made, _ = build(tmp_path, "ecinstruct_most_relevant")
    assert len(made) == 16, "lists without an exact product or a substitute have none that is right"
    for sample in made:
        options = {option.number: option.text for option in Question.read(sample.input_field, False).options}
        assert {options[number][0] for number in sample.output_field} <= {"E", "S"}  # type: ignore[union-attr]
        alike = Counter(text.split()[0] for text in options.values() if text.startswith("E"))
        assert max(alike.values(), default=1) == 1, "another exact product is no wrong option"


def test_lists_that_are_combined_stay_on_one_side_of_a_split(file: Path) -> None:
    task = TABLE7[14]
    rows = list(task.rows(SourceFolder(file)))
    sides: dict[str, set[str]] = {}
    for row in rows:
        assert task.group is not None
        for query in (json.loads(row["input"])["query"], *(one["query"] for one in row["partners"])):
            sides.setdefault(query, set()).add(task.group(row))
    assert len(sides) == COUNT and all(len(groups) == 1 for groups in sides.values())


def test_values_are_quoted_and_a_missing_one_is_none(file: Path) -> None:
    made, _ = build(file, "ecinstruct_attribute_value")
    answers = Counter(sample.output_field == ("None",) for sample in made)
    assert answers == {True: 2 * COUNT // 5, False: 2 * COUNT - 2 * COUNT // 5}
    for sample in made:
        assert "None" in sample.input_field, "the word is asked for, whether it is the answer or not"
        for said in sample.output_field if sample.output_field != ("None",) else ():  # type: ignore[union-attr]
            assert f". Made of {said}\n" in f"{sample.input_field}\n", (
                "a value past the cut is shown, as the text writes it"
            )


def test_values_that_the_text_does_not_have_make_no_sample() -> None:
    row = {**EXAMPLES[AVE], "output": '[{"attribute": "material", "value": "brass", "source": "product title"}]'}
    assert TABLE7[11].sample(row, random.Random(0)) is None


def test_reviews_are_ranked_again_only_after_each_has_been_once(file: Path) -> None:
    groups = list(TABLE7[28].rows(SourceFolder(file)))
    reviews = list(read_rows(SourceFolder(file), SA))
    most = Counter(letter_place(row) for row in reviews if row["copy"] == 0).most_common(1)[0][1]
    assert len(groups) == most * TURNS, "as many as there are of the most frequent sentiment, in one setting, each turn"
    assert len({group["reviews"][0]["id"] for group in groups}) == len({g["reviews"][0]["id"] for g in groups[:most]})
