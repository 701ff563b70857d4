"""A whole run: rows in, requests out by whichever way, rows accepted in their order, files and manifest written."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tqdm import tqdm

from training.data.formats import Row
from training.synthesize.acceptance import Acceptance
from training.synthesize.chat import ChatRequest, Reply, SynthesisError
from training.synthesize.client import Server
from training.synthesize.reply_cache import ReplyCache
from training.synthesize.spending import CeilingReached, Spending
from training.synthesize.steps import RowResult, Settings, Steps, steps
from training.synthesize.tasks.task import SynthesisTask

OTHERS = 40
"""How many rows of the input a row may take wrong options from: those that follow it, round the end.

They are read past the limit, so that a higher limit does not change what the first rows were asked.
"""


class BatchModel(Protocol):
    """What answers many requests in one call: the engine in process, or Ray."""

    def answer(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        """Answers in the order of the requests."""
        ...


@dataclass
class SynthesisRun:
    """The rows of a task on their way, the first `limit` of them. `outcomes`: of those that are through, by place."""

    task: SynthesisTask
    rows: list[Row]
    settings: Settings
    spending: Spending
    wanted: int | None = None
    limit: int | None = None
    outcomes: dict[int, RowResult] = field(default_factory=dict)
    stopped: str = ""
    failure: SynthesisError | None = None

    def __post_init__(self) -> None:
        self._live = Acceptance(self.task)
        self._bar = tqdm(total=len(self.rows[: self.limit]), desc=self.task.name, unit="row")

    def begin(self) -> Iterator[tuple[int, Steps]]:
        """Each row's steps, in order, until as many are accepted as are wanted or the money is spent."""
        for place, row in enumerate(self.rows[: self.limit]):
            if self.stopped or self.failure or self.enough:
                return
            others = [self.rows[(place + step) % len(self.rows)] for step in range(1, min(OTHERS + 1, len(self.rows)))]
            yield place, steps(self.task, row, others, self.settings)

    @property
    def enough(self) -> bool:
        """Whether as many rows are accepted as are wanted."""
        return self.wanted is not None and len(self._live.rows) >= self.wanted

    def done(self, place: int, outcome: RowResult) -> None:
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
        final = Acceptance(self.task)
        for place in sorted(self.outcomes):
            final.take(self.rows[place], self.outcomes[place])
        final.rows = final.rows[: self.wanted]
        return final

    def close(self) -> None:
        """End the progress bar's line."""
        self._bar.close()


async def ask_server(run: SynthesisRun, server: Server, concurrency: int) -> None:
    """Send every row's requests, `concurrency` rows at a time (the server object limits requests at once).

    If one fails for good, those under way are waited for and kept, as they are paid for; then the error is raised.
    """
    waiting = run.begin()

    async def worker() -> None:
        for place, row_steps in waiting:
            requests = next(row_steps)
            try:
                while run.failure is None:
                    requests = row_steps.send(await _together(server, requests))
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


async def _together(server: Server, requests: list[ChatRequest]) -> list[Reply]:
    """The answers to a row's requests; what was sent is waited for even if one of them fails, as it is paid for."""
    replies = await asyncio.gather(*map(server.answer, requests), return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
    return [reply for reply in replies if isinstance(reply, Reply)]


def ask_in_batches(run: SynthesisRun, model: BatchModel, cache: ReplyCache, size: int) -> None:
    """Answer the rows' requests in engine calls of about `size` requests, kept after each call."""
    waiting = run.begin()
    going: dict[int, tuple[Steps, list[ChatRequest]]] = {}
    while True:
        short = size - sum(len(requests) for _, requests in going.values())
        for place, row_steps in itertools.islice(waiting, max(0, short)):
            going[place] = (row_steps, next(row_steps))
        if not going:
            return
        waited_for = (request for _, requests in going.values() for request in requests)
        new = {request.key(""): request for request in waited_for if cache.find(request) is None}
        try:
            sent = [request for request in new.values() if run.spending.reserve(request)]
        except CeilingReached as problem:
            run.stopped = str(problem)
            return
        for request, reply in zip(sent, model.answer(sent) if sent else [], strict=True):
            run.spending.release(request)
            cache.keep(request, reply)
        for place, (row_steps, requests) in list(going.items()):
            found = [reply for reply in map(cache.find, requests) if reply is not None]
            if len(found) < len(requests):
                continue  # not all could be paid for in this call
            try:
                going[place] = (row_steps, row_steps.send(found))
            except StopIteration as end:
                del going[place]
                run.done(place, end.value)


def examples(rejected: list[dict[str, Any]], each: int = 3) -> dict[str, list[str]]:
    """The first few details of every reason."""
    kept: dict[str, list[str]] = {}
    for one in rejected:
        if len(kept.setdefault(one["reason"], [])) < each:
            kept[one["reason"]].append(one["detail"])
    return kept
