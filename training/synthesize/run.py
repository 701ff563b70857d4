"""A whole run: rows in, requests out by whichever way, rows accepted in the order of the input."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from shopbench.errors import UserError
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.build.checks import NearDuplicates
from training.data.formats import Row
from training.data.options import same_key
from training.synthesize.chat import ChatRequest, Reply
from training.synthesize.checks import Rejected
from training.synthesize.client import Server
from training.synthesize.reply_cache import CeilingReached, ReplyCache, Spending
from training.synthesize.tasks.task import RowResult, Settings, Steps, SynthesisTask, steps

OTHERS = 40
"""Rows that a row may take wrong options from: those that follow it, round the end. They are read past the limit, so
that a higher limit does not change what the first rows were asked."""


class Acceptance:
    """What is taken of the results in turn: no row twice, exactly or nearly; and what was rejected."""

    def __init__(self, task: SynthesisTask) -> None:
        self._task = task
        self._seen: set[str] = set()
        self._near = NearDuplicates()
        self.rows: list[Row] = []
        self.rejected: list[dict[str, Any]] = []

    @property
    def reasons(self) -> dict[str, int]:
        """How many were rejected for each reason, the most frequent first."""
        return dict(Counter(one["reason"] for one in self.rejected).most_common())

    def take(self, row: Row, result: RowResult) -> None:
        """Take what is new of a row's result."""
        problems = list(result.rejected)
        for made in result.rows:
            try:
                self._check_new(made)
                self.rows.append(made)
            except Rejected as problem:
                problems.append(problem)
        self.rejected += [{"id": row["id"], "reason": one.reason, "detail": one.detail} for one in problems]

    def _check_new(self, made: Row) -> None:
        text = str(made[self._task.text]) if self._task.text else ""
        exact = {json.dumps(["id", made["id"]]), same_key(text)} - {""}
        if self._task.kind == "reword":
            exact.add(same_key(json.dumps([made["task"], made["wording"]])))
        if exact & self._seen:
            content = {key: value for key, value in made.items() if key != "id"}
            raise Rejected("repeat", json.dumps(content, ensure_ascii=False))
        # Under a header, so that all of the text counts as data.
        sample = Sample(f"Text: {' '.join(text.split())}", "-", "synthesis", TaskType.GENERATION, "rougel", False)
        if text and self._near.has(sample):
            raise Rejected("near repeat", text)
        self._seen |= exact


@dataclass
class SynthesisRun:
    """The rows of a task on their way, the first `limit` of them. `results`: of those that are through, by place."""

    task: SynthesisTask
    rows: list[Row]
    settings: Settings
    spending: Spending
    wanted: int | None = None
    limit: int | None = None
    results: dict[int, RowResult] = field(default_factory=dict)
    stopped: str = ""

    def __post_init__(self) -> None:
        self._live = Acceptance(self.task)
        self.bar = tqdm(total=len(self.rows[: self.limit]), desc=self.task.name, unit="row")

    def begin(self) -> Iterator[tuple[int, Steps]]:
        """Each row's steps, in order, until as many are accepted as are wanted or the run is stopped."""
        for place, row in enumerate(self.rows[: self.limit]):
            if self.stopped or (self.wanted is not None and len(self._live.rows) >= self.wanted):
                return
            others = [self.rows[(place + step) % len(self.rows)] for step in range(1, min(OTHERS + 1, len(self.rows)))]
            yield place, steps(self.task, row, others, self.settings)

    def done(self, place: int, result: RowResult) -> None:
        """A row is through."""
        self.results[place] = result
        self._live.take(self.rows[place], result)
        self.bar.set_postfix_str(
            f"accepted {len(self._live.rows)}, rejected {len(self._live.rejected)}, "
            f"{self.spending.tokens} tokens, cost {self.spending.cost:.4f}"
        )
        self.bar.update()

    def accepted(self) -> Acceptance:
        """What is accepted, in the order of the input whatever the order of the answers was."""
        final = Acceptance(self.task)
        for place, result in sorted(self.results.items()):
            final.take(self.rows[place], result)
        final.rows = final.rows[: self.wanted]
        return final


async def ask_server(run: SynthesisRun, server: Server) -> None:
    """Send every row's requests, as many rows at a time as the server takes requests at once; ends the connections.

    If one fails for good, those under way are waited for and kept, as they are paid for; then the error is raised.
    """
    waiting = run.begin()
    failures: list[UserError | OSError] = []

    async def worker() -> None:
        for place, row_steps in waiting:
            requests = next(row_steps)
            try:
                while not failures:
                    sent = [asyncio.ensure_future(server.answer(request)) for request in requests]
                    await asyncio.gather(*sent, return_exceptions=True)
                    requests = row_steps.send([reply.result() for reply in sent])
            except StopIteration as end:
                run.done(place, end.value)
            except CeilingReached as problem:
                run.stopped = run.stopped or str(problem)
            except (
                UserError,
                OSError,
            ) as problem:  # OSError: a full disk
                failures.append(problem)
                run.stopped = str(problem)

    async with server.client, asyncio.TaskGroup() as group:
        for _ in range(server.concurrency):
            group.create_task(worker())
    if failures:
        raise failures[0]


def ask_in_batches(run: SynthesisRun, answer: Callable[..., list[Reply]], cache: ReplyCache, size: int) -> None:
    """Answer the rows' requests in calls of about `size`, in whose order `answer` replies; kept after each call."""
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
        for request, reply in zip(sent, answer(sent) if sent else [], strict=True):
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
