"""llm-compressor 0.14 (maintained; transformers 5), a backend (command.py): AWQ, GPTQ, and 8 bits."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from transformers import AutoModelForCausalLM

from shopbench.requirements import versions
from training.weights.base import compute_type

VERSIONS = versions("llmcompressor", "compressed-tensors", "torch", "transformers")
OUTPUTS = 8
"""4-bit numbers are packed by eight."""
BLOCK = 2048
"""Calibration texts of more tokens are left out."""


def readable(model: Path) -> Path:
    """The folder itself: transformers 5 reads what transformers 5 wrote."""
    return model


def recipe(method: str, group: int) -> list[Any]:
    """llm-compressor's recipe for every linear layer but the LM head.

    4 bits have zero points per `group` inputs; W8A8 is the library's scheme of that name: symmetric, weights with a
    scale an output, activations with a scale a token, after SmoothQuant has moved their outliers into the weights.
    """
    if method == "w8a8":
        rounding = QuantizationModifier(targets=["Linear"], scheme="W8A8", ignore=["lm_head"])
        return [SmoothQuantModifier(smoothing_strength=0.8), rounding]
    weights = {"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": group}
    scheme = {"config_groups": {"all": {"targets": ["Linear"], "weights": weights}}, "ignore": ["lm_head"]}
    return [GPTQModifier(**scheme)] if method == "gptq" else [AWQModifier(), QuantizationModifier(**scheme)]


def quantize(model: Path, texts: list[list[int]], group: int, method: str, output: Path) -> None:
    """Write `model` quantized to `output`, calibrated on `texts` (token ids)."""
    loaded = AutoModelForCausalLM.from_pretrained(
        model,
        dtype="auto" if torch.cuda.is_available() else compute_type(),
        local_files_only=True,
        use_safetensors=True,
    )
    kept = [text for text in texts if len(text) <= BLOCK]
    data = Dataset.from_dict({"input_ids": kept, "attention_mask": [[1] * len(text) for text in kept]})
    # Staging through pinned memory needs an accelerator; without one the call itself fails.
    no_staging = mock.patch.object(IntermediatesCache, "pin_memory", lambda *_, **__: None)
    with nullcontext() if torch.cuda.is_available() else no_staging:
        oneshot(
            model=loaded,
            tokenizer=str(model),
            dataset=data,
            recipe=recipe(method, group),
            max_seq_length=BLOCK,
            num_calibration_samples=len(kept),
        )
    if not torch.cuda.is_available():
        loaded = loaded.to(torch.bfloat16)  # as wide as the scales and embeddings are served
    loaded.save_pretrained(output, save_compressed=True)
