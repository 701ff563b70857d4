"""Every training recipe, as data: what goes into the mixture, and how the adapter is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """Hyperparameters of one fine-tuning run.

    Attributes:
        base: Hub name of the base model (a local folder can be given on the command line instead).
        method: "qlora" (4-bit base on a GPU; plain LoRA elsewhere), "lora" or "full".
        alpha: LoRA alpha; an adapter's delta is alpha / rank * B A.
        warmup: steps if 1 or more, a share of all steps if below 1.
        batch_size: samples per device and step; `accumulation` steps make one update.
        max_length: tokens of prompt and answer; longer samples are dropped and counted.
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
    train_lm_head: bool = False


@dataclass(frozen=True)
class Recipe:
    """One adapter: the mixture (task name -> most samples, None for all), its seed and its training."""

    name: str
    tasks: dict[str, int | None]
    training: Training
    seed: int = 42
    validation_share: float = 0.0
    description: str = ""
