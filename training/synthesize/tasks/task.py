"""What a synthesis task is; catalogue.py has all of them by name.

It turns a row into one request, and its answer into rows of the output. Four kinds: "label" (what the source
lacks: categories, aspects, snippets; Table 7 rows 1-4 and 20), "rewrite" (a seed becomes a question of another
form), "reword" (an instruction in other words) and "traits" (a question with wanted traits).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.data.formats import Row, SourceFolder
from training.synthesize.chat import Prompt, Reply, as_data, filled


@dataclass(frozen=True)
class CheckQuestion:
    """Something that must be derivable: asked a second time with the options shuffled, it must give `right` again.

    The text is ours; what is data in it stands between <<< and >>> (`CheckQuestion.on` puts it there).
    """

    text: str
    right: str
    wrong: tuple[str, ...]

    @classmethod
    def on(cls, wording: str, right: str, wrong: Iterable[str], /, **data: str) -> CheckQuestion:
        """A question with data in its {placeholders}."""
        return cls(filled(wording, **{name: as_data(text) for name, text in data.items()}), right, tuple(wrong))


@dataclass(frozen=True)
class Candidates:
    """What an answer gave: candidate rows, and for each of them the questions that it stands or falls with.

    `needed`: questions that all rows stand or fall with. `least`: if fewer rows stand, none do (three aspects make a
    sample, two do not). `joined`: makes one output row of those that stand; None where they are output rows already.
    """

    rows: list[Row]
    questions: list[list[CheckQuestion]]
    least: int = 1
    joined: Callable[[list[Row]], Row] | None = None
    needed: Sequence[CheckQuestion] = ()


@dataclass(frozen=True)
class SynthesisTask:
    """One way to turn rows into rows of training data with a language model's help.

    Attributes:
        fields: what every input row must hold, as text.
        values: what is put into the prompt, from a row and a generator seeded by the row.
        make: the answer (of the prompt's schema), its row and other rows (to take wrong options from) -> Candidates;
            raises Rejected. The generator starts as the one of `values`.
        rows: the input rows under a sources folder, made as the build makes them.
        source: the text that a row was made from: two rows of one text give one output.
        text: the field of an output row that must not nearly repeat another's; "" for none.
        read: a reply as the answer that `make` takes; raises Rejected. None where the answer is JSON, so that a server
            can be held to the schema.
    """

    name: str
    fields: tuple[str, ...]
    values: Callable[[Row, random.Random], dict[str, object]]
    make: Callable[[dict[str, Any], Row, Sequence[Row], random.Random], Candidates]
    rows: Callable[[SourceFolder], Iterator[Row]]
    source: Callable[[Row], str]
    max_tokens: int
    kind: str = "label"
    text: str = ""
    read: Callable[[Reply, Prompt, Row], dict[str, Any]] | None = None
