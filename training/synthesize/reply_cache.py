"""Paid replies: each is on disk before anything is made of it, and none may cost more than the ceiling leaves.

All else of a run (checks, order, duplicates) follows from the rows and the answers, so a run that was killed and
one that was finished are taken up the same way: whatever was answered is found by its request's key.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.files import append_line
from shopbench.outputs import hold
from training.synthesize.chat import ChatRequest, Reply


class CeilingReached(UserError):
    """The next request might pass the ceiling: the run stops there, and what it has is written."""


@dataclass
class Spending:
    """Tokens and money spent by a run and by the runs before it whose answers it uses.

    Before a request is sent, what it may cost at most is reserved, so that requests under way cannot pass the ceiling
    together either. Prices are of a million tokens (0 where nothing is paid); a ceiling is None for none.
    """

    prompt_price: float = 0.0
    answer_price: float = 0.0
    most_tokens: int | None = None
    most_cost: float | None = None
    requests: int = 0
    lost_requests: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    _reserved: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens so far, of prompts and answers."""
        return self.prompt_tokens + self.answer_tokens

    @property
    def cost(self) -> float:
        """Money so far."""
        return self._price(self.prompt_tokens, self.answer_tokens)

    def _price(self, prompt_tokens: int, answer_tokens: int) -> float:
        return (prompt_tokens * self.prompt_price + answer_tokens * self.answer_price) / 1e6

    def add(self, prompt_tokens: int, answer_tokens: int) -> None:
        """Count tokens that are paid for."""
        self.prompt_tokens += prompt_tokens
        self.answer_tokens += answer_tokens

    def reserve(self, request: ChatRequest) -> bool:
        """Set aside what this request may cost. False: it must wait for what is under way to come back.

        CeilingReached if nothing is under way and there still is not enough left.
        """
        held = [*self._reserved.values(), (request.prompt_tokens, request.max_tokens)]
        prompt, answer = map(sum, zip((self.prompt_tokens, self.answer_tokens), *held, strict=True))
        if self.most_tokens is not None and prompt + answer > self.most_tokens:
            problem = f"ceiling of {self.most_tokens} tokens, {self.tokens} used"
        elif self.most_cost is not None and self._price(prompt, answer) > self.most_cost:
            problem = f"ceiling of {self.most_cost:g} in money, {self.cost:.4f} used"
        else:
            self._reserved[id(request)] = held[-1]
            return True
        if not self._reserved:
            raise CeilingReached(problem)
        return False

    def release(self, request: ChatRequest) -> None:
        """The request came to an end, well or not."""
        self._reserved.pop(id(request), None)


class ReplyCache:
    """The replies so far of one output file (OUT.jsonl.journal), by request. One process at a time may hold it."""

    def __init__(self, path: Path, model: str, spending: Spending) -> None:
        self.spending = spending
        self._path, self._model = path, model
        self._replies: dict[str, Reply] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: after a write that failed, closing would try once more, and fail without a name.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (held open, and locked, for the run)
        try:
            hold(self._file, path)
            self._read()
        except BaseException:
            self._file.close()
            raise

    def find(self, request: ChatRequest) -> Reply | None:
        """The answer that was paid for already, if there is one."""
        return self._replies.get(request.key(self._model))

    def keep(self, request: ChatRequest, reply: Reply) -> None:
        """Keep an answer; it is on disk when this returns. A refusal was free: another run asks again."""
        self._add({"key": request.key(self._model), **asdict(reply)}, write=reply.finish != "refused")

    def lost(self, request: ChatRequest) -> None:
        """A request was sent and its answer never came whole: take it for charged."""
        self._add({"lost": [request.prompt_tokens, request.max_tokens]}, write=True)

    def close(self) -> None:
        """Let another process have it."""
        self._file.close()

    def _add(self, entry: dict[str, Any], write: bool) -> None:
        if write:
            append_line(self._file, entry)
        if "lost" in entry:
            self.spending.add(*entry["lost"])
            self.spending.lost_requests += 1
        else:
            key = entry.pop("key")
            self._replies[key] = reply = Reply(**entry)
            self.spending.add(reply.prompt_tokens, reply.answer_tokens)
            self.spending.requests += 1

    def _read(self) -> None:
        """Take up the whole lines; what follows the last one was being written when the run died."""
        good_bytes = 0
        with open(self._path, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                try:
                    self._add(json.loads(line), write=False)
                except (ValueError, TypeError, KeyError, AttributeError):
                    raise UserError(
                        f"{self._path}: broken after byte {good_bytes}; cut it there (truncate -s {good_bytes}) to "
                        "keep the answers before it, or delete it to pay for all again"
                    ) from None
                good_bytes += len(line)
        self._file.truncate(good_bytes)
