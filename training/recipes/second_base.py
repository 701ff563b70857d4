"""The embedded model's recipe on another base, of the winners' own family: nothing here is tied to SmolLM2.

qwen05b_cpu: Qwen2.5-Coder-0.5B-Instruct on one CPU core, in an hour and a half: a part of each task of
embedded_d's mixture. qwen05b_more goes on from it (`training.finetune --start`) with two processes, on twice as many
samples that it had not read (docs/results/second_base).
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from training.recipes import embedded
from training.recipes.recipe import Ensemble, Recipe

QWEN = replace(
    embedded.SMOLLM2,
    base="Qwen/Qwen2.5-Coder-0.5B-Instruct",
    rank=24,  # 26 MB in float16
    alpha=48,
    learning_rate=3e-4,
    whole_names=True,
)

FIRST = {task: ceil(sizes[2] * 0.3) for task, sizes in embedded.SIZES.items()}
"""A part of what embedded_d has."""
MORE = {task: min(400, ceil(max(sizes[1:3]) * 0.55)) for task, sizes in embedded.SIZES.items()}
"""A part of what embedded_c or embedded_d has, whichever has more; no task crowds out the others."""

RECIPES = (
    Recipe(
        "qwen05b_cpu",
        FIRST,
        QWEN,
        seed=46,
        validation_share=embedded.VALIDATION_SHARE,
        validation_limit=1,
    ),
    Recipe(
        "qwen05b_more",
        MORE,
        replace(QWEN, tokens_per_batch=512, warmup=30),
        seed=47,
        validation_share=embedded.VALIDATION_SHARE,
        validation_limit=1,
        skip=FIRST,
    ),
)
ENSEMBLES = (
    # The first knows less of the tasks, the second no longer answers new ones as well: together they do both.
    Ensemble("qwen05b", QWEN.base, (("qwen05b_cpu", 0.5), ("qwen05b_more", 0.5))),
)
