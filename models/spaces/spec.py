"""Answer spaces as plain descriptions, which travel to vLLM's worker processes and into journals' keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.label_set import LabelSet
from models.spaces.number_list import NumberList
from models.spaces.one_digit import OneDigit
from models.spaces.one_of import OneOf
from models.spaces.option_names import OptionNames
from models.spaces.quoted_spans import QuotedSpans

KINDS: dict[str, Callable[..., AnswerSpace]] = {
    kind.__name__: kind for kind in (OneDigit, NumberList, OneOf, LabelSet, OptionNames, QuotedSpans, FreeText)
}
"""Every kind of space there is."""


def to_spec(space: AnswerSpace) -> dict[str, Any]:
    """A plain description that can travel to a worker process (msgpack); `from_spec` reads it."""
    return {"kind": type(space).__name__, **vars(space)}


def from_spec(spec: dict[str, Any]) -> AnswerSpace:
    """The space that `to_spec` described; a ValueError for anything else."""

    fields = {key: _tuples(value) for key, value in spec.items() if key != "kind"}
    try:
        return KINDS[spec["kind"]](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no answer space: {spec!r:.80} ({error})") from None


def _tuples(value: Any) -> Any:
    """Lists, as tuples come out of msgpack, made tuples again, at any depth."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
