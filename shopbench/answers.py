"""Answer syntax in both directions: how an answer is written, and how the hidden evaluator reads one.

`parse` follows the starter kit's parsers to the letter, quirks included (Unicode digits, the first 5,000 characters,
numbers split by commas only); the tests compare it with values that the kit itself returned.
`write` makes the shortest text that parses back to the truth; training answers are made of it.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from shopbench.tasks import TaskType, task_type_named

READ_CHARACTERS = 5000
"""The evaluator cuts an answer here before it reads it."""

Parsed = int | str | list[int] | list[str]


def parse(task_type: TaskType | str, text: str) -> Parsed:
    """The answer that the evaluator reads from a model's text.

    multiple-choice: int, -1 where the text does not begin with a digit; retrieval and ranking: list of
    ints (at most 3 and 5); named_entity_recognition: list of texts; generation: the stripped text.
    """
    return _PARSERS[task_type_named(task_type)](text[:READ_CHARACTERS])


def write(task_type: TaskType | str, truth: Any) -> str:
    """The text of a right answer: what a model is trained to say.

    Args:
        truth: an int (multiple-choice), option numbers (retrieval), gains, from which the numbers follow
            best first and ties in list order (ranking), texts (NER), a text or several, of which the
            first is written (generation).
    """
    task_type = task_type_named(task_type)
    if task_type is TaskType.MULTIPLE_CHOICE:
        return str(truth)
    if task_type is TaskType.RETRIEVAL:
        return ",".join(map(str, truth))
    if task_type is TaskType.RANKING:
        return ",".join(map(str, ranking_of(truth)))
    if task_type is TaskType.NER:
        return _write_entities([str(entity).strip() for entity in truth])
    return (truth if isinstance(truth, str) else truth[0]).strip()


def ranking_of(gains: Sequence[float]) -> list[int]:
    """The 1-based item numbers in order of falling gain; equal gains keep their order."""
    return sorted(range(1, len(gains) + 1), key=lambda number: -gains[number - 1])


def _write_entities(entities: list[str]) -> str:
    joined = ", ".join(entities)
    # An entity with a comma inside ("2,000 mAh") only survives as a Python list.
    return joined if _parse_entities(joined) == entities else repr(entities)


def _parse_choice(text: str) -> int:
    try:
        return int(text.strip()[0])
    except (IndexError, ValueError):
        return -1


def _parse_numbers(text: str) -> list[int]:
    # isnumeric keeps more than int() takes ("½", "²", "五"): such parts are dropped, as in the kit.
    kept = "".join(char for char in text if char.isnumeric() or char in ", ")
    numbers = []
    for part in kept.split(","):
        try:
            numbers.append(int(part))
        except ValueError:  # empty, two numbers in one part, or over Python's 4,300 digits
            continue
    return numbers


def _parse_retrieval(text: str) -> list[int]:
    return _parse_numbers(text)[:3]


def _parse_ranking(text: str) -> list[int]:
    first_five = [number for number in _parse_numbers(text) if number <= 5][:5]
    return first_five if len(set(first_five)) == len(first_five) else []


def _parse_entities(text: str) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "\\d" in an answer is no news to the user
            warnings.simplefilter("ignore", DeprecationWarning)
            value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError, TypeError):
        value = None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return [part.strip() for part in text.split(",") if part.strip()]


_PARSERS: dict[TaskType, Callable[[str], Parsed]] = {
    TaskType.MULTIPLE_CHOICE: _parse_choice,
    TaskType.RETRIEVAL: _parse_retrieval,
    TaskType.RANKING: _parse_ranking,
    TaskType.NER: _parse_entities,
    TaskType.GENERATION: str.strip,
}
