"""The float model that is quantized, and the perplexity by which it and its quantized copy are compared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM


def load_float(folder: Path) -> Any:
    """The model in float32 on a CPU, in its own type spread over the GPUs where there are some."""
    gpu = torch.cuda.is_available()
    return AutoModelForCausalLM.from_pretrained(
        folder,
        torch_dtype="auto" if gpu else torch.float32,
        device_map="auto" if gpu else None,
        local_files_only=True,
        use_safetensors=True,
    )


@torch.no_grad()
def perplexity(model: Any, texts: list[list[int]]) -> float:
    """exp of the mean negative log likelihood of the texts' tokens, first ones excepted."""
    loss, count = 0.0, 0
    for text in tqdm(texts, desc="perplexity", leave=False):
        ids = torch.tensor([text], device=model.device)
        logits = model(input_ids=ids).logits[0, :-1].float()
        loss += torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        count += len(text) - 1
    return math.exp(min(loss / count, 700.0)) if math.isfinite(loss) else math.inf
