"""LoRA on a CPU, faster: one matrix product forward, and no passes over the activations for the low-rank part.

PEFT computes x W^T + s (x A^T) B^T token by token. A training batch has many more tokens than the rank, so it is
cheaper to add s B A to W once a step and to multiply by the sum; the gradients of A and B need only the narrow
products. Values and gradients are PEFT's to rounding (test_finetune.py). Only without dropout, which
acts on the low-rank input alone.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn

ADAPTER = "default"


class _MergedLinear(torch.autograd.Function):
    """x (..., inputs) -> x (W + s B A)^T, with gradients for x, A and B; W is frozen, A and B are float32.

    A bfloat16 W makes every product bfloat16, the sum included: what the merged weights will be in use.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scaling: float) -> Tensor:
        x, low, high = x.to(weight.dtype), a.to(weight.dtype), (b * scaling).to(weight.dtype)
        merged = torch.addmm(weight, high, low)
        ctx.save_for_backward(x, merged, low, high)
        ctx.scaling = scaling
        return nn.functional.linear(x, merged)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, None]:
        x, merged, low, high = ctx.saved_tensors
        gradient, tokens = gradients[0].flatten(0, -2), x.flatten(0, -2)
        to_a = (gradient @ high).t() @ tokens
        to_b = gradient.t() @ nn.functional.linear(tokens, low)
        to_x = (gradient @ merged).view_as(x) if ctx.needs_input_grad[0] else None
        return to_x, None, to_a.float(), to_b.float() * ctx.scaling, None


def _forward(self: Linear, x: Tensor) -> Tensor:
    a, b = self.lora_A[ADAPTER].weight, self.lora_B[ADAPTER].weight
    result: Tensor = _MergedLinear.apply(x, self.base_layer.weight, a, b, self.scaling[ADAPTER])
    return result if self.base_layer.bias is None else result + self.base_layer.bias


def speed_up(model: nn.Module) -> int:
    """Give the LoRA layers of a PEFT model the faster forward where it is exact; return how many got it."""
    count = 0
    for layer in model.modules():
        if type(layer) is Linear and isinstance(layer.lora_dropout[ADAPTER], nn.Identity):
            adapter, base = layer.lora_A[ADAPTER].weight.dtype, layer.base_layer.weight.dtype
            if adapter is torch.float32 and base in (torch.float32, torch.bfloat16):
                layer.forward = MethodType(_forward, layer)
                count += 1
    return count
