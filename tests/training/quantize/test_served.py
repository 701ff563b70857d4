"""What stands in a quantized folder is what is checked, wherever accelerate keeps the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from shopbench.errors import UserError
from tests.training.quantize.small import pack, write_awq, write_w8a8
from training.quantize.checks import calibration_ids, load_float, perplexity
from training.quantize.formats import AWQ_ORDER, from_awq, from_compressed_tensors, rounded_by_token, unpack
from training.quantize.served import load_served
from training.weights.base import load_tokenizer


@pytest.fixture(scope="module")
def held(learned: Path, repository: Path) -> list[list[int]]:
    _, held = calibration_ids(load_tokenizer(learned), repository / "data" / "sample_questions.jsonl")
    return [text[:200] for text in held[:3]]


@pytest.fixture(scope="module")
def quantized(learned: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The learned model in 4 bits: as it should be, and with its last layer damaged."""
    folder = tmp_path_factory.mktemp("quantized")
    return {name: write_awq(learned, folder / name, 32, by) for name, by in (("whole", 1.0), ("damaged", 30.0))}


def offloaded(place: str, folder: Path) -> dict[str, Any]:
    """accelerate's options that keep the last layer, or "everything" but the norm, on the disk in `folder`."""
    if place == "nothing":
        return {}
    rest = "disk" if place == "everything" else "cpu"
    places = {"model.embed_tokens": rest, "model.layers.0": rest, "model.rotary_emb": "cpu", "lm_head": rest}
    return {"device_map": {**places, "model.layers.1": "disk", "model.norm": "cpu"}, "offload_folder": str(folder)}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["nothing", "a layer", "everything"])
def test_damage_is_noticed_wherever_the_weights_are(
    place: str, learned: Path, quantized: dict[str, Path], held: list[list[int]], tmp_path: Path
) -> None:
    before = perplexity(load_float(learned), held)
    assert before < 60, "of 272 tokens: it has learned something"
    models = {name: load_served(folder, **offloaded(place, tmp_path / name)) for name, folder in quantized.items()}
    empty = {name for name, parameter in models["whole"].named_parameters() if parameter.is_meta}
    assert any("layers.1.mlp.down_proj.qweight" in name for name in empty) == (place != "nothing")
    assert any("embed" in name for name in empty) == (place == "everything")
    whole, damaged = (perplexity(models[name], held) for name in ("whole", "damaged"))
    assert before * 0.9 < whole < before * 1.25 < damaged
    assert whole == pytest.approx(perplexity(load_served(quantized["whole"]), held), rel=1e-5)


def numbers_of_three_groups() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """numbers (16 outputs, 24 inputs), zeros and scales (16, 3), and the weight by its definition."""
    generator = torch.Generator().manual_seed(0)
    numbers, zeros = (torch.randint(0, 16, size, generator=generator) for size in ((16, 24), (16, 3)))
    scales = torch.rand(16, 3, generator=generator).half()
    weight = torch.tensor(
        [[(numbers[o, i] - zeros[o, i // 8]) * scales[o, i // 8].float() for i in range(24)] for o in range(16)]
    )
    return numbers, zeros, scales, weight


def test_awq_is_read_back() -> None:
    numbers, zeros, scales, weight = numbers_of_three_groups()
    assert torch.equal(unpack(pack(numbers.t()), AWQ_ORDER), numbers.t().int())
    parts = {"qweight": pack(numbers.t()), "qzeros": pack(zeros.t()), "scales": scales.t()}
    torch.testing.assert_close(from_awq(parts), weight)


def test_compressed_tensors_is_read_back() -> None:
    """Packs hold eight neighbours, the first one in the lowest bits."""
    numbers, zeros, scales, weight = numbers_of_three_groups()

    def packed(values: torch.Tensor) -> torch.Tensor:
        wide = sum(values[:, place::8].long() << (4 * place) for place in range(8))
        return torch.as_tensor(wide).to(torch.int32)

    parts = {"weight_packed": packed(numbers), "weight_zero_point": packed(zeros.t()).t(), "weight_scale": scales}
    torch.testing.assert_close(from_compressed_tensors(parts), weight)


@pytest.mark.slow
def test_eight_bits_are_multiplied_as_whole_numbers(learned: Path, held: list[list[int]], tmp_path: Path) -> None:
    """Weights and activations both: what the layer gives is a product of 8-bit numbers, times their scales."""
    model = load_served(write_w8a8(learned, tmp_path / "w8a8"))
    layer, values = model.model.layers[0].mlp.up_proj, torch.randn(3, 64)
    numbers = (values / values.abs().amax(1, keepdim=True) * 127).round().to(torch.int64)
    products = (numbers @ layer.weight.to(torch.int64).t()).float()
    scales = values.abs().amax(1, keepdim=True) / 127 * layer.weight_scale.t()
    torch.testing.assert_close(layer(values), products * scales)
    assert not rounded_by_token(torch.zeros(2, 4)).any(), "a token of zeros has a scale, too"
    before, after = perplexity(load_float(learned), held), perplexity(model, held)
    assert after != before and after == pytest.approx(before, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensors: tensors.pop("model.norm.weight"), "lacks model.norm.weight"),
        (lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.qzeros"), "lacks model.layers.1.mlp.up_proj.weight"),
        (lambda tensors: tensors.update({"model.layers.1.mlp.up_proj.g_idx": torch.zeros(1)}), "no part of the model"),
        (lambda tensors: tensors.update({"lm_head.weight": torch.zeros(3, 64)}), "has shape"),
        (lambda tensors: [tensors.pop(name) for name in list(tensors) if "scales" in name], "no quantized weights"),
    ],
)
def test_what_is_not_whole_is_refused(change: Any, says: str, quantized: dict[str, Path], tmp_path: Path) -> None:
    tensors = load_file(quantized["whole"] / "model.safetensors")
    change(tensors)
    (tmp_path / "config.json").write_text((quantized["whole"] / "config.json").read_text())
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=says):
        load_served(tmp_path)
