"""The environment that a Dockerfile gives a submission: its settings (models/settings.py) stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from shopbench.errors import UserError
from shopbench.text_files import text_lines

_CONTINUED = re.compile(r"\\[ \t]*\n")
_COMMENT = re.compile(r"^[ \t]*#.*\n", re.MULTILINE)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


def read_environment(dockerfile: Path) -> dict[str, str]:
    """The variables that an image made of this file has by its ENV; a UserError if the file cannot be read."""
    if not dockerfile.is_file():
        raise UserError(f"{dockerfile}: is missing; restore it: git checkout Dockerfile")
    try:
        return environment_of("".join(line for _, line in text_lines(dockerfile)))
    except ValueError as error:
        raise UserError(f"{dockerfile}: an ENV or ARG cannot be understood ({error}); mend its quotes") from None


def environment_of(text: str) -> dict[str, str]:
    r"""The variables that a Dockerfile's last stage sets, with the values of those that they name.

    Read as Docker reads them, but for single quotes and a backslash that keep a `$` as it is, and here-documents.

    >>> environment_of('FROM a\nARG LONGEST=320\nENV LANG=C \\\n    SHOPBENCH_CONTEXT="${LONGEST}"')
    {'LANG': 'C', 'SHOPBENCH_CONTEXT': '320'}
    """
    stages: dict[str, dict[str, str]] = {}
    of_all: dict[str, str] = {}  # the arguments before the first stage, for those that name them again
    arguments = of_all
    found: dict[str, str] = {}
    for line in _CONTINUED.sub(" ", _COMMENT.sub("", text + "\n")).splitlines():
        word, rest = [*line.split(None, 1), "", ""][:2]
        if word.upper() == "FROM":
            base, *named = [part for part in rest.split() if not part.startswith("--")] or [""]
            found, arguments = dict(stages.get(base.lower(), {})), {}
            stages |= {named[1].lower(): found} if len(named) > 1 else {}
        before = {**arguments, **found}
        if word.upper() == "ENV":
            found.update({name: _filled(value, before) for name, value in _assignments(rest)})
        elif word.upper() == "ARG" and "=" not in rest:
            arguments |= {name: of_all[name] for name in rest.split() if name in of_all}
        elif word.upper() == "ARG":
            arguments.update({name: _filled(value, before) for name, value in _assignments(rest)})
    return found


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    """NAME=VALUE, several of them; the old form NAME VALUE; nothing for an argument without a value."""
    first, *rest = text.split(None, 1)
    if "=" in first:
        for name, _, value in (part.partition("=") for part in shlex.split(text)):
            yield name, value
    elif rest:
        yield first, rest[0].strip()


def _filled(value: str, known: Mapping[str, str]) -> str:
    """A value with the variables that it names: $NAME, ${NAME}, ${NAME:-else}, ${NAME:+instead}."""

    def fill(found: re.Match[str]) -> str:
        own = known.get(found[1] or found[2], "")
        other = found[4] or ""
        return {"-": own or other, "+": other if own else ""}.get(found[3], own)

    return _VARIABLE.sub(fill, value)
