"""AutoAWQ's GEMM format, read back: 4-bit numbers packed by eight, a scale and a zero per group of inputs.

The check after quantizing reads what stands on the disk, so that an error anywhere before (the search, the packing,
the writing) shows. Layout: qweight (inputs, outputs / 8) int32, qzeros (inputs / group, outputs / 8) int32, scales
(inputs / group, outputs) float16; W[o, i] = (q[i, o] - zero[i // group, o]) * scale[i // group, o].
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from shopbench.errors import UserError
from training.weights.folders import shards
from training.weights.tensors import Stored, stored

ORDER = (0, 4, 1, 5, 2, 6, 3, 7)
"""The k-th number of a pack is the ORDER[k]-th four bits of its int32."""


def unpack(packed: Tensor) -> Tensor:
    """(rows, n) int32 -> (rows, 8 n) numbers from 0 to 15."""
    shifts = torch.tensor([4 * place for place in ORDER], dtype=torch.int32)
    return ((packed.unsqueeze(-1) >> shifts) & 15).flatten(1)


def dequantize(qweight: Tensor, qzeros: Tensor, scales: Tensor) -> Tensor:
    """The weight (outputs, inputs) in float32."""
    group = qweight.shape[0] // scales.shape[0]
    zeros, factors = unpack(qzeros).repeat_interleave(group, 0), scales.float().repeat_interleave(group, 0)
    return ((unpack(qweight) - zeros) * factors).t().contiguous()


def load_into(model: nn.Module, folder: Path) -> None:
    """Put a quantized folder's weights, made float again, into the float model.

    Raises:
        UserError: a weight of the model is missing in the folder, or of another shape, or none is 4-bit.
    """
    found: dict[str, Stored] = {name: item for file in shards(folder) for name, item in stored(file).items()}
    four_bit = 0
    for name, parameter in model.named_parameters():
        module = name.removesuffix(".weight")
        if name in found:
            value = found[name].load()
        elif f"{module}.qweight" in found:
            value = dequantize(*(found[f"{module}.{part}"].load() for part in ("qweight", "qzeros", "scales")))
            four_bit += 1
        else:
            raise UserError(f"{folder}: lacks {name}; the quantized model is not whole")
        if value.shape != parameter.shape:
            raise UserError(f"{folder}: {name} has shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
        parameter.data.copy_(value)
    if not four_bit:
        raise UserError(f"{folder}: holds no 4-bit weights; AutoAWQ wrote an unquantized model")
