"""What runs faster on a CPU than vLLM's own choice there: RMS norms, and LoRA products. vLLM's workers load this file.

Norms: vLLM has a C++ kernel for CPUs too, but in eager mode it takes PyTorch's operations, one after another, each a
pass over all activations. Registered here as an implementation of vLLM's own operations (`vllm.ir`), the kernel takes
1 of their 12 parts of a prefill's time: SmolLM2-135M, 4,000 tokens, two cores: norms 200 ms of 1,460, then 17.
"""

from __future__ import annotations

from typing import Any

import torch
from vllm import ir
from vllm.platforms import current_platform

current_platform.import_kernels()
_PROVIDER = "shopbench_cpu"
PRIORITY = {name: [_PROVIDER, "native"] for name in ("rms_norm", "fused_add_rms_norm")}
"""For vLLM's `ir_op_priority`; what the kernel cannot do, or a build without it, is left to PyTorch."""


def _kernel_takes(x: Any, weight: Any, variance_size: int | None) -> bool:
    return variance_size is None and weight is not None and weight.dtype == x.dtype and x.is_contiguous()


def _norm_takes(x: Any, weight: Any, epsilon: float, variance_size: int | None = None) -> bool:
    return _kernel_takes(x, weight, variance_size)


def _added_norm_takes(x: Any, x_residual: Any, weight: Any, epsilon: float, variance_size: int | None = None) -> bool:
    return _kernel_takes(x, weight, variance_size) and x_residual.is_contiguous()


@ir.ops.rms_norm.register_impl(_PROVIDER, supports_args=_norm_takes, supported=hasattr(torch.ops._C, "rms_norm"))
def rms_norm(
    x: torch.Tensor, weight: torch.Tensor | None, epsilon: float, variance_size: int | None = None
) -> torch.Tensor:
    """Root-mean-square norm of the last dimension; x (tokens, width), weight (width,)."""
    output = torch.empty_like(x)
    torch.ops._C.rms_norm(output, x, weight, epsilon)
    return output


@ir.ops.fused_add_rms_norm.register_impl(
    _PROVIDER, supports_args=_added_norm_takes, supported=hasattr(torch.ops._C, "fused_add_rms_norm"), inplace=True
)
def fused_add_rms_norm(
    x: torch.Tensor,
    x_residual: torch.Tensor,
    weight: torch.Tensor | None,
    epsilon: float,
    variance_size: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The norm of x + x_residual, and that sum, each in the place of its first summand."""
    torch.ops._C.fused_add_rms_norm(x, x_residual, weight, epsilon)
    return x, x_residual


class OneAdapter:
    """What vLLM's workers on a CPU get beside their own methods where adapters are served."""

    def multiply_one_adapter(self) -> None:
        """Replace vLLM's LoRA products, which copy the adapter's matrices once for every token.

        A step has one adapter here (`max_loras`), so one matrix product does for all its tokens; those without an
        adapter (index -1) get nothing. Several times faster: half the speed of a base alone instead of a tenth.
        """
        from vllm.lora.ops.torch_ops import lora_ops
        from vllm.lora.punica_wrapper import punica_cpu

        for module in (lora_ops, punica_cpu):
            for replacement in (bgmv_shrink, bgmv_expand, bgmv_expand_slice):
                if not hasattr(module, replacement.__name__):
                    raise RuntimeError(f"{module.__name__} has no {replacement.__name__}: vLLM has changed")
                setattr(module, replacement.__name__, replacement)


def bgmv_shrink(inputs: Any, weights: Any, output: Any, indices: Any, scaling: float = 1.0) -> None:
    """output (tokens, rank) = scaling x inputs A^T; weights (1, [1,] rank, inputs), indices (tokens,): 0, or -1."""
    product = _product(inputs, weights, indices, output.dtype)
    output[:, : product.shape[1]] = product * scaling


def bgmv_expand(inputs: Any, weights: Any, output: Any, indices: Any, add_inputs: bool = True) -> None:
    """output (tokens, outputs) += inputs B^T, as far as both are wide (either may be padded)."""
    width = min(weights.shape[-2], output.shape[1])
    bgmv_expand_slice(inputs, weights[..., :width, :], output, indices, 0, width, add_inputs)


def bgmv_expand_slice(
    inputs: Any, weights: Any, output: Any, indices: Any, offset: int, size: int, add_inputs: bool = True
) -> None:
    """The columns of output from `offset` on += inputs B^T."""
    product, part = _product(inputs, weights, indices, output.dtype), output[:, offset : offset + size]
    if add_inputs:
        part += product
    else:
        part.copy_(product)


def _product(inputs: Any, weights: Any, indices: Any, dtype: Any) -> Any:
    matrix = weights.flatten(0, -3)[0].to(dtype)
    return (inputs.to(dtype) @ matrix.t()) * (indices >= 0).to(dtype)[:, None]
