"""What a recipe is: the mixture and hyperparameters of one adapter, and the weighted sum of adapters to submit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
        batch_size: samples per device and step, or packed sequences; `accumulation` steps make one update. Of
            several processes each takes as many: an update is batch_size x accumulation x processes.
        packing: samples are packed into sequences of `max_length` tokens, none of which sees another, as axolotl's
            Multipack does it.
        tokens_per_batch: instead, samples of similar length are put together until a batch has so many tokens to
            compute (for CPUs, where long rows cost more than many).
        max_length: tokens of prompt and answer, and of a packed sequence; longer samples are dropped and counted.
        gradient_checkpointing: on a GPU, compute activations again instead of keeping them (a CPU keeps them).
        per_sample_loss: every sample of a batch weighs the same, however long its answer; else every answer token.
        answer_by: whether options are named by number or by their words (shopbench/naming.py).
        whole_names: with per_sample_loss, the loss of an option's words is the sum over their tokens: their likelihood.
            The mean makes the first token of a long name, which decides, weigh less than a name of one token, and
            so teaches to prefer short names.
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
    packing: bool = False
    tokens_per_batch: int | None = None
    gradient_checkpointing: bool = True
    train_lm_head: bool = False
    per_sample_loss: bool = False
    answer_by: AnswerBy = AnswerBy.NUMBER
    whole_names: bool = False

    @property
    def four_bit(self) -> bool:
        """Whether the base is held in 4 bits on a GPU."""
        return self.method == "qlora"

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one device's step at most: what its memory has to hold."""
        return self.tokens_per_batch or self.batch_size * self.max_length


@dataclass(frozen=True)
class Recipe:
    """One adapter: the mixture, its seed and its training.

    Attributes:
        tasks: what goes in -> most samples of each task. A key is a task's name, or a selector: "ave_*", "table7:5"
            (a row of the winners' table), "tag:chain_of_task", "domain:concepts" (ShopBench's form only) or
            "domain:concepts[:4]" (the first four of them, in the order of subtasks.py). None: as many as the task says.
        validation_share: the share of the source texts (not of the samples) that is kept for validation.
        validation_limit: validation samples of one task at most.
        skip: the first training samples of a task that are left out, as earlier adapters trained on them; by task name.
    """

    name: str
    tasks: Mixture
    training: Training
    seed: int = 42
    validation_share: float = 0.0
    validation_limit: int | None = None
    skip: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """Weights to submit: base + the sum of weight x delta over adapters (one adapter: wise-ft)."""

    name: str
    base: str
    adapters: tuple[tuple[str, float], ...]
    """(recipe name, weight); each adapter lies under weights/adapters/<recipe name>."""
