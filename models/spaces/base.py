"""The answers that a question allows, as small automata over tokens.

An answer space says, for the tokens written so far, which may come next; the model's choice is made among
those, so what it writes is a right-formed answer or the beginning of one, never anything else. `finish` completes
in Python what the form already fixes (the last number of a permutation, an answer that was cut short), so
those tokens are never computed.

No engine here: models/engine/processors.py applies a space within vLLM, tests walk it with random choices.

Why not vLLM's own structured output (xgrammar): it holds an answer to a list of choices as well, but a ranking of
five is 120 choices and three of fifteen 2,730; it generates the number that is left over and an end token; and it
knows no quotations. SmolLM2-135M, 16 questions in a batch, AVX2, median of five interleaved calls:

    | space             | unconstrained | this one         | xgrammar, `choice`                     |
    | ranking of five   | 97 ms a step  | 101 ms, 7 steps  | 93 ms, 9 steps: 22% longer for the call |
    | three of fifteen  | 98 ms a step  | 102 ms, 8 steps  | 116 ms, 10 steps: 27% longer            |
    | quoted spans      | 92 ms a step  | 93 ms, 15 steps  | (cannot)                                |

So a constraint costs at most 0.3 ms a token, and what saves time is the steps that are not made.

    >>> space = NumberList((1, 2, 10), count=2)
    >>> space.can_follow("1"), space.can_follow("1,1"), space.can_follow("1,10")   # 1 is used, but 10 is not
    (True, True, True)
    >>> space.can_follow("1,2,"), space.is_complete("1,1"), space.finish("1,1")
    (False, False, '1,2')
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from models.spaces.vocabulary import Vocabulary


class AnswerSpace(Protocol):
    """A set of right-formed answers."""

    @property
    def max_tokens(self) -> int:
        """Tokens that the longest answer may take: where generation ends without an end token."""
        ...

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """The token ids that may follow `written`; never empty."""
        ...

    def finish(self, text: str) -> str:
        """A whole answer from what was generated, be it cut short or empty."""
        ...


@dataclass(frozen=True)
class OneDigit:
    """One option number of one digit (the evaluator reads only the first character of a multiple-choice answer).

    One token among a fixed few needs no state: vLLM's own `allowed_token_ids` with `max_tokens=1` does it in the
    prefill, with no decode step and no processor.
    """

    options: tuple[int, ...]

    @property
    def max_tokens(self) -> int:
        """One."""
        return 1

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """The tokens that spell an option, with or without a blank before it."""
        spelled = {str(option) for option in self.digits}
        return [number for number, text in vocabulary.number_tokens if text.strip() in spelled]

    def finish(self, text: str) -> str:
        """The digit that was written, else the first option."""
        first = text.strip()[:1]
        return first if first in map(str, self.digits) else str(self.digits[0])

    @property
    def digits(self) -> tuple[int, ...]:
        """The options that one digit can name; all ten where there are none."""
        return tuple(option for option in self.options if 0 <= option <= 9) or tuple(range(10))


def to_generate(count: int, options: int) -> int:
    """How many of `count` different options must be generated: the last one of a permutation is known."""
    return options - 1 if count >= options else count


@dataclass(frozen=True)
class NumberList:
    """`count` different options, joined by commas: a retrieval answer, or a ranking of them all.

    Options are numbers, or other short ASCII names such as letters (not both).
    A token may follow if what is then written is the beginning of a right answer, so it does not matter how a
    tokenizer cuts numbers ("10" in one token or two, ",1" in one). State is the text, and few texts are possible.
    """

    options: tuple[int, ...] | tuple[str, ...]
    count: int

    @property
    def max_tokens(self) -> int:
        """One for each character of the longest answer, 0 if there is only one answer: the rest is `finish`ed."""
        longest = sorted((len(str(option)) for option in self.options), reverse=True)[: self._wanted]
        return max(sum(longest) + len(longest) - 1, 0)

    @property
    def _wanted(self) -> int:
        return to_generate(self.count, len(self.options))

    def can_follow(self, text: str) -> bool:
        """Whether `text` begins a right answer (or is one)."""
        *done, last = text.removeprefix(" ").split(",")
        names = [str(option) for option in self.options]
        left = [name for name in names if name not in done]
        if len(done) >= self._wanted or len(set(done)) != len(done) or not all(name in names for name in done):
            return False
        return not text.endswith(" ") and any(name.startswith(last) for name in left)

    def is_complete(self, text: str) -> bool:
        """Whether nothing is missing from `text`, though a last "1" might still become "10"."""
        return self.can_follow(text) and len(set(self._numbers(text))) == self._wanted

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """Tokens that keep the answer right, the end token where (and only where) it may end."""
        return _next_in_list(vocabulary, self, vocabulary.text(tuple(written)))

    def finish(self, text: str) -> str:
        """The answer with what is missing: the numbers written, then the others in the order shown."""
        numbers = [number for number in dict.fromkeys(self._numbers(text)) if number in self.options]
        rest = [option for option in self.options if option not in numbers]
        return ",".join(map(str, [*numbers, *rest][: self.count]))

    @property
    def characters(self) -> frozenset[str]:
        """What the options are written in."""
        return frozenset("".join(map(str, self.options)))

    def _numbers(self, text: str) -> list[int | str]:
        # No int() on a model's text: it also reads other scripts' digits and "1_0".
        by_name: dict[str, int | str] = {str(option): option for option in self.options}
        return [by_name[part.strip()] for part in text.split(",") if part.strip() in by_name]


@lru_cache(maxsize=65536)
def _next_in_list(vocabulary: Vocabulary, space: NumberList, text: str) -> tuple[int, ...]:
    tokens = vocabulary.list_tokens(space.characters)
    following = tuple(number for number, piece in tokens if space.can_follow(text + piece))
    return following + ((vocabulary.end_id,) if space.is_complete(text) or not following else ())


ROUNDS = 3
"""A free text that says the same so many times on end does not stop by itself: the engine ends it there."""


@dataclass(frozen=True)
class FreeText:
    """Any text of at most `max_tokens`, ended by the model itself: no constraint, hence no processor."""

    max_tokens: int

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """Every token."""
        return [*vocabulary.spelling, vocabulary.end_id]

    def finish(self, text: str) -> str:
        """The text itself."""
        return text


def to_spec(space: AnswerSpace) -> dict[str, Any]:
    """A plain description that can travel to a worker process (msgpack); `from_spec` reads it."""
    return {"kind": type(space).__name__, **vars(space)}


def from_spec(spec: dict[str, Any]) -> AnswerSpace:
    """The space that `to_spec` described; a ValueError for anything else."""
    from models.spaces.label_set import LabelSet
    from models.spaces.one_of import OneOf
    from models.spaces.option_names import OptionNames
    from models.spaces.quoted_spans import QuotedSpans

    fields = {key: _tuples(value) for key, value in spec.items() if key != "kind"}
    kinds: dict[str, Callable[..., AnswerSpace]] = {
        kind.__name__: kind for kind in (OneDigit, NumberList, OneOf, LabelSet, OptionNames, QuotedSpans, FreeText)
    }
    try:
        return kinds[spec["kind"]](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no answer space: {spec!r:.80} ({error})") from None


def _tuples(value: Any) -> Any:
    """Lists, as tuples come out of msgpack, made tuples again, at any depth."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
