"""What becomes of a generated text: loops end after one round, and the engine is told to stop them."""

from __future__ import annotations

import pytest

from models.engine.requests import Request
from models.planning import unlooped
from models.spaces.free_text import FreeText
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
