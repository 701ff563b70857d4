"""The answers that a question allows, as small automata over tokens.

An answer space says, for the tokens written so far, which may come next; the model's choice is made among
those, so what it writes is a right-formed answer or the beginning of one, never anything else. `finish` completes
in Python what the form already fixes (the last number of a permutation, an answer that was cut short), so
those tokens are never computed.

A space is all that others need to know of its kind: a new one is a file here and a line in spec.py. No engine here:
models/engine/processors.py applies a space within vLLM, tests walk it with random choices.

Why not vLLM's own structured output (xgrammar): it holds an answer to a list of choices as well, but a ranking of
five is 120 choices and three of fifteen 2,730; it generates the number that is left over and an end token; and it
knows no quotations. SmolLM2-135M, 16 questions in a batch, AVX2, median of five interleaved calls:

    | space             | unconstrained | this one         | xgrammar, `choice`                     |
    | ranking of five   | 97 ms a step  | 101 ms, 7 steps  | 93 ms, 9 steps: 22% longer for the call |
    | three of fifteen  | 98 ms a step  | 102 ms, 8 steps  | 116 ms, 10 steps: 27% longer            |
    | quoted spans      | 92 ms a step  | 93 ms, 15 steps  | (cannot)                                |

So a constraint costs at most 0.3 ms a token, and what saves time is the steps that are not made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from models.spaces.vocabulary import Vocabulary


class AnswerSpace(ABC):
    """A set of right-formed answers; subclasses are frozen dataclasses of plain values."""

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """Tokens that the longest answer may take: where generation ends without an end token; 0 for a known answer."""

    @abstractmethod
    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """The token ids that may follow `written`; never empty."""

    @abstractmethod
    def finish(self, text: str) -> str:
        """A whole answer from what was generated, be it cut short or empty."""

    def accepts(self, parsed: Any) -> bool:
        """Whether what the evaluator read (`shopbench.answers.parse`) is an answer of this space."""
        return bool(parsed)

    @property
    def is_free(self) -> bool:
        """Whether anything may be written, so that the engine need not hold the model to it."""
        return False

    @property
    def stop_tokens(self) -> tuple[int, ...]:
        """Tokens that always complete an answer: generation can stop there, without an end token."""
        return ()

    @property
    def most_repeats(self) -> int | None:
        """How often an answer may say the same on end before the engine stops it; None where it cannot."""
        return None

    @property
    def winners_request(self) -> dict[str, Any]:
        """What the winners' processors are told about such a question (models/engine/winners.py)."""
        return {"cite": False}


def count_to_generate(count: int, options: int) -> int:
    """How many of `count` different options must be generated: the last one of a permutation is known."""
    return options - 1 if count >= options else count


def are_different(parsed: Any, options: Sequence[Any]) -> bool:
    """Whether an answer names at least one of `options`, and each that it names once."""
    numbers = parsed if isinstance(parsed, list) else [parsed]
    return bool(numbers) and len(set(numbers)) == len(numbers) and set(numbers) <= set(options)
