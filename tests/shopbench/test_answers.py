"""Answers in both directions, and against what the starter kit's own parsers returned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbench.answers import parse, ranking_of, write
from shopbench.tasks import TASKS, TaskType

MC, RETRIEVAL, RANKING, NER, GENERATION = TaskType


@pytest.mark.parametrize(
    ("task_type", "text", "parsed"),
    [
        (MC, " 3. because", 3),
        (MC, "the third", -1),
        (MC, "３", 3),
        (MC, "²", -1),
        (RETRIEVAL, "I say [4, 2], 9 and 1", [4, 2]),  # "9 and 1" has no comma between: "9  1" is no number
        (RETRIEVAL, "4,4,2,1", [4, 4, 2]),
        (RETRIEVAL, "½,五,7", [7]),
        (RETRIEVAL, "9" * 4301 + ",3", [3]),  # over Python's limit for int()
        (RETRIEVAL, "1" + " " * 5000 + ",2", [1]),  # only 5,000 characters are read
        (RANKING, "5,4,3,2,1,0", [5, 4, 3, 2, 1]),
        (RANKING, "8,2,10", [2]),
        (RANKING, "1,2,2", []),
        (NER, "['a, b', 'c']", ["a, b", "c"]),
        (NER, "[1, 2]", ["[1", "2]"]),
        (NER, " red ,, blue ", ["red", "blue"]),
        (NER, "[" * 6000, ["[" * 5000]),
        (GENERATION, "\n a text \n", "a text"),
    ],
)
def test_parse(task_type: TaskType, text: str, parsed: object) -> None:
    assert parse(task_type, text) == parsed


def test_parse_takes_the_plain_name_and_refuses_an_unknown_one() -> None:
    assert parse("multiple-choice", "2") == 2
    with pytest.raises(ValueError, match="unknown task type 'essay'; known: multiple-choice"):
        parse("essay", "2")


def test_a_ranking_is_written_best_first_with_ties_in_order() -> None:
    assert ranking_of([0.01, 1, 0.1, 1, 0]) == [2, 4, 3, 1, 5]
    assert write(RANKING, [0.01, 1, 0.1, 1, 0]) == "2,4,3,1,5"


@given(st.lists(st.text(min_size=1).map(str.strip).filter(bool), min_size=1, max_size=4))
def test_any_entities_survive_being_written(entities: list[str]) -> None:
    text = write(NER, entities)
    if len(text) <= 5000:
        assert parse(NER, text) == entities


@given(st.permutations(range(1, 16)).map(lambda numbers: numbers[:3]))
def test_retrieval_survives_being_written(numbers: list[int]) -> None:
    assert parse(RETRIEVAL, write(RETRIEVAL, numbers)) == numbers


@pytest.mark.parametrize("task_type", TaskType)
@given(text=st.text())
def test_parse_never_fails(task_type: TaskType, text: str) -> None:
    parse(task_type, text)


@pytest.mark.parametrize("task_type", TaskType)
def test_fallbacks_are_valid_answers(task_type: TaskType) -> None:
    assert parse(task_type, TASKS[task_type].fallback) not in (-1, [], "")


def test_matches_the_starter_kit(shared: Path) -> None:
    rows = [json.loads(line) for line in (shared / "data/conformance/parsers.jsonl").open(encoding="utf-8")]
    assert len(rows) == 750
    for row in rows:
        parsed = parse(row["task_type"], row["text"])
        assert (type(parsed), parsed) == (type(row["parsed"]), row["parsed"]), row
