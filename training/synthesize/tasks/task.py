"""What a synthesis task is, and a row's way through it; catalogue.py has all tasks by name.

A task turns a row into one request, and its answer into rows of the output. Four kinds: "label" (what the source
lacks: categories, aspects, snippets; Table 7 rows 1-4 and 20), "rewrite" (a seed becomes a question of another
form), "reword" (an instruction in other words) and "traits" (a question with wanted traits).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.data.formats import Row, SourceFolder
from training.data.options import one_line
from training.synthesize.chat import ChatRequest, Reply, as_data, filled, filled_as_is, prompt_named
from training.synthesize.checks import Rejected, json_object, of_schema, whole


@dataclass(frozen=True)
class CheckQuestion:
    """Something that must be derivable: asked a second time with the options shuffled, it must give `right` again."""

    text: str
    right: str
    wrong: tuple[str, ...]

    @classmethod
    def on(cls, wording: str, right: str, wrong: Iterable[str], /, **data: str) -> CheckQuestion:
        """A question in words of ours, with data in its <<<{placeholders}>>>."""
        return cls(filled(wording, **data), right, tuple(wrong))


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
        read: an answer's text and its row -> what the schema describes; raises Rejected. None where the answer is JSON,
            so that a server can be held to the schema.
    """

    name: str
    values: Callable[[Row, random.Random], dict[str, object]]
    make: Callable[[dict[str, Any], Row, Sequence[Row], random.Random], Candidates]
    rows: Callable[[SourceFolder], Iterator[Row]]
    source: Callable[[Row], str]
    max_tokens: int
    kind: str = "label"
    fields: tuple[str, ...] = ()
    text: str = ""
    read: Callable[[str, Row], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Settings:
    """What the answers depend on besides prompts and model."""

    attempts: int = 2
    temperature: float = 0.7
    seed: int = 0
    derive: bool = True


@dataclass
class RowResult:
    """What became of a row: output rows, and what was rejected of it, with the reason and what it was about."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


Steps = Generator[list[ChatRequest], list[Reply], RowResult]


def steps(task: SynthesisTask, row: Row, others: Sequence[Row], settings: Settings) -> Steps:
    """One row's way: hands out requests, is given the answers, and ends in the row's result. Nothing is sent here.

    It asks for an answer, again if its form is wrong; then it asks what the answer must be derivable from.
    """
    prompt = prompt_named(task.name)
    rejected: list[Rejected] = []
    for attempt in range(settings.attempts):
        rng = random.Random(f"{task.name}\n{row['id']}\n{settings.seed}")
        user = filled(prompt.user, **task.values(row, rng))
        schema = None if task.read else prompt.schema
        temperature = settings.temperature if attempt == 0 else max(settings.temperature, 0.3)
        seed = settings.seed + attempt
        [reply] = yield [ChatRequest(prompt.system, user, schema, task.max_tokens, temperature, seed, attempt=attempt)]
        try:
            if task.read:
                answer = of_schema(task.read(whole(reply), row), prompt.schema)
            else:
                answer = json_object(reply, prompt.schema)
            made = task.make(answer, row, others, rng)
        except Rejected as error:
            rejected = [error]
            continue
        questions = [*made.needed, *itertools.chain(*made.questions)] if settings.derive else []
        asked = [_second_ask(one, rng, settings) for one in questions]
        replies = (yield [request for request, _ in asked]) if asked else []
        return _settled(made, (_agrees(reply, right) for (_, right), reply in zip(asked, replies, strict=True)))
    return RowResult(rejected=rejected)


def _second_ask(question: CheckQuestion, rng: random.Random, settings: Settings) -> tuple[ChatRequest, int]:
    """The question with its options shuffled, and the number of the right one (from 1)."""
    prompt = prompt_named("check")
    options = [question.right, *question.wrong]
    rng.shuffle(options)
    right = options.index(question.right) + 1
    shown = "\n".join(f"{number}. {as_data(one_line(option))}" for number, option in enumerate(options, 1))
    schema = {**prompt.schema, "properties": {"answer": {"type": "integer", "enum": list(range(1, len(options) + 1))}}}
    user = filled_as_is(prompt.user, question=question.text, options=shown)
    return ChatRequest(prompt.system, user, schema, 16, 0.0, settings.seed, choices=len(options)), right


def _agrees(reply: Reply, right: int) -> bool:
    try:
        return json_object(reply, prompt_named("check").schema)["answer"] == right
    except Rejected:
        return False


def _settled(made: Candidates, agreed: Iterator[bool]) -> RowResult:
    """The rows whose questions were answered in the same way (all rows where nothing was asked), if they are enough."""
    for question in made.needed:
        if not next(agreed, True):
            return RowResult(rejected=[Rejected("not derivable", f"{question.text} {made.rows}")])
    kept, rejected = [], []
    for row, several in zip(made.rows, made.questions, strict=True):
        if all(list(itertools.islice(agreed, len(several)))):
            kept.append(row)
        elif made.joined is None:
            rejected.append(Rejected("not derivable", str({**row, "asked": several[0].text})))
    if len(kept) < made.least:
        return RowResult(rejected=rejected or [Rejected("not derivable", str(made.rows))])
    return RowResult([made.joined(kept)] if made.joined else kept, rejected)
