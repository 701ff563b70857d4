"""A tiny model and made-up data for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shopbench.sample import write_samples
from tests.training.finetune.made import samples
from training.finetune.batches import Encoded, encode
from training.weights.base import load_tokenizer


@pytest.fixture(scope="session")
def base(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model("llama", tie_word_embeddings=True)


@pytest.fixture(scope="session")
def encoded(base: Path) -> list[Encoded]:
    return encode(load_tokenizer(base), samples(), 400)[0]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_samples(folder / "train.jsonl", samples(60))
    write_samples(folder / "validation.jsonl", samples(6))
    (folder / "manifest.json").write_text(json.dumps({"recipe": "embedded_a"}))
    return folder
