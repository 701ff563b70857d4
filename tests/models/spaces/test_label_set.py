"""Several labels as an answer space, walked by chance with tokenizers that cut them in different ways."""

from __future__ import annotations

import random

import pytest

from models.spaces.label_set import LabelSet
from models.spaces.spec import from_spec, to_spec
from models.spaces.vocabulary import Vocabulary
from tests.models.fakes import walk
from tests.models.tokens import KINDS

SPACES = (
    LabelSet(("Food", "Service", "Anecdotes/Miscellaneous")),
    LabelSet(("shoe", "shoe care", "care")),
    LabelSet(("食品", "大服饰")),
    LabelSet(("alone",)),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.names[0])
def test_every_walk_ends_in_different_labels_and_every_number_of_them_can_be_said(space: LabelSet, kind: str) -> None:
    vocabulary, rng = Vocabulary.of(KINDS[kind]()), random.Random(1)
    said = set()
    for _ in range(300):
        text = vocabulary.text(walk(space, vocabulary, rng))
        answer = space.finish(text)
        assert answer == ", ".join(part.strip() for part in text.split(","))
        labels = answer.split(", ")
        assert set(labels) <= set(space.names)
        assert len(set(labels)) == len(labels)
        said.add(len(labels))
    assert said == set(range(1, len(space.names) + 1))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" Service,Food", "Service, Food"),
        ("Food, Food", "Food"),
        ("Food, Ser", "Food, Service"),
        ("Food, nothing, ", "Food"),
        ("", "Food"),
        ("price", "Food"),
    ],
)
def test_finish_keeps_the_labels(text: str, answer: str) -> None:
    assert SPACES[0].finish(text) == answer


def test_a_space_travels_to_a_worker() -> None:
    assert all(from_spec(to_spec(space)) == space for space in SPACES)
