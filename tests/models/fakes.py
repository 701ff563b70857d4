"""Engines that cost nothing: they walk answer spaces by chance, or misbehave."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from models.engine.requests import Completion, EngineDied, Request
from models.spaces.base import AnswerSpace
from models.spaces.vocabulary import Vocabulary


def walk(space: AnswerSpace, vocabulary: Vocabulary, rng: random.Random, most: int | None = None) -> list[int]:
    """The tokens of one answer, chosen by chance among those allowed, up to the end token or the limit."""
    written: list[int] = []
    while len(written) < (space.max_tokens if most is None else most):
        token = rng.choice(list(space.next_tokens(vocabulary, written)))
        if token == vocabulary.end_id:
            break
        written.append(token)
    return written


class WalkingEngine:
    """An engine whose model is a coin."""

    def __init__(self, tokenizer: Any, seed: int = 0) -> None:
        self.vocabulary = Vocabulary.of(tokenizer)
        self.rng = random.Random(seed)
        self.calls: list[list[Request]] = []
        self.closed = False

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        return True

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]:
        self.calls.append(list(requests))
        return [Completion(walk(request.space, self.vocabulary, self.rng), True) for request in requests]

    def close(self, patience: float = 5.0) -> None:
        self.closed = True


class BrokenEngine(WalkingEngine):
    """An engine that misbehaves in the way `how` says when it is asked."""

    def __init__(self, tokenizer: Any, how: Callable[[Sequence[Request], float], list[Completion]]) -> None:
        super().__init__(tokenizer)
        self.how = how

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]:
        self.calls.append(list(requests))
        return self.how(requests, timeout)


class NeverReady(WalkingEngine):
    """An engine that does not come up within anyone's patience."""

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        if timeout is None:
            return True  # the first start has all the time
        time.sleep(min(timeout, 0.05))
        return False


def die(requests: Sequence[Request], timeout: float) -> list[Completion]:
    """What `BrokenEngine` does when its processes are gone."""
    raise EngineDied("a process of the engine has ended")
