"""The winners' recipe for the GPU that people have: v8's mixture on a smaller Qwen2.5, on one card.

Rank, learning rate and the update of 32 packed sequences are those of the winners (winners.py); only the base and the
way in which one card goes through an update differ.

qwen7b_24gb: Qwen2.5-7B-Instruct in 4 bits on one 24 GB card (RTX 3090, RTX 4090, L4, A10G).
qwen32b_80gb: Qwen2.5-32B-Instruct in 4 bits on one 80 GB card (A100, H100).
"""

from __future__ import annotations

from dataclasses import replace

from training.recipes.recipe import Recipe
from training.recipes.winners import QWEN2_72B, V8_ROWS, rows_of_table7

RECIPES = (
    Recipe(
        "qwen7b_24gb",
        rows_of_table7(V8_ROWS),
        replace(QWEN2_72B, base="Qwen/Qwen2.5-7B-Instruct", batch_size=1, accumulation=32),
    ),
    Recipe(
        "qwen32b_80gb",
        rows_of_table7(V8_ROWS),
        replace(QWEN2_72B, base="Qwen/Qwen2.5-32B-Instruct", batch_size=2, accumulation=16),
    ),
)
