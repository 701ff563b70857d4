"""Keeping evaluation data out of training data.

A question's text parts are what it was made from: quoted titles and queries, what follows a header ("Review: ..."),
options. A sample is dropped if its whole question, or one of its longer parts, is the same (letters and digits
only) as one of the evaluation file, or if half of a part's five-word runs stand in that file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from shopbench.options import after_mark
from training.data.options import same_key

EXACT_WORDS = 3
"""A part of fewer words ("running shoes") says nothing about where it comes from."""
RUN = 5
CONTAINED = 0.5
BOILERPLATE = 3
"""A part of so many evaluation questions is their wording, not their data."""

_HEADER = re.compile(r"^\s*([^\W\d_][^:：\n]{0,40})[:：]\s*(.*)$")
_WORDING = re.compile(r"^(?:instructions?|task|question|answer|output|result|response|note)\b", re.IGNORECASE)
_QUOTED = re.compile(r"(?<![\w])['\"“„](.+?)['\"”](?!\w)")


def text_parts(question: str) -> Iterator[str]:
    """The parts of a question that are data, as lower-case words, longest texts whole."""
    under_header = False
    for line in question.splitlines():
        option, header = after_mark(line), _HEADER.match(line)
        if option is not None:
            yield same_key(option)
        elif header and _WORDING.match(header[1]):
            under_header = False
        elif header:
            under_header = True
            yield same_key(header[2])
        elif under_header:
            yield same_key(line)
        for found in _QUOTED.findall(line):
            yield same_key(found)


def runs(part: str) -> set[str]:
    """The five-word runs of a part; characters stand for words where a script has no blanks."""
    words = part.split()
    if len(words) < RUN and len(part) >= 20 and not part.isascii():
        words = list(part.replace(" ", ""))
    return {" ".join(words[place : place + RUN]) for place in range(len(words) - RUN + 1)}


class Excluded:
    """The questions of evaluation files, ready to be looked up."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._questions: set[str] = set()
        counts: Counter[str] = Counter()
        for question in questions:
            self._questions.add(same_key(question))
            counts.update(set(text_parts(question)))
        data = [part for part, count in counts.items() if count < BOILERPLATE]
        self._parts = {part for part in data if len(part.split()) >= EXACT_WORDS}
        self._runs = {run for part in data for run in runs(part)}

    def overlap(self, question: str) -> str | None:
        """Why a question may not be trained on ("same question", "same text", "shared text"), or None."""
        if not self._questions:
            return None
        if same_key(question) in self._questions:
            return "same question"
        for part in text_parts(question):
            if part in self._parts:
                return "same text"
            own = runs(part)
            if len(own) >= 3 and len(own & self._runs) >= CONTAINED * len(own):
                return "shared text"
        return None
