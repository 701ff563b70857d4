"""A tiny model that has learned something: on a random one no damage shows in the perplexity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def learned(tiny_model: Callable[..., Path], repository: Path) -> Path:
    """A folder with a byte model of groups of 32, trained for seconds on the sample questions' calibration texts."""
    import torch
    from transformers import AutoModelForCausalLM

    from training.quantize.checks import calibration_ids
    from training.weights.base import load_tokenizer

    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
    folder = tiny_model("qwen2", tie_word_embeddings=False, **sizes)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    texts, _ = calibration_ids(load_tokenizer(folder), repository / "data" / "sample_questions.jsonl")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for text in texts[:60]:
        ids = torch.tensor([text[:200]])
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder
