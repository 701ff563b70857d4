"""More-diverse: domains one after another, then more sub-tasks of each, then a higher LoRA rank (its Table 2)."""

from __future__ import annotations

from dataclasses import replace

from training.recipes.recipe import Mixture, Recipe
from training.recipes.winners import QWEN2_72B

TRAINING = replace(QWEN2_72B, rank=16, alpha=32)
DOMAINS = ("behaviour", "concepts", "knowledge", "multilingual")
SAMPLES_PER_TASK = 2_000
SUBTASKS = (1, 2, 4, 8)
RANKS = (16, 32)


def _domains(count: int = len(DOMAINS), subtasks: int | None = None) -> Mixture:
    first = "" if subtasks is None else f"[:{subtasks}]"
    return {f"domain:{domain}{first}": SAMPLES_PER_TASK for domain in DOMAINS[:count]}


RECIPES = (
    *(Recipe(f"diverse_stage{number}", _domains(number), TRAINING) for number in range(1, len(DOMAINS) + 1)),
    *(Recipe(f"diverse_subtasks{number}", _domains(subtasks=number), TRAINING) for number in SUBTASKS),
    *(Recipe(f"diverse_r{rank}", _domains(), replace(TRAINING, rank=rank)) for rank in RANKS),
)
