"""The base model as it is trained: its types and quantization by method and machine, and the LoRA of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from training.recipes import Training
from training.weights.base import compute_type


def load_model(folder: Path, training: Training, attention: str) -> Any:
    """The base model, ready to be trained by `training.method`."""
    dtype = compute_type()
    quantization = None
    if training.method == "qlora" and torch.cuda.is_available():
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_quant_storage=dtype,  # FSDP shards tensors of one type only
        )
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32 if training.method == "full" else dtype,
        attn_implementation=attention,
        quantization_config=quantization,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )


def lora_config(training: Training) -> LoraConfig | None:
    """PEFT's configuration of a recipe; None for full fine-tuning."""
    if training.method == "full":
        return None
    return LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=training.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
