"""What a run has cost, and the ceiling that it may not pass, in tokens and in money."""

from __future__ import annotations

from dataclasses import dataclass

from shopbench.errors import UserError
from training.synthesize.chat import ChatRequest, Reply


class CeilingReached(UserError):
    """The next request might pass the ceiling: the run stops there, and what it has is written."""


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens (0 where nothing is paid), and the ceilings (None for none)."""

    prompt: float = 0.0
    answer: float = 0.0
    most_tokens: int | None = None
    most_cost: float | None = None

    def cost(self, prompt_tokens: int, answer_tokens: int) -> float:
        """The price of so many tokens."""
        return (prompt_tokens * self.prompt + answer_tokens * self.answer) / 1e6


class Spending:
    """Tokens and money spent by a run and by the runs before it whose answers it uses.

    Before a request is sent, what it may cost at most is reserved, so that requests under way cannot pass the
    ceiling together either. A request whose answer was lost may have been charged: it counts as reserved.
    """

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self.prompt_tokens = self.answer_tokens = self.requests = self.lost = 0
        self._reserved: dict[int, tuple[int, int]] = {}

    @property
    def tokens(self) -> int:
        """Tokens so far, of prompts and answers."""
        return self.prompt_tokens + self.answer_tokens

    @property
    def cost(self) -> float:
        """Money so far."""
        return self.prices.cost(self.prompt_tokens, self.answer_tokens)

    def reserve(self, request: ChatRequest) -> bool:
        """Set aside what this request may cost. False: it must wait for what is under way to come back.

        CeilingReached if nothing is under way and there still is not enough left.
        """
        held = [*self._reserved.values(), (request.prompt_tokens, request.max_tokens)]
        prompt = self.prompt_tokens + sum(one for one, _ in held)
        answer = self.answer_tokens + sum(other for _, other in held)
        problem = ""
        if self.prices.most_tokens is not None and prompt + answer > self.prices.most_tokens:
            problem = f"ceiling of {self.prices.most_tokens} tokens, {self.tokens} used"
        elif self.prices.most_cost is not None and self.prices.cost(prompt, answer) > self.prices.most_cost:
            problem = f"ceiling of {self.prices.most_cost:g} in money, {self.cost:.4f} used"
        if problem and not self._reserved:
            raise CeilingReached(problem)
        if not problem:
            self._reserved[id(request)] = held[-1]
        return not problem

    def release(self, request: ChatRequest) -> None:
        """The request ended without an answer that costs anything."""
        self._reserved.pop(id(request), None)

    def lose(self, prompt_tokens: int, answer_tokens: int) -> None:
        """A request was sent and its answer was lost: take it for charged."""
        self.lost += 1
        self.prompt_tokens += prompt_tokens
        self.answer_tokens += answer_tokens

    def pay(self, reply: Reply) -> None:
        """Count an answer."""
        self.requests += 1
        self.prompt_tokens += reply.prompt_tokens
        self.answer_tokens += reply.answer_tokens
