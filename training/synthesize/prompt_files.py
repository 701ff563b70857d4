"""Prompt files: prompts/synthesis/<task>.txt holds a system line, a user message and the schema of the answer.

The user message has {placeholders}. What is put in is untrusted: it goes in once, is never searched for further
placeholders, and cannot close the <<< >>> that mark it as data.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shopbench.prompts import PROMPTS
from training.synthesize.chat import SynthesisError

FOLDER = PROMPTS / "synthesis"
_SECTION = re.compile(r"^=== (\w+)\n", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Prompt:
    """One prompt file."""

    name: str
    system: str
    user: str
    schema: dict[str, Any]
    hash: str

    def fill(self, **values: object) -> str:
        """The user message with its values; a KeyError if one is missing."""
        return filled(self.user, **{name: as_data(str(value)) for name, value in values.items()})


def filled(wording: str, /, **values: str) -> str:
    """A wording with its values, each put in once; values that are no data (`as_data`) must be ours."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], wording)


@lru_cache
def prompt_named(name: str) -> Prompt:
    """Read prompts/synthesis/<name>.txt; a SynthesisError if a section is missing or the schema is no JSON."""
    path = FOLDER / f"{name}.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SynthesisError(f"{path}: cannot be read ({error.strerror}); every task has a prompt file") from None
    _, *parts = _SECTION.split(text)
    sections = {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}
    missing = [title for title in ("system", "user", "schema") if title not in sections]
    if missing:
        raise SynthesisError(f"{path}: no section '=== {missing[0]}'; a prompt file has system, user and schema")
    try:
        schema = json.loads(sections["schema"])
    except json.JSONDecodeError as error:
        raise SynthesisError(f"{path}: its schema is broken JSON ({error}); mend it") from None
    return Prompt(name, sections["system"], sections["user"], schema, hashlib.sha256(text.encode()).hexdigest())


def as_data(text: str) -> str:
    """Text that cannot end the <<< >>> around it, without control characters and lone surrogates."""
    plain = text.encode("utf-8", "replace").decode("utf-8").replace("<<<", "‹‹‹").replace(">>>", "›››")
    return "".join(letter for letter in plain if letter >= " " or letter in "\n\t")
