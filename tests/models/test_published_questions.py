"""Real questions (the developers' ../shared/data): every answer readable, and the true answers within the spaces."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.planning import Planner
from models.shopbench_model import ShopBenchModel
from models.spaces.number_list import NumberList
from models.spaces.one_digit import OneDigit
from models.spaces.quoted_spans import QuotedSpans, _read
from shopbench.sample import read_samples
from shopbench.tasks import TaskType
from tests.models.fakes import WalkingEngine
from tests.models.tokens import byte_level

TOKENIZER = byte_level([])
CONTEXT = 20_000  # bytes here: every token is one
EVERY = int(os.environ.get("SHOPBENCH_TEST_EVERY", "29"))
"""Of so many rows one is asked; 1 asks them all, which takes minutes."""


def rows(shared: Path) -> Iterator[dict[str, Any]]:
    files = sorted((shared / "data/ec_guide").rglob("*.jsonl"))
    assert len(files) > 15
    for file in files:
        with file.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for number, line in enumerate(lines) if number % EVERY == 0)


@pytest.mark.slow
def test_no_answer_needs_repair(shared: Path) -> None:
    questions = [(row["input_field"], row["task_type"] == "multiple-choice") for row in rows(shared)]
    development = read_samples(shared / "data/shopbench/development.json")
    questions += [(sample.input_field, sample.is_multiple_choice) for sample in development]
    engine = WalkingEngine(TOKENIZER)
    model = ShopBenchModel(lambda: engine, TOKENIZER, CONTEXT)
    for flag in (True, False):
        asked = [question for question, is_multiple_choice in questions if is_multiple_choice is flag]
        for start in range(0, len(asked), 16):
            model.batch_predict({"prompt": asked[start : start + 16]}, flag)
    assert model.stats["questions"] == len(questions) > 1000
    # A coin may end a free text at once; all other answers are right by construction.
    assert all(model.stats[name] == 0 for name in ("failed", "unfinished", "shortened"))
    assert model.stats["repaired"] <= 5


@pytest.mark.parametrize(("task_type", "least"), [("retrieval", 1.0), ("named_entity_recognition", 0.97)])
def test_the_space_holds_the_true_answer(task_type: str, least: float, shared: Path) -> None:
    planner, held = Planner(TOKENIZER, CONTEXT), []
    for row in rows(shared):
        plan = planner.plan(row["input_field"], False)
        if row["task_type"] == task_type and plan.task_type == task_type:
            held.append(holds(plan.space, row["output_field"]))
    assert len(held) > 50
    assert sum(held) / len(held) >= least


def test_development_choices_are_among_the_digits_allowed(shared: Path) -> None:
    planner = Planner(TOKENIZER, CONTEXT)
    samples = read_samples(shared / "data/shopbench/development.json")
    for sample in samples:
        plan = planner.plan(sample.input_field, sample.is_multiple_choice)
        if sample.task_type is TaskType.MULTIPLE_CHOICE:
            assert isinstance(plan.space, OneDigit) and sample.output_field in plan.space.digits


def holds(space: object, truth: list[Any]) -> bool:
    if isinstance(space, NumberList):
        return set(truth) <= set(space.options)
    assert isinstance(space, QuotedSpans)
    source = _read(space.source)
    return all(any(end in source.ends for end in source.after(piece.encode())) for piece in truth)
