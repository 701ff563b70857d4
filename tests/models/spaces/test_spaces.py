"""Answer spaces, walked by chance with tokenizers that cut numbers in different ways."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.number_list import NumberList
from models.spaces.one_digit import OneDigit
from models.spaces.quoted_spans import QuotedSpans
from models.spaces.spec import from_spec, to_spec
from models.spaces.vocabulary import Vocabulary
from tests.models.fakes import walk
from tests.models.tokens import KINDS

OPTIONS = {
    "ranking from 1": (NumberList((1, 2, 3, 4, 5), 5)),
    "ranking from 0": (NumberList((0, 1, 2, 3, 4), 5)),
    "ranking of seven": (NumberList((1, 2, 3, 4, 5, 6, 7), 7)),
    "three of ten": (NumberList(tuple(range(1, 11)), 3)),
    "three of fifteen from 0": (NumberList(tuple(range(15)), 3)),
    "two of twelve": (NumberList(tuple(range(1, 13)), 2)),
    "with gaps": (NumberList((0, 1, 3, 10, 11, 101), 4)),
}


@pytest.fixture(scope="module", params=KINDS)
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return Vocabulary.of(KINDS[request.param]())


@pytest.mark.parametrize("space", OPTIONS.values(), ids=OPTIONS)
def test_every_walk_is_a_whole_answer(space: NumberList, vocabulary: Vocabulary) -> None:
    rng = random.Random(1)
    seen = set()
    for _ in range(300):
        tokens = walk(space, vocabulary, rng)
        text = vocabulary.text(tokens)
        numbers = [int(part) for part in text.split(",")]
        assert len(tokens) <= space.max_tokens
        assert len(set(numbers)) == len(numbers) == min(space.count, len(space.options) - 1)
        answer = space.finish(text)
        assert answer.startswith(text.strip())
        assert sorted(set(map(int, answer.split(",")))) == sorted(map(int, answer.split(",")))
        assert set(map(int, answer.split(","))) <= set(space.options)
        assert answer.count(",") == space.count - 1
        seen.add(answer)
    assert len(seen) > 40  # a space that allows too little would pass all the rest


def test_every_permutation_can_be_said(vocabulary: Vocabulary) -> None:
    space = NumberList((0, 1, 2, 10), 4)
    rng = random.Random(2)
    seen = {space.finish(vocabulary.text(walk(space, vocabulary, rng))) for _ in range(3000)}
    assert seen == {",".join(map(str, order)) for order in permutations((0, 1, 2, 10))}


def test_the_end_token_comes_only_where_the_answer_may_end(vocabulary: Vocabulary) -> None:
    space = NumberList(tuple(range(1, 13)), 2)

    def may_end(text: str) -> bool:
        tokens = [vocabulary.ids_of[character.encode()][0] for character in text]
        return vocabulary.end_id in space.next_tokens(vocabulary, tokens)

    assert [text for text in ("", "1", "2,", "12,1", "1,1", "3,12", "2,3") if may_end(text)] == ["12,1", "3,12", "2,3"]


def test_one_is_the_beginning_of_ten_even_when_one_is_used(vocabulary: Vocabulary) -> None:
    space = NumberList((1, 10, 2), 3)
    digit = {character: vocabulary.ids_of[character.encode()][0] for character in "0123,"}
    after = space.next_tokens(vocabulary, [digit["1"], digit[","], digit["1"]])
    assert {vocabulary.text([token]) for token in after} == {"0"}


@pytest.mark.parametrize(
    ("space", "text", "answer"),
    [
        (NumberList((1, 2, 3, 4, 5), 5), "3,1,2,5", "3,1,2,5,4"),
        (NumberList((1, 2, 3, 4, 5), 5), "3,", "3,1,2,4,5"),
        (NumberList((0, 1, 2), 3), "", "0,1,2"),
        (NumberList(tuple(range(1, 16)), 3), "12,1", "12,1,2"),
        (NumberList(tuple(range(1, 16)), 3), "99,12,12,x,4", "12,4,1"),
        (OneDigit((0, 1, 2)), " 2", "2"),
        (OneDigit((1, 2)), "7", "1"),
        (OneDigit(()), "", "0"),
        (FreeText(50), "as it is", "as it is"),
        (QuotedSpans("tablette asus", 15), "tablette", "tablette"),
        (QuotedSpans("tablette asus", 15), "tablette, tablette", "tablette"),
        (QuotedSpans("tablette asus", 15), "tablette, as", "tablette"),
        (QuotedSpans("tablette asus", 15), "", "asus"),
        (QuotedSpans("", 15), "", ""),
    ],
)
def test_finish_completes_what_the_form_fixes(space: AnswerSpace, text: str, answer: str) -> None:
    assert space.finish(text) == answer


def test_nothing_is_generated_where_one_answer_is_possible() -> None:
    assert NumberList((4,), 1).max_tokens == 0
    assert NumberList((1, 2, 3, 4, 5), 5).max_tokens == 7  # the fifth number and its comma follow from the form


def test_one_digit_allows_the_options_and_nothing_else(vocabulary: Vocabulary) -> None:
    allowed = OneDigit((0, 1, 2, 3, 12)).next_tokens(vocabulary, ())
    assert {vocabulary.text([token]).strip() for token in allowed} == {"0", "1", "2", "3"}


TEXTS = {
    "english": "ty beanie boos darci - giraffe large (justice exclusive), 24 inch",
    "japanese": "スーパーニンテンドー 靴 nike メンズ",
    "accents": "Cepillo eléctrico niños, 2 cabezales",
    "decomposed": "cafe\u0301 cre\u0300me",
    "emoji": "party 🎉 hat 👨‍👩‍👧 family",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_spans_are_whole_pieces_of_the_source(text: str, vocabulary: Vocabulary) -> None:
    space, rng = QuotedSpans(text, 40), random.Random(3)
    ended = 0
    for _ in range(200):
        tokens = walk(space, vocabulary, rng)
        written = vocabulary.text(tokens)
        ended += len(tokens) < space.max_tokens
        pieces = space.finish(written).split(", ")
        assert pieces and all(pieces) and len(set(pieces)) == len(pieces)
        for piece in pieces:
            start = text.find(piece)
            assert start >= 0, (piece, text)
            before, after = text[start - 1 : start], text[start + len(piece) : start + len(piece) + 1]
            if text.isascii():
                assert not (before.isalnum() and piece[0].isalnum() and text.count(piece) == 1)
                assert not (after.isalnum() and piece[-1].isalnum() and text.count(piece) == 1)
    assert ended  # some walks must reach the end token by themselves


def test_a_repeated_piece_must_end_the_answer(vocabulary: Vocabulary) -> None:
    space = QuotedSpans("red shoe", 30)
    written = [token for character in b"red,red" for token in vocabulary.ids_of[bytes([character])][:1]]
    allowed = space.next_tokens(vocabulary, written)
    assert vocabulary.end_id in allowed
    assert not {vocabulary.text([token]) for token in allowed if token != vocabulary.end_id} & {",", ", "}


@pytest.mark.parametrize(
    "space", [OneDigit((0, 1)), NumberList((1, 2, 3), 2), QuotedSpans("a b", 15), FreeText(50)], ids=str
)
def test_a_space_survives_its_way_to_a_worker(space: AnswerSpace) -> None:
    spec = {key: list(value) if isinstance(value, tuple) else value for key, value in to_spec(space).items()}
    assert from_spec(spec) == space


@pytest.mark.parametrize("spec", [{}, {"kind": "Anything"}, {"kind": "NumberList"}, {"kind": "OneDigit", "x": 1}])
def test_a_bad_spec_is_refused(spec: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no answer space"):
        from_spec(spec)
