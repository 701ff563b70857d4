"""Of every kind of decoder a batch computes what its samples compute alone, packed where that can be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shopbench.files import read_json, write_json
from tests.training.finetune.made import TINY, alone, model_of, samples
from training.finetune import make_trainer
from training.finetune.batches import Packed, Padded, encode
from training.finetune.packed_attention import choose_attention
from training.weights.base import load_tokenizer

LONGEST = 400
GEMMA: dict[str, Any] = {"head_dim": 8}
GRANITE: dict[str, Any] = {
    "num_local_experts": 0,
    "shared_intermediate_size": 32,
    "mamba_n_heads": 6,
    "mamba_d_head": 8,
}


@pytest.mark.parametrize(
    ("kind", "changes", "packed"),
    [
        ("mistral", {"sliding_window": 4096}, True),
        ("mistral", {"sliding_window": 32}, False),
        ("phi3", {}, True),
        ("gpt2", {"n_embd": 24, "n_layer": 2, "n_head": 6}, True),
        ("gemma", GEMMA, True),
        ("gemma2", {**GEMMA, "attn_logit_softcapping": 2.0}, True),
        ("gemma2", {**GEMMA, "attn_logit_softcapping": 2.0, "sliding_window": 32}, False),
        ("gemma3_text", {**GEMMA, "sliding_window": 32}, False),
        ("bloom", {"n_layer": 2, "n_head": 4}, False),  # has no attention by torch's own function
        ("gpt_oss", {**GEMMA, "num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 4096}, False),
        ("lfm2", {"layer_types": ["conv", "full_attention"]}, False),
        ("granitemoehybrid", {**GRANITE, "layer_types": ["attention", "attention"]}, True),
        ("granitemoehybrid", {**GRANITE, "layer_types": ["attention", "mamba"]}, False),
        ("minimax", {"layer_types": ["linear_attention", "full_attention"], "num_local_experts": 2}, False),
    ],
)
def test_a_batch_computes_what_its_samples_compute_alone(
    kind: str, changes: dict[str, Any], packed: bool, tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_trainer, "compute_type", lambda: torch.float32)
    folder, numbers = tiny_model(kind, **changes), [0, 1, 2, 7]
    model = make_trainer.load_model(folder, TINY.training)
    items = encode(load_tokenizer(folder), samples(8), LONGEST)[0]
    assert choose_attention(model, LONGEST) is packed
    layout: Any = Packed(items) if packed else Padded(items, 0)
    batch = layout([{"samples": numbers}])
    with torch.no_grad():
        logits = model.eval()(**batch).logits
        expected = torch.cat([alone(model_of(folder, "eager"), items[number]) for number in numbers])
    together = logits[0] if packed else logits[batch["labels"] != -100]
    torch.testing.assert_close(together, expected, atol=2e-4, rtol=1e-3)


def test_a_base_whose_configuration_names_flash_attention_is_trained_without(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    base = shutil.copytree(tiny_model("llama"), tmp_path / "base")
    named = read_json(base / "config.json", "configuration") | {"_attn_implementation": "flash_attention_2"}
    write_json(base / "config.json", named)
    assert choose_attention(make_trainer.load_model(base, TINY.training), LONGEST)
