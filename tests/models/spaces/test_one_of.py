"""Names and letters as answer spaces, walked by chance with tokenizers that cut them in different ways."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from models.spaces.number_list import NumberList
from models.spaces.one_of import OneOf
from models.spaces.spec import from_spec, to_spec
from models.spaces.vocabulary import Vocabulary
from tests.models.fakes import walk
from tests.models.tokens import KINDS

NAMES = {
    "letters": (OneOf(tuple("ABCDEFGHIJKLMNOPQRST")), 1),
    "yes and no": (OneOf(("yes", "no")), 1),
    "words with a common beginning": (OneOf(("negative", "neutral", "positive")), 3),
    "one begins another": (OneOf(("shoe", "shoe care", "care")), 5),
    "numbers over nine": (OneOf(("1", "10", "11")), 2),
    "Chinese": (OneOf(("完全匹配", "部分匹配", "完全不同")), 9),
}


@pytest.fixture(scope="module", params=KINDS)
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return Vocabulary.of(KINDS[request.param]())


@pytest.mark.parametrize(("space", "most"), NAMES.values(), ids=NAMES)
def test_every_walk_ends_in_a_name_and_every_name_can_be_said(space: OneOf, most: int, vocabulary: Vocabulary) -> None:
    rng = random.Random(1)
    assert space.max_tokens == most
    said = set()
    for _ in range(600):
        tokens = walk(space, vocabulary, rng)
        text = vocabulary.text(tokens)
        answer = space.finish(text)
        assert answer.startswith(text.lstrip().rstrip("\ufffd"))
        said.add(answer)
    assert said == set(space.names)


@pytest.mark.parametrize(
    ("names", "text", "answer"),
    [
        (("yes", "no"), " no", "no"),
        (("yes", "no"), "n", "n" + "o"),
        (("yes", "no"), "", "yes"),
        (("yes", "no"), "maybe", "yes"),
        (("shoe", "shoe care"), "shoe", "shoe"),
        (("shoe", "shoe care"), "shoe c", "shoe care"),
        (("完全匹配", "部分匹配"), "完\ufffd", "完全匹配"),
    ],
)
def test_finish_completes_a_name(names: tuple[str, ...], text: str, answer: str) -> None:
    assert OneOf(names).finish(text) == answer


def test_nothing_is_generated_for_the_only_name() -> None:
    assert OneOf(("yes",)).max_tokens == 0
    assert OneOf(("yes",)).finish("") == "yes"


def test_the_end_token_comes_only_after_a_whole_name(vocabulary: Vocabulary) -> None:
    space = OneOf(("shoe", "shoe care"))

    def may_end(text: str) -> bool:
        tokens = [vocabulary.ids_of[character.encode()][0] for character in text]
        return vocabulary.end_id in space.next_tokens(vocabulary, tokens)

    assert [text for text in ("", "sho", "shoe", "shoe ", "shoe car", "shoe care") if may_end(text)] == [
        "shoe",
        "shoe care",
    ]


def test_every_order_of_letters_can_be_said(vocabulary: Vocabulary) -> None:
    space = NumberList(("A", "B", "C", "D"), 4)
    rng = random.Random(2)
    assert space.max_tokens == 5
    said = {space.finish(vocabulary.text(walk(space, vocabulary, rng))) for _ in range(3000)}
    assert said == {",".join(order) for order in permutations("ABCD")}


@pytest.mark.parametrize("space", [OneOf(("yes", "no")), NumberList(("A", "B"), 2)])
def test_a_space_survives_its_description(space: OneOf | NumberList) -> None:
    as_msgpack_gives_it = {
        key: list(value) if isinstance(value, tuple) else value for key, value in to_spec(space).items()
    }
    assert from_spec(as_msgpack_gives_it) == space
