"""A whole run: rows in, requests out by whichever way, rows accepted in their order, files and manifest written."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from training.data.formats import Row
from training.synthesize.acceptance import Acceptance
from training.synthesize.asks import Ask, Reply, SynthesisError
from training.synthesize.client import Server
from training.synthesize.jobs import Job
from training.synthesize.journal import Journal
from training.synthesize.spending import CeilingReached, Spending
from training.synthesize.steps import Outcome, Settings, Steps, steps

OTHERS = 40
"""How many rows of the input a row may take wrong options from: those that follow it, round the end.

They are read past the limit, so that a higher limit does not change what the first rows were asked.
"""


class BatchModel(Protocol):
    """What answers many requests in one call: the engine in process, or Ray."""

    def answer(self, asks: Sequence[Ask]) -> list[Reply]:
        """Answers in the order of the requests."""
        ...


@dataclass
class Run:
    """The rows of a job on their way, the first `limit` of them. `outcomes`: of those that are through, by place."""

    job: Job
    rows: list[Row]
    settings: Settings
    spending: Spending
    wanted: int | None = None
    limit: int | None = None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    stopped: str = ""
    failure: SynthesisError | None = None

    def __post_init__(self) -> None:
        self._live = Acceptance(self.job)
        self._bar = tqdm(total=len(self.rows[: self.limit]), desc=self.job.name, unit="row")

    def begin(self) -> Iterator[tuple[int, Steps]]:
        """Each row's steps, in order, until as many are accepted as are wanted or the money is spent."""
        for place, row in enumerate(self.rows[: self.limit]):
            if self.stopped or self.failure or self.enough:
                return
            others = [self.rows[(place + step) % len(self.rows)] for step in range(1, min(OTHERS + 1, len(self.rows)))]
            yield place, steps(self.job, row, others, self.settings)

    @property
    def enough(self) -> bool:
        """Whether as many rows are accepted as are wanted."""
        return self.wanted is not None and len(self._live.rows) >= self.wanted

    def done(self, place: int, outcome: Outcome) -> None:
        """A row is through."""
        self.outcomes[place] = outcome
        self._live.take(self.rows[place], outcome)
        self._bar.set_postfix_str(
            f"accepted {len(self._live.rows)}, rejected {len(self._live.rejected)}, "
            f"{self.spending.tokens} tokens, cost {self.spending.cost:.4f}"
        )
        self._bar.update()

    def accepted(self) -> Acceptance:
        """What is accepted, in the order of the input whatever the order of the answers was."""
        final = Acceptance(self.job)
        for place in sorted(self.outcomes):
            final.take(self.rows[place], self.outcomes[place])
        final.rows = final.rows[: self.wanted]
        return final

    def close(self) -> None:
        """End the progress bar's line."""
        self._bar.close()


async def ask_server(run: Run, server: Server, concurrency: int) -> None:
    """Send every row's requests, `concurrency` rows at a time (the server object limits requests at once).

    If one fails for good, those under way are waited for and kept, as they are paid for; then the error is raised.
    """
    waiting = run.begin()

    async def worker() -> None:
        for place, row_steps in waiting:
            asks = next(row_steps)
            try:
                while run.failure is None:
                    asks = row_steps.send(await _together(server, asks))
            except StopIteration as end:
                run.done(place, end.value)
            except CeilingReached as problem:
                run.stopped = run.stopped or str(problem)
            except SynthesisError as problem:
                run.failure = run.failure or problem

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    if run.failure is not None:
        raise run.failure


async def _together(server: Server, asks: list[Ask]) -> list[Reply]:
    """The answers to a row's requests; what was sent is waited for even if one of them fails, as it is paid for."""
    replies = await asyncio.gather(*map(server.answer, asks), return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
    return [reply for reply in replies if isinstance(reply, Reply)]


def ask_in_batches(run: Run, model: BatchModel, journal: Journal, size: int) -> None:
    """Answer the rows' requests in engine calls of about `size` requests, kept after each call."""
    waiting = run.begin()
    going: dict[int, tuple[Steps, list[Ask]]] = {}
    while True:
        short = size - sum(len(asks) for _, asks in going.values())
        for place, row_steps in itertools.islice(waiting, max(0, short)):
            going[place] = (row_steps, next(row_steps))
        if not going:
            return
        new = {ask.key(""): ask for _, asks in going.values() for ask in asks if journal.find(ask) is None}
        try:
            sent = [ask for ask in new.values() if run.spending.reserve(ask)]
        except CeilingReached as problem:
            run.stopped = str(problem)
            return
        for ask, reply in zip(sent, model.answer(sent) if sent else [], strict=True):
            run.spending.release(ask)
            journal.keep(ask, reply)
        for place, (row_steps, asks) in list(going.items()):
            found = [reply for reply in map(journal.find, asks) if reply is not None]
            if len(found) < len(asks):
                continue  # not all could be paid for in this call
            try:
                going[place] = (row_steps, row_steps.send(found))
            except StopIteration as end:
                del going[place]
                run.done(place, end.value)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """JSON lines, written beside and then renamed."""
    beside = path.with_name(path.name + ".part")
    with open(beside, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    os.replace(beside, path)


def examples(rejected: list[dict[str, Any]], each: int = 3) -> dict[str, list[str]]:
    """The first few details of every reason."""
    kept: dict[str, list[str]] = {}
    for one in rejected:
        if len(kept.setdefault(one["reason"], [])) < each:
            kept[one["reason"]].append(one["detail"])
    return kept
