"""The formats of quantized checkpoints, made float again.

4 bits: numbers packed by eight, a scale and a zero per group. Engines make
W[o, i] = (q[o, i] - zero[o, i // group]) * scale[o, i // group] of them. AutoAWQ's GEMM format keeps all
three with inputs first and packs along the outputs, in an order of its own; compressed-tensors ("pack-quantized") keeps
outputs first, packs numbers along the inputs and zeros along the outputs.

8 bits (compressed-tensors' "int-quantized"): W[o, i] = q[o, i] * scale[o], and activations are rounded alike, token by
token, before each product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

AWQ_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)
"""The k-th number of a pack is the AWQ_ORDER[k]-th four bits of its int32."""
_IN_ORDER = tuple(range(8))


def unpack(packed: Tensor, order: tuple[int, ...] = _IN_ORDER) -> Tensor:
    """(rows, n) int32 -> (rows, 8 n) numbers from 0 to 15."""
    shifts = torch.tensor([4 * place for place in order], dtype=torch.int32, device=packed.device)
    return ((packed.unsqueeze(-1) >> shifts) & 15).flatten(1)


def _float(numbers: Tensor, zeros: Tensor, scales: Tensor) -> Tensor:
    """All outputs first: numbers (outputs, inputs), zeros and scales (outputs, groups)."""
    group = numbers.shape[1] // scales.shape[1]
    return (numbers - zeros.repeat_interleave(group, 1)) * scales.float().repeat_interleave(group, 1)


def from_awq(parts: Mapping[str, Tensor]) -> Tensor:
    """The weight (outputs, inputs) in float32, of AutoAWQ's GEMM format."""
    numbers, zeros = (unpack(parts[name], AWQ_ORDER).t() for name in ("qweight", "qzeros"))
    return _float(numbers, zeros, parts["scales"].t())


def from_compressed_tensors(parts: Mapping[str, Tensor]) -> Tensor:
    """The weight (outputs, inputs) in float32, of compressed-tensors' format."""
    return _float(unpack(parts["weight_packed"]), unpack(parts["weight_zero_point"].t()).t(), parts["weight_scale"])


def from_int8(parts: Mapping[str, Tensor]) -> Tensor:
    """The weight (outputs, inputs) in float32, of 8-bit numbers with a scale an output."""
    return parts["weight"].float() * parts["weight_scale"].float()


def rounded_by_token(values: Tensor) -> Tensor:
    """Activations (..., inputs) as 8-bit numbers hold them, with a scale a token."""
    scales = values.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
    return (values / scales).round() * scales


@dataclass(frozen=True)
class Format:
    """How a checkpoint keeps one weight: in tensors of these names after the layer's, made float by `decode`.

    `activations` is what an engine makes of a product's other side.
    """

    parts: tuple[str, ...]
    decode: Callable[[Mapping[str, Tensor]], Tensor]
    activations: Callable[[Tensor], Tensor] = lambda values: values


FORMATS = (
    Format(("qweight", "qzeros", "scales"), from_awq),
    Format(("weight_packed", "weight_scale", "weight_zero_point", "weight_shape"), from_compressed_tensors),
    Format(("weight", "weight_scale"), from_int8, rounded_by_token),
)
