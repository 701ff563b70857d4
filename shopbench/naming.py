"""Answering a choice by its words: each option is named by the first tokens that tell it from the others.

A small model that is asked for an option's number must find the right option and then look up its number; asked
for the option's own words it only has to go on with a text that stands in the question. SmolLM2-135M by words,
after 500 training samples: 36% of 250 held-out choices right, chance being 27%; an adapter trained by number on six
times as many answered "1" to nearly every choice. (No two runs differ in this alone.) Which way weights were trained
for is said in their provenance.json (`answer_by`); large models, and the winning solution, answer by number.

Of the options "red car" and "red bus", `telling_names` gives the tokens " red car" and " red bus"; of "red car" and
"blue car", " red" and " blue" alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from shopbench.prompts import encode_text
from shopbench.question import Question

MOST_TOKENS = 16
"""A longer name would cost more decoding steps than it is worth: then the options are named by number."""


class AnswerBy(StrEnum):
    """What an answer names options by."""

    NUMBER = "number"
    TEXT = "text"


def answer_by_of(provenance: Mapping[str, Any]) -> str:
    """What weights or an adapter with this provenance.json were trained to name options by; by number if it is silent.

    Merged weights say it themselves, an adapter within its hyperparameters.
    """
    training = provenance.get("training") or {}
    return str(provenance.get("answer_by") or training.get("answer_by") or AnswerBy.NUMBER)


def telling_names(tokenizer: Any, texts: Sequence[str]) -> tuple[tuple[int, ...], ...] | None:
    """For each text the fewest first tokens that begin no other one; None where texts are the same too long.

    A text is cut as it is in the question, after a blank, and counts as ended by a line break, so "red" differs
    from "red bus". No name is the beginning of another.
    """
    lines = [f"{text}\n" for text in texts]
    names = []
    for text in texts:
        tokens = [*encode_text(tokenizer, f" {text}")[:MOST_TOKENS], line_break(tokenizer)]
        for length in range(1, len(tokens) + 1):
            begun = tokenizer.decode(tokens[:length]).rstrip("\ufffd").lstrip(" ")
            if begun and sum(line.startswith(begun) for line in lines) == 1:
                names.append(tuple(tokens[:length]))
                break
    return tuple(names) if len(names) == len(texts) else None


def line_break(tokenizer: Any) -> int:
    """The token between two names of a list."""
    return int(encode_text(tokenizer, "\n")[-1])


def encode_named(tokenizer: Any, question: Question, chosen: Iterable[int]) -> list[int] | None:
    """The tokens of an answer by text: the names of the chosen options, a line each; None if it must be by number.

    No end token: the form says when the answer is complete.
    """
    names = telling_names(tokenizer, question.option_texts) if question.option_texts else None
    if not names or not set(chosen) <= set(question.numbers):
        return None
    tokens: list[int] = []
    for number in chosen:
        tokens += [*([line_break(tokenizer)] if tokens else []), *names[question.numbers.index(number)]]
    return tokens


def in_stable_random_order(question: str, chosen: Iterable[int]) -> list[int]:
    """Options of a set, in an order that follows neither their numbers nor their texts, the same in every run."""
    return sorted(chosen, key=lambda number: zlib.crc32(f"{number} {question}".encode()))
