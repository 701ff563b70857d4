"""What the fine-tuning tests train: made-up questions, a short recipe, and a model asked without any batching."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training import recipes
from training.finetune.batches import Encoded

TINY = recipes.Recipe(
    "embedded_a",
    {},
    recipes.Training(
        base="tiny",
        method="lora",
        rank=4,
        alpha=8,
        dropout=0.1,
        learning_rate=5e-3,
        epochs=3,
        accumulation=2,
        tokens_per_batch=600,
        max_length=400,
        warmup=0.1,
    ),
)


def samples(count: int = 24) -> list[Sample]:
    """Invented questions of three task types and of many lengths."""
    made = []
    for number in range(count):
        kind = (TaskType.MULTIPLE_CHOICE, TaskType.GENERATION, TaskType.RETRIEVAL)[number % 3]
        question = f"Which of these {number} goods fits?\n" + "\n".join(f"{i}. thing {i}" for i in range(number % 7))
        truth: Any = {"m": number % 4, "g": f"a blue cup, {number} pieces", "r": (1, 2, number % 9)}[kind[0]]
        made.append(Sample(question, truth, f"made{number % 3}", kind, "accuracy", kind[0] == "m"))
    return made


def model_of(folder: Path, attention: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32)


def alone(model: Any, sample: Encoded) -> torch.Tensor:
    """Logits that predict a sample's answer, the sample being by itself."""
    logits = model(input_ids=torch.tensor([[*sample.head, *sample.body]])).logits[0]
    return logits[-sample.answer - 1 : -1]


def answer_of(sample: Encoded) -> tuple[int, ...]:
    return sample.body[-sample.answer :]


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")
