"""What a recipe is: the mixture and hyperparameters of one adapter, and the weighted sum of adapters to submit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shopbench.naming import AnswerBy

Mixture = Mapping[str, int | None]
"""Task name or selector -> most samples of each task (None: as many as the task itself says)."""


@dataclass(frozen=True)
class Training:
    """Hyperparameters of one fine-tuning run.

    Attributes:
        base: Hub name of the base model (a local folder can be given on the command line instead).
        method: "qlora" (4-bit base on a GPU; plain LoRA elsewhere), "lora" or "full".
        alpha: LoRA alpha; an adapter's delta is alpha / rank * B A.
        warmup: steps if 1 or more, a share of all steps if below 1.
        batch_size: samples per device and step; `accumulation` steps make one update.
        tokens_per_batch: samples are packed into batches of so many tokens instead of `batch_size` samples.
        max_length: tokens of prompt and answer; longer samples are dropped and counted.
        per_sample_loss: every sample of a batch weighs the same, however long its answer; else every answer token.
        answer_by: whether options are named by number or by their words (shopbench/naming.py).
    """

    base: str
    method: str = "qlora"
    rank: int = 64
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    weight_decay: float = 0.01
    warmup: float = 10
    schedule: str = "cosine"
    epochs: float = 1.0
    batch_size: int = 1
    accumulation: int = 4
    max_length: int = 2048
    tokens_per_batch: int | None = None
    train_lm_head: bool = False
    per_sample_loss: bool = False
    answer_by: AnswerBy = AnswerBy.NUMBER


@dataclass(frozen=True)
class Recipe:
    """One adapter: the mixture, its seed and its training.

    Attributes:
        tasks: what goes in -> most samples of each task. A key is a task's name, or a selector: "ave_*", "table7:5"
            (a row of the paper's table), "tag:chain_of_task", "domain:concepts" (ShopBench's form only) or
            "domain:concepts[:4]" (the first four of them, in the order of subtasks.py). None: as many as the task says.
        validation_share: the share of the source texts (not of the samples) that is kept for validation.
        validation_limit: validation samples of one task at most.
    """

    name: str
    tasks: Mixture
    training: Training
    seed: int = 42
    validation_share: float = 0.0
    validation_limit: int | None = None


@dataclass(frozen=True)
class Ensemble:
    """Weights to submit: base + the sum of weight x delta over adapters (one adapter: wise-ft)."""

    name: str
    base: str
    adapters: tuple[tuple[str, float], ...]
    """(recipe name, weight); each adapter lies under weights/adapters/<recipe name>."""
