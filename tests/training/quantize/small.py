"""Checkpoints rounded to the nearest, which needs no quantizer's environment: AutoAWQ's GEMM format, and W8A8."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.quantize.formats import AWQ_ORDER


def pack(values: Tensor) -> Tensor:
    """(rows, 8 n) numbers from 0 to 15 -> (rows, n) int32, written independently of `unpack`."""
    packs = torch.zeros(values.shape[0], values.shape[1] // 8, dtype=torch.int64)
    for place, bits in enumerate(AWQ_ORDER):
        packs |= values[:, place::8].long() << (4 * bits)
    return torch.where(packs >= 2**31, packs - 2**32, packs).to(torch.int32)


def write_w8a8(model: Path, output: Path) -> Path:
    """A float folder's linear layers as 8-bit numbers with a scale an output."""
    output.mkdir(exist_ok=True)
    shutil.copyfile(model / "config.json", output / "config.json")
    tensors = load_file(model / "model.safetensors")
    for name in [name for name in tensors if name.endswith("proj.weight")]:
        weight = tensors[name].float()
        scale = weight.abs().amax(1, keepdim=True) / 127
        tensors |= {name: (weight / scale).round().to(torch.int8), f"{name}_scale": scale}
    save_file(tensors, output / "model.safetensors", metadata={"format": "pt"})
    return output


def write_awq(model: Path, output: Path, group: int, damage: float = 1.0) -> Path:
    """Quantize a float folder; the scales of the last layer are multiplied by `damage`."""
    output.mkdir(exist_ok=True)
    for file in (*model.glob("*.json"), *model.glob("*.jinja")):
        shutil.copyfile(file, output / file.name)
    tensors = load_file(model / "model.safetensors")
    last = max(int(name.split(".")[2]) for name in tensors if ".layers." in name)
    for name in [name for name in tensors if name.endswith("proj.weight")]:
        weight = tensors.pop(name).float()
        groups = weight.reshape(weight.shape[0], -1, group)
        low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
        scales = ((high - low) / 15).half()
        zeros = (-low / scales).round()
        numbers = ((groups / scales.unsqueeze(-1)).round() + zeros.unsqueeze(-1)).clamp(0, 15).reshape(weight.shape)
        layer = name.removesuffix(".weight")
        tensors[f"{layer}.qweight"], tensors[f"{layer}.qzeros"] = pack(numbers.t()), pack(zeros.t())
        tensors[f"{layer}.scales"] = (scales * (damage if f".{last}." in name else 1.0)).t().contiguous()
    save_file(tensors, output / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((model / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True}
    (output / "config.json").write_text(json.dumps(config))
    return output
