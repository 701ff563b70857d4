"""Counting cached tokens by order: every order asks every question once, and the engine's own counts are summed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.prefix_order import ORDERS, cached_tokens
from models.planning import Plan
from models.spaces.free_text import FreeText
from shopbench.tasks import TaskType

PLANS = [Plan(TaskType.GENERATION, tokens, FreeText(5)) for tokens in ([3, 1], [1, 2, 3], [1, 2, 4], [2])]


def test_orders_keep_every_question() -> None:
    for order in ORDERS.values():
        assert sorted(plan.prompt for plan in order(list(PLANS))) == sorted(plan.prompt for plan in PLANS)
    assert [plan.prompt for plan in ORDERS["sorted by tokens"](list(PLANS))] == [[1, 2, 3], [1, 2, 4], [2], [3, 1]]


@pytest.mark.engine  # whose parameters it makes
def test_only_finished_answers_count() -> None:
    asked: list[list[int]] = []
    steps = iter([[(True, 2), (False, 7)], [(True, 3)], [(True, None)]])
    left = [True, True, False, True, False]
    engine: Any = SimpleNamespace(
        reset_prefix_cache=lambda: None,
        add_request=lambda name, prompt, parameters: asked.append(prompt["prompt_token_ids"]),
        has_unfinished_requests=lambda: left.pop(0),
        step=lambda: [SimpleNamespace(finished=done, num_cached_tokens=count) for done, count in next(steps)],
    )
    vocabulary: Any = SimpleNamespace(end_id=2)
    assert cached_tokens(engine, vocabulary, [PLANS[:2], PLANS[2:]]) == 5
    assert asked == [plan.prompt for plan in PLANS]
