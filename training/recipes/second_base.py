"""The embedded model's recipe on another base, of the winners' own family: nothing here is tied to SmolLM2.

qwen05b_cpu: Qwen2.5-Coder-0.5B-Instruct on one CPU core, in an hour and a half: a part of each task of
embedded_d's mixture (docs/results/second_base). A longer training is a larger SHARE.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from training.recipes import embedded
from training.recipes.recipe import Recipe

EMBEDDED_D = next(recipe for recipe in embedded.RECIPES if recipe.name == "embedded_d")
SHARE = 0.3
QWEN = replace(
    embedded.SMOLLM2,
    base="Qwen/Qwen2.5-Coder-0.5B-Instruct",
    rank=24,  # 26 MB in float16
    alpha=48,
    learning_rate=3e-4,
    whole_names=True,
)

RECIPES = (
    Recipe(
        "qwen05b_cpu",
        {task: ceil(size * SHARE) for task, size in EMBEDDED_D.tasks.items() if size},
        QWEN,
        seed=46,
        validation_share=embedded.VALIDATION_SHARE,
        validation_limit=1,
    ),
)
