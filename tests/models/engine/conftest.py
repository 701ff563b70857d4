"""Tiny random models, for what the embedded one cannot show and for what any model shows as well, in less time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.tokenizer import load_tokenizer
from models.user_config import UserModel
from shopbench.files import read_json_if_any
from tests.conftest import user_model
from tests.training.conftest import tiny_model

__all__ = ["tiny_model"]
SIZES = {"hidden_size": 128, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}


@pytest.fixture(scope="session")
def made_weights(tiny_model: Callable[..., Path], built_weights: Path) -> Path:
    """A model that answers at random, with the real model's tokenizer; two workers can share it."""
    real = read_json_if_any(built_weights / "config.json")
    ends = {name: real[name] for name in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")}
    folder = tiny_model("qwen2", tie_word_embeddings=True, **SIZES, **ends)
    load_tokenizer(built_weights).save_pretrained(folder)
    return folder


@pytest.fixture(scope="package")
def made_model(made_weights: Path) -> Iterator[UserModel]:
    """The submitted model's code on those weights and an engine of their own, which its tests share."""
    with user_model(made_weights, SHOPBENCH_DTYPE="float32") as model:
        yield model
