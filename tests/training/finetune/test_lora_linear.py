"""The faster LoRA of a CPU: PEFT's values and gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.training.finetune.made import model_of
from training.finetune import lora_linear, packed_attention
from training.finetune.batches import Encoded, Packed


def test_the_faster_lora_is_pefts(base: Path, encoded: list[Encoded]) -> None:
    config = LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", init_lora_weights=False)
    batch = Packed(encoded)([{"samples": [0, 4, 8]}])
    results = []
    for fast in (False, True):
        torch.manual_seed(1)
        model = get_peft_model(model_of(base, packed_attention.NAME), config)
        assert not fast or lora_linear.speed_up(model) == 14
        loss = model(**batch).loss
        loss.backward()
        results.append([loss, *(p.grad for p in model.parameters() if p.requires_grad)])
    for got, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_the_faster_lora_of_a_bfloat16_base_points_where_pefts_does(base: Path, encoded: list[Encoded]) -> None:
    config = LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", init_lora_weights=False)
    batch = Packed(encoded)([{"samples": [0, 4, 8]}])
    results = []
    for fast in (False, True):
        torch.manual_seed(1)
        model = get_peft_model(model_of(base, packed_attention.NAME).to(torch.bfloat16), config)
        for name, parameter in model.named_parameters():
            parameter.data = parameter.data.float() if "lora_" in name else parameter.data
        assert not fast or lora_linear.speed_up(model) == 14
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        results.append([loss.detach(), *(p.grad for p in model.parameters() if p.requires_grad)])
    assert float(results[1][0]) == pytest.approx(float(results[0][0]), rel=0.01)
    for got, expected in zip(results[1][1:], results[0][1:], strict=True):
        assert got.dtype is torch.float32
        assert torch.cosine_similarity(got.flatten(), expected.flatten(), 0) > 0.97


def test_the_faster_lora_leaves_dropout_to_peft(base: Path) -> None:
    config = LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear")
    assert lora_linear.speed_up(get_peft_model(model_of(base, "sdpa"), config)) == 0
