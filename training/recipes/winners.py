"""The winning solution's adapters v7, v8, v7b and v9b, and the weighted pair of them that each track submits.

Hyperparameters, mixtures and weights are those of the winning solution's paper: the training settings of Table 2, the
rows of Table 7 (the dataset tasks, each at its own size), and the weights of Table 6 (the final submissions). Samples
are packed (section 4.2), so its micro batch of 1 and accumulation of 4 count packed sequences; it says neither of which
length nor how many epochs: 2,048 tokens and one epoch here. It trained on eight GPUs: an update is 32 sequences.
"""

from __future__ import annotations

from collections.abc import Iterable

from training.recipes.recipe import Ensemble, Mixture, Recipe, Training

QWEN2_72B = Training(base="Qwen/Qwen2-72B-Instruct", packing=True)

V7_ROWS = (*range(1, 27), 37, 38)
V8_ROWS = (*range(1, 33), 37, 38)
V7B_ROWS = (2, 3, 4, 6, 7, 38)
V9B_ROWS = (33, 34, 35, 36)


def rows_of_table7(rows: Iterable[int]) -> Mixture:
    """These dataset tasks of the paper, each at its own size."""
    return {f"table7:{row}": None for row in rows}


RECIPES = (
    Recipe("v7", rows_of_table7(V7_ROWS), QWEN2_72B),  # tracks 2 and 4
    Recipe("v8", rows_of_table7(V8_ROWS), QWEN2_72B),  # tracks 1, 3 and 5: v7 and six more rows
    Recipe("v7b", rows_of_table7(V7B_ROWS), QWEN2_72B),  # beside v7
    Recipe("v9b", rows_of_table7(V9B_ROWS), QWEN2_72B),  # beside v8
)

ENSEMBLES = (
    Ensemble("track1", QWEN2_72B.base, (("v8", 0.56), ("v9b", 0.75))),
    Ensemble("track2", QWEN2_72B.base, (("v7", 1.0), ("v7b", 0.5))),
    Ensemble("track3", QWEN2_72B.base, (("v8", 0.56), ("v9b", 0.25))),
    Ensemble("track4", QWEN2_72B.base, (("v7", 1.0), ("v7b", 0.5))),
    Ensemble("track5", QWEN2_72B.base, (("v8", 0.56), ("v9b", 0.25))),
)
