"""EcomGPT [Li et al., AAAI 2024]: all parameters of BLOOMZ, with and without the atomic tasks (Chain-of-Task)."""

from __future__ import annotations

from training.recipes.recipe import Recipe, Training

BLOOMZ = Training(
    base="bigscience/bloomz-7b1",
    method="full",
    learning_rate=2e-5,
    weight_decay=0.0,
    warmup=0.03,
    epochs=3,
    batch_size=4,
    accumulation=8,
    max_length=1024,
)

RECIPES = (
    Recipe("ecomgpt", {"tag:ecominstruct": 800, "tag:chain_of_task": 800}, BLOOMZ),
    Recipe("ecomgpt_plain", {"tag:ecominstruct": 800}, BLOOMZ),  # without Chain-of-Task
)
