"""What becomes of a generated text: loops end after one round, and the engine is told to stop them."""

from __future__ import annotations

import pytest

from models.engine.requests import Request
from models.planning import answer_space, unlooped
from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.label_set import LabelSet
from models.spaces.one_of import OneOf
from shopbench.question import Question
from tests.models.tokens import byte_level


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("it is a bag with a bag with a bag with", "it is a bag with"),
        ("lava-a-lava-a-lava-a-", "lava-a-"),
        ("とても良い、とても良い、とても良い、", "とても良い、"),
        ("very soft and very soft", "very soft and very soft"),
        ("soft, soft and soft", "soft, soft and soft"),
        ("1,000,000,000", "1,000,000,000"),
        ("....................", "...................."),
        ("", ""),
    ],
)
def test_a_loop_is_said_once(text: str, kept: str) -> None:
    assert unlooped(text) == kept


def test_a_long_text_that_nearly_repeats_takes_no_time() -> None:
    assert unlooped("ab " * 2000 + "x").endswith("x")


@pytest.mark.engine
def test_only_our_own_decoding_stops_at_loops() -> None:
    from models.engine.core import sampling
    from models.spaces.vocabulary import Vocabulary

    vocabulary = Vocabulary.of(byte_level([]))
    ours, winners = (sampling(Request([1], FreeText(50)), way, vocabulary) for way in ("exact", "winners"))
    assert ours.repetition_detection.min_count == 3 and winners.repetition_detection is None


@pytest.mark.parametrize(
    ("asked", "space"),
    [
        ("Is it the same? Reply yes or no.", OneOf(("yes", "no"))),
        ("Which topics? Candidates: price, fit", LabelSet(("price", "fit"))),
        ("Is it the same?", FreeText(50)),
    ],
)
def test_answers_that_a_request_names_are_all_that_may_be_written(asked: str, space: AnswerSpace) -> None:
    assert answer_space(Question.read(asked, False)) == space
