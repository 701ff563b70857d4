"""Padding: the same logits, for tiny models of several kinds and for one layer of Qwen2-72B's true shapes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.initialization import no_init_weights

from shopbench.errors import exit_code_of
from training import pad
from training.weights import tensors

Make = Callable[..., Path]
IDS = torch.tensor([[1, 5, 9, 200, 31]])


def logits(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)(IDS).logits


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("llama", {"tie_word_embeddings": True, "mlp_bias": True}),
        ("qwen2", {"tie_word_embeddings": False, "shard": "20KB"}),
        ("gemma2", {"hidden_activation": "gelu_pytorch_tanh", "head_dim": 4}),
        ("phi3", {"pad_token_id": 0}),
    ],
)
def test_logits_stay(
    kind: str, options: dict[str, Any], tiny_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(kind, **options)
    for size in (tensors.SLICE, 1000):  # in one piece, and rows at a time across the seam of gate and up
        monkeypatch.setattr(tensors, "SLICE", size)
        output = tmp_path / f"out{size}"
        assert pad.main(["--model", str(model), "--output", str(output), "--group", "16", "--tp", "4"]) == 0
        config = json.loads((output / "config.json").read_text())
        assert config["intermediate_size"] == 64
        torch.testing.assert_close(logits(output), logits(model), atol=1e-5, rtol=1e-5)
        facts = json.loads((output / "provenance.json").read_text())
        assert (facts["padded"]["from"], facts["padded"]["to"]) == (40, 64)


def test_a_width_that_fits_is_left(tiny_model: Make, tmp_path: Path) -> None:
    model = tiny_model("llama")
    assert pad.pad(model, tmp_path / "out", 8) == (40, 40)
    assert torch.equal(logits(tmp_path / "out"), logits(model))


def bfloat16_model(config: Any) -> Any:
    """A model whose matrices and biases repeat one block of random numbers: a billion would take long to draw.

    As its length is a prime number, no two rows are the same.
    """
    torch.manual_seed(0)
    block = 0.02 * torch.randn(1_000_003).to(torch.bfloat16)
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    for name, parameter in model.named_parameters():
        if "norm" not in name:  # those are ones
            size = parameter.numel()
            parameter.data = block.repeat(size // len(block) + 1)[:size].reshape(parameter.shape)
    return model


@pytest.mark.slow
def test_one_layer_of_qwen2_72b(tmp_path: Path) -> None:
    """Hidden 8192, MLP 29568 -> 29696, 64 heads and 8 key heads, in bf16: about 1.8 GB."""
    config = AutoConfig.for_model(
        "qwen2",
        hidden_size=8192,
        intermediate_size=29568,
        num_hidden_layers=1,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=272,
        tie_word_embeddings=False,
    )
    model = bfloat16_model(config)
    before = model(IDS).logits
    model.save_pretrained(tmp_path / "model")
    del model
    assert pad.pad(tmp_path / "model", tmp_path / "out", 512) == (29568, 29696)
    shutil.rmtree(tmp_path / "model")
    after = logits(tmp_path / "out", torch.bfloat16)
    shutil.rmtree(tmp_path / "out")
    # The sums run over the same numbers in another order, in float32, and are rounded to bf16 (8 bits).
    torch.testing.assert_close(after, before, atol=0.02, rtol=2**-7)


def test_bad_input_is_one_line(tiny_model: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def error_of(model: Path, *more: str) -> str:
        capsys.readouterr()
        assert exit_code_of(pad.main, ["--model", str(model), "--output", str(tmp_path / "out"), *more]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and not (tmp_path / "out").exists()
        return error

    assert "model configuration cannot be read" in error_of(tmp_path / "none")
    for option in ("--group", "--tp"):
        with pytest.raises(SystemExit, match="2"):
            pad.main(["--model", "m", "--output", "o", option, "0"])
    bloom = tiny_model("bloom", n_layer=1, n_head=4, hidden_size=24)
    assert "bloom has no gated MLP" in error_of(bloom)
    llama = shutil.copytree(tiny_model("llama"), tmp_path / "llama")
    config = json.loads((llama / "config.json").read_text())
    for change, message in (
        ({"hidden_act": "sigmoid"}, "not known to keep zeros zero"),
        ({"quantization_config": {"bits": 4}}, "pad before quantizing"),
        ({"intermediate_size": 41}, "not float with 41"),
    ):
        (llama / "config.json").write_text(json.dumps({**config, **change}))
        assert message in error_of(llama)
