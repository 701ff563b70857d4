"""One row's way, as a generator: it hands out requests, is given the answers, and ends in the row's result.

Nothing here sends anything, so the same steps run against a server, an engine in process, Ray, or a test's list.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from training.data.formats import Row
from training.data.options import one_line
from training.synthesize.chat import ChatRequest, Reply, as_data, filled, prompt_named
from training.synthesize.checks import Rejected, json_object
from training.synthesize.tasks.task import Candidates, CheckQuestion, SynthesisTask

Steps = Generator[list[ChatRequest], list[Reply], "RowResult"]


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


def steps(task: SynthesisTask, row: Row, others: Sequence[Row], settings: Settings) -> Steps:
    """Ask for an answer, again if its form is wrong; then ask what it must be derivable from."""
    prompt = prompt_named(task.name)
    rejected: list[Rejected] = []
    for attempt in range(settings.attempts):
        rng = random.Random(f"{task.name}\n{row['id']}\n{settings.seed}")
        user = prompt.fill(**task.values(row, rng))
        schema = None if task.read else prompt.schema
        temperature = settings.temperature if attempt == 0 else max(settings.temperature, 0.3)
        seed = settings.seed + attempt
        [reply] = yield [ChatRequest(prompt.system, user, schema, task.max_tokens, temperature, seed, attempt=attempt)]
        try:
            answer = task.read(reply, prompt, row) if task.read else json_object(reply, prompt.schema)
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
    user = filled(prompt.user, question=question.text, options=shown)
    return ChatRequest(prompt.system, user, schema, 16, 0.0, settings.seed, choices=len(options)), right


def _agrees(reply: Reply, right: int) -> bool:
    try:
        return bool(json_object(reply, prompt_named("check").schema)["answer"] == right)
    except Rejected:
        return False


def _settled(made: Candidates, agreed: Iterator[bool]) -> RowResult:
    """The rows whose questions were answered in the same way (all rows where nothing was asked), if they are enough."""
    for question in made.needed:
        if not next(agreed, True):
            return RowResult(rejected=[Rejected("not derivable", f"{question.text} {made.rows}")])
    result = RowResult()
    for row, several in zip(made.rows, made.questions, strict=True):
        if all(list(itertools.islice(agreed, len(several)))):
            result.rows.append(row)
        elif made.joined is None:
            result.rejected.append(Rejected("not derivable", str({**row, "asked": several[0].text})))
    if len(result.rows) < made.least:
        return RowResult(rejected=result.rejected or [Rejected("not derivable", str(made.rows))])
    if made.joined:
        result.rows = [made.joined(result.rows)]
    return result
