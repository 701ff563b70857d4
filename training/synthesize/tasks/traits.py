"""Wanted traits, shown inside the sample output between delimiters, as More-diverse does (arXiv 2504.08002).

    [[difficulty: hard]]
    [[length: short, at most 30 words]]
    [[tone: casual]]
    [[language: German]]
    [[instruction]]
    ...
    [[end]]

A model keeps to what it has to write out better than to what it is only told; and the reader below needs the same
delimiters, so an answer that left a trait out is no answer.
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import asdict, dataclass
from typing import Any

from training.data.formats import Row
from training.synthesize.checks import LANGUAGES, Rejected, in_language, words_between

DIFFICULTIES = ("easy", "medium", "hard")
LENGTHS = {"short, at most 30 words": (3, 30), "medium, 20 to 60 words": (20, 60), "long, 50 to 150 words": (50, 150)}
TONES = ("neutral", "casual", "formal", "impatient")
LISTS = ("options", "right")
_MARK = re.compile(r"^\[\[\s*(\w+)\s*(?::\s*(.*?)\s*)?\]\][ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Traits:
    """What a sample is to be like."""

    difficulty: str
    length: str
    tone: str
    language: str

    def marked(self) -> str:
        """The lines that a sample with these traits begins with."""
        return "\n".join(f"[[{name}: {value}]]" for name, value in asdict(self).items())


def wanted_traits(row: Row) -> Traits:
    """Those that a row asks for ("traits"), the others by its id; English twice as often as any other language."""
    rng, given = random.Random(f"traits\n{row['id']}"), row.get("traits") or {}
    drawn = {
        "difficulty": rng.choice(DIFFICULTIES),
        "length": rng.choice(list(LENGTHS)),
        "tone": rng.choice(TONES),
        "language": rng.choice(("English", *LANGUAGES)),
    }
    return Traits(**{name: str(given.get(name) or value) for name, value in drawn.items()})


def read_marked(text: str) -> dict[str, Any]:
    """The parts of an answer between its delimiters: texts, and lists for the options and the right answers.

    Rejected where it does not come to [[end]], or has a part twice. What stands before the first mark is passed over.
    """
    marks = list(_MARK.finditer(text))
    if not marks or marks[-1][1] != "end":
        raise Rejected("cut off", f"no [[end]]: {text[-80:]}")
    parts: dict[str, Any] = {}
    for mark, following in itertools.pairwise(marks):
        name, body = mark[1], text[mark.end() : following.start()].strip()
        if name in parts or name == "end":
            raise Rejected("not of the form", f"[[{name}]] twice")
        parts[name] = mark[2] if mark[2] is not None else body
        if name in LISTS:
            lines = (re.sub(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+", "", line).strip() for line in body.splitlines())
            parts[name] = [line for line in lines if line]
    return parts


def check_traits(parts: dict[str, Any], wanted: Traits) -> None:
    """Rejected unless the answer shows the wanted traits and, where that can be measured, has them."""
    for name, value in asdict(wanted).items():
        if parts[name].casefold() != value.casefold():
            raise Rejected("other traits", f"{name}: {parts[name]}, not {value}")
    question = f"{parts['instruction']} {parts['context']}".strip()
    in_language(question, wanted.language, "the question")
    if wanted.language != "Japanese" and wanted.length in LENGTHS:
        words_between(question, *LENGTHS[wanted.length], "the question")
