"""One row's way, as a generator: it hands out requests, is given the answers, and ends in an outcome.

Nothing here sends anything, so the same steps run against a server, an engine in process, Ray, or a test's list.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from training.data.formats import Row
from training.data.options import one_line
from training.synthesize.chat import ChatRequest, Reply
from training.synthesize.checks import Rejected, json_object
from training.synthesize.prompt_files import as_data, filled, prompt_named
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
    outcome = RowResult()
    for attempt in range(settings.attempts):
        rng = random.Random(f"{task.name}\n{row['id']}\n{settings.seed}")
        user = prompt.fill(**task.values(row, rng))
        schema = prompt.schema if task.structured else None
        temperature = settings.temperature if attempt == 0 else max(settings.temperature, 0.3)
        seed = settings.seed + attempt
        [reply] = yield [ChatRequest(prompt.system, user, schema, task.max_tokens, temperature, seed, attempt=attempt)]
        try:
            made = task.make(task.read(reply, prompt, row, rng), row, others, rng)
        except Rejected as error:
            outcome.rejected = [error]
            continue
        outcome.rejected = []
        questions = [*made.needed, *(one for several in made.questions for one in several)] if settings.derive else []
        asked = [_second_ask(one, rng, settings) for one in questions]
        replies = (yield [request for request, _ in asked]) if asked else []
        agreed = [_agrees(reply, right) for (_, right), reply in zip(asked, replies, strict=True)]
        _settle(made, agreed, outcome)
        return outcome
    return outcome


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
        return json_object(reply, prompt_named("check").schema)["answer"] == right
    except Rejected:
        return False


def _settle(made: Candidates, agreed: list[bool], outcome: RowResult) -> None:
    """Keep the rows whose questions were answered in the same way, if they are enough."""
    needed = agreed[: len(made.needed)]
    if not all(needed):
        outcome.rejected = [Rejected("not derivable", f"{made.needed[needed.index(False)].text} {made.rows}")]
        return
    kept, place = [], len(needed)
    for row, several in zip(made.rows, made.questions, strict=True):
        answers = agreed[place : place + len(several)]
        place += len(several)
        if all(answers):
            kept.append(row)
        elif made.joined is None:
            outcome.rejected.append(Rejected("not derivable", str({**row, "asked": several[0].text})))
    if len(kept) < made.least:
        outcome.rejected = outcome.rejected or [Rejected("not derivable", str(made.rows))]
    else:
        outcome.rows = [made.joined(kept)] if made.joined else kept
