"""Votes are compared on the same questions, and with what chance would do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import voting
from shopbench.sample import Sample
from shopbench.tasks import TaskType

SAMPLES = [
    Sample(f"{number}?", truth, task, TaskType.MULTIPLE_CHOICE, "accuracy", True)
    for number, (truth, task) in enumerate([(0, "a"), (1, "a"), (2, "b"), (3, "b")])
]


def test_each_task_and_all_of_them_are_compared() -> None:
    rows = voting.compare(SAMPLES, ["0", "0", "0", "0"], ["0", "1", "2", "1"])
    assert rows[:2] == [["a", 2, "0.500", "1.000", 1, 0], ["b", 2, "0.000", "0.500", 1, 0]]
    assert rows[2:] == [["all", 4, "0.250", "0.750", 2, 0]]
    assert voting.compare(SAMPLES[:1], ["0"], ["1"])[-1] == ["all", 1, "1.000", "0.000", 0, 1]


@pytest.mark.parametrize(("mended", "spoilt", "chance"), [(0, 0, 1.0), (5, 5, 1.0), (5, 0, 0.0625), (0, 5, 0.0625)])
def test_a_difference_is_judged_by_its_signs(mended: int, spoilt: int, chance: float) -> None:
    assert voting.by_chance(mended, spoilt) == pytest.approx(chance)


def test_the_first_order_s_answers_are_kept() -> None:
    model: Any = SimpleNamespace(get_batch_size=lambda: 3)

    def vote(plans: Any, completions: Any, answers: list[str], began: float, deadline: float) -> None:
        answers[0] = "voted"

    def batch_predict(batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        answers = ["first"] * len(batch["prompt"])
        model._vote([], [], answers, 0.0, 0.0)
        return answers

    model._vote, model.batch_predict = vote, batch_predict
    before, after, _ = voting.answer(model, SAMPLES)
    assert before == ["first"] * 4
    assert after == ["voted", "first", "first", "voted"]
