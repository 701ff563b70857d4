"""What is sent to a language model and what comes back, whichever way it travels.

prompts/synthesis/<task>.txt holds a system line, a user message with {placeholders}, and the schema of the answer.
What is put in is untrusted: it goes in once, is never searched for further placeholders, and cannot close the <<< >>>
that mark it as data.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from shopbench.errors import UserError
from shopbench.prompts import PROMPTS
from shopbench.text_files import without_surrogates

_SECTION = re.compile(r"^=== (\w+)\n", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Prompt:
    """One prompt file, and its SHA-256."""

    system: str
    user: str
    schema: dict[str, Any]
    hash: str


@lru_cache
def prompt_named(name: str) -> Prompt:
    """Read prompts/synthesis/<name>.txt."""
    path = PROMPTS / "synthesis" / f"{name}.txt"
    text = path.read_text(encoding="utf-8")
    _, *parts = _SECTION.split(text)
    sections = {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}
    try:
        schema = json.loads(sections["schema"])
        return Prompt(sections["system"], sections["user"], schema, hashlib.sha256(text.encode()).hexdigest())
    except KeyError as error:
        raise UserError(f"{path}: no section '=== {error.args[0]}'; give it system, user and schema") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: its schema is broken JSON ({error}); mend it") from None


def filled(wording: str, /, **values: object) -> str:
    """A wording with its values as data, each put in once."""
    return filled_as_is(wording, **{name: as_data(value) for name, value in values.items()})


def filled_as_is(wording: str, /, **values: str) -> str:
    """A wording with values that are ours, or are `as_data` already."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], wording)


def as_data(value: object) -> str:
    """Text that cannot end the <<< >>> around it, without control characters and lone surrogates."""
    plain = without_surrogates(str(value)).replace("<<<", "‹‹‹").replace(">>>", "›››")
    return "".join(letter for letter in plain if letter >= " " or letter in "\n\t")


@dataclass(frozen=True)
class ChatRequest:
    """One request: a chat of a system line and a user message, and how it is to be answered.

    `schema`: what the answer must have; None where it is no JSON. `choices`: the answer is the number of one of so many
    options (then `schema` says so too); 0 for a text. `attempt`: a further try must not be the same request.
    """

    system: str
    user: str
    schema: dict[str, Any] | None
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    choices: int = 0
    attempt: int = 0

    def key(self, model: str) -> str:
        """SHA-256 of all that the answer depends on: what is once paid for is found again by it."""
        return hashlib.sha256(json.dumps([model, asdict(self)], sort_keys=True).encode()).hexdigest()

    @property
    def messages(self) -> list[dict[str, str]]:
        """The chat in OpenAI's form."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens the prompt has (three bytes each, and the chat's frame): to reserve money by."""
        return len((self.system + self.user).encode("utf-8", "replace")) // 3 + 20


@dataclass(frozen=True)
class Reply:
    """A model's answer: its text, why it ended, and what it cost in tokens.

    `finish`: "stop"; "length" (cut off); "refused" (the server took no such request: free, asked again by another run);
    any other word is the model's reason for giving no text ("content_filter", "tool_calls"; then `text` may be empty).
    Lone surrogates, which no file could hold, become U+FFFD.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", without_surrogates(self.text))
