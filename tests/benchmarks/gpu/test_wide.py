"""The wide model: the small one's logits, and the same numbers in both forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from benchmarks.gpu.wide import GROUP, TIMES, packed, quantized, widened, write_wide
from shopbench.errors import UserError
from training.quantize.formats import AWQ_ORDER, from_awq, unpack

TOKENS = torch.tensor([[5, 17, 80, 2, 33, 33, 9]])


@pytest.fixture(scope="module")
def written(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    write_wide(llama, folder / "float", four_bit=False)
    write_wide(llama, folder / "awq", four_bit=True)
    return folder


def test_no_logit_changes_with_the_width(llama: Path, written: Path) -> None:
    """Unrounded, a Qwen2 with these tensors is the Llama."""
    narrow = LlamaForCausalLM.from_pretrained(llama, dtype=torch.float32)
    wide = Qwen2ForCausalLM(Qwen2Config(**json.loads((written / "float" / "config.json").read_text()))).float()
    tensors = {name: widened(name, tensor) for name, tensor in load_file(llama / "model.safetensors").items()}
    missing, unexpected = wide.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name == "lm_head.weight" or name.endswith("_proj.bias") for name in missing)
    for name, parameter in wide.named_parameters():
        if name.endswith(".bias"):
            torch.nn.init.zeros_(parameter)
    assert wide.config.hidden_size == TIMES * narrow.config.hidden_size
    with torch.no_grad():
        expected, found = narrow(TOKENS).logits, wide(TOKENS).logits
    assert expected.abs().max() > 1
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_both_forms_hold_the_same_numbers(written: Path) -> None:
    floats = load_file(written / "float" / "model.safetensors")
    four_bit = load_file(written / "awq" / "model.safetensors")
    layers = [name.removesuffix(".weight") for name in floats if name.endswith("proj.weight")]
    assert len(layers) == 14
    for layer in layers:
        weight = from_awq({part: four_bit.pop(f"{layer}.{part}") for part in ("qweight", "qzeros", "scales")})
        assert torch.equal(weight, floats.pop(f"{layer}.weight").float()), layer
        assert torch.equal(weight.half().float(), weight), "float16 holds it exactly, as bfloat16 does"
    assert floats.keys() == four_bit.keys()
    assert all(torch.equal(floats[name], four_bit[name]) for name in floats)
    assert sum(name.endswith(".bias") for name in floats) == 6


def test_the_float_form_is_a_model_that_transformers_reads(written: Path) -> None:
    model, report = AutoModelForCausalLM.from_pretrained(
        written / "float", dtype=torch.float32, output_loading_info=True
    )
    assert isinstance(model, Qwen2ForCausalLM)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert model(TOKENS).logits.isfinite().all()


def test_what_stands_beside_the_weights(written: Path) -> None:
    config = json.loads((written / "awq" / "config.json").read_text())
    assert config["quantization_config"] == {
        "quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True
    }  # fmt: skip
    assert "quantization_config" not in json.loads((written / "float" / "config.json").read_text())
    made_by = json.loads((written / "awq" / "provenance.json").read_text())
    assert made_by == {"answer_by": "text", "prompt_hash": "abc", "made_by": "python -m benchmarks.gpu"}
    assert (written / "awq" / "tokenizer.json").is_file()


def test_rounding_errs_by_half_a_step_at_most() -> None:
    torch.manual_seed(1)
    weight = torch.cat([torch.randn(8, 2 * GROUP), torch.rand(8, 2 * GROUP) + 3, torch.zeros(1, 2 * GROUP)])
    numbers, zeros, scales = quantized(weight)
    assert numbers.min() >= 0 and numbers.max() <= 15
    steps = scales.repeat_interleave(GROUP, 1)
    back = (numbers - zeros.repeat_interleave(GROUP, 1)) * steps
    assert ((back - weight).abs() <= 1.01 * steps).all()
    assert ((back - weight).abs() / steps).mean() < 0.3
    assert torch.equal(scales.bfloat16().float() * 15, (scales.bfloat16() * 15).float()), "four significant bits"


def test_packing_is_what_unpacking_undoes() -> None:
    numbers = torch.randint(0, 16, (5, 24))
    assert torch.equal(unpack(packed(numbers.float()), AWQ_ORDER), numbers)


def test_a_folder_in_use_is_left_alone(llama: Path, written: Path) -> None:
    with pytest.raises(UserError, match="exists"):
        write_wide(llama, written / "awq", four_bit=True)
