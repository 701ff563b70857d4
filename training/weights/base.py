"""Base models and tokenizers for the offline stages: loaded from a local folder, safetensors only, no remote code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedTokenizerBase

from shopbench.errors import UserError
from shopbench.tokenizers import read_tokenizer, template_problem

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Answer: ' }}{% endif %}"
)
"""For bases that bring no chat template (BLOOMZ, Phi-2); saved with the weights, so inference uses it too."""


def load_config(folder: Path) -> Any:
    """The model's configuration; UserError for an architecture that is unknown or no decoder-only model."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder}/config.json: no model known here ({str(error).splitlines()[0]})") from None
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(f"{folder}: {config.model_type} is an encoder-decoder; only decoder models are trained here")
    return config


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer, with a chat template and a padding token whether or not its folder has them.

    UserError where there is none, or none that a question of ours can be put to.
    """
    tokenizer: PreTrainedTokenizerBase = read_tokenizer(folder)
    if tokenizer.eos_token_id is None:
        raise UserError(f"{folder}: its tokenizer has no end token (eos_token), with which an answer ends; name one")
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    if problem := template_problem(tokenizer):
        raise UserError(f"{folder}: its chat template {problem}; mend the template")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def compute_type() -> torch.dtype:
    """bfloat16 where the machine multiplies it itself, float32 elsewhere (a CPU without AVX512-BF16 or AMX is
    several times slower in bfloat16), float16 on GPUs before Ampere."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    has = torch.cpu.get_capabilities()
    return torch.bfloat16 if has.get("avx512_bf16") or has.get("amx_bf16") else torch.float32
