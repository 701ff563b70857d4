"""What our CPU workers compute with: norms against PyTorch's operations, LoRA products against vLLM's."""

from __future__ import annotations

import pytest
import torch

pytestmark = pytest.mark.engine
EPSILON = 1e-5


def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    wide = x.float()
    return wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPSILON) * weight.float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms(dtype: torch.dtype) -> None:
    from models.engine import cpu_kernels

    torch.manual_seed(0)
    x, residual, weight = (torch.randn(shape).to(dtype) for shape in ((7, 576), (7, 576), (576,)))
    close = {"rtol": 2e-2, "atol": 2e-2} if dtype is torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(cpu_kernels.rms_norm.impl_fn(x, weight, EPSILON).float(), norm(x, weight), **close)
    total = x + residual
    normed, kept = cpu_kernels.fused_add_rms_norm.impl_fn(x.clone(), residual.clone(), weight, EPSILON)
    torch.testing.assert_close(kept, total)
    torch.testing.assert_close(normed.float(), norm(total, weight), **close)


def test_vllm_chooses_the_kernel_only_where_it_can_compute() -> None:
    from vllm import ir

    from models.engine import cpu_kernels

    x, weight = torch.randn(4, 3, 8), torch.ones(8)
    with ir.ops.rms_norm.set_priority(cpu_kernels.PRIORITY["rms_norm"]):
        chosen = [
            ir.ops.rms_norm.dispatch(*arguments).provider
            for arguments in (
                (x, weight, EPSILON),
                (x.transpose(0, 1), weight, EPSILON),  # rows that do not lie one after another
                (x, weight.bfloat16(), EPSILON),
                (x, None, EPSILON),
                (x, weight, EPSILON, 4),
            )
        ]
    assert chosen == ["shopbench_cpu", "native", "native", "native", "native"]


def test_the_products_on_a_cpu_are_vllms_own() -> None:
    """Every token's own product, as vLLM computes it, against one product for all."""
    from vllm.lora.ops.torch_ops import lora_ops

    from models.engine import cpu_kernels

    torch.manual_seed(0)
    inputs, shrink, expand = torch.randn(7, 12), torch.randn(1, 1, 4, 12), torch.randn(1, 1, 9, 4)
    indices = torch.zeros(7, dtype=torch.long)
    for ours, theirs in ((cpu_kernels.bgmv_shrink, lora_ops.bgmv_shrink),):
        found, expected = torch.zeros(7, 4), torch.zeros(7, 4)
        ours(inputs, shrink, found, indices, 0.5)
        theirs(inputs, shrink, expected, indices, 0.5)
        torch.testing.assert_close(found, expected)
    narrow = torch.randn(7, 4)
    for width in (6, 9, 11):  # the output may be narrower or wider than the adapter's
        start = torch.randn(7, width)
        found, expected = start.clone(), start.clone()
        cpu_kernels.bgmv_expand(narrow, expand, found, indices, True)
        lora_ops.bgmv_expand(narrow, expand, expected, indices, True)
        torch.testing.assert_close(found, expected)
    for adds in (True, False):
        start = torch.randn(7, 20)
        found, expected = start.clone(), start.clone()
        cpu_kernels.bgmv_expand_slice(narrow, expand, found, indices, 3, 9, adds)
        lora_ops.bgmv_expand_slice(narrow, expand, expected, indices, 3, 9, adds)
        torch.testing.assert_close(found, expected)
    none = torch.tensor([0, -1, 0, -1, -1, 0, 0])
    found = torch.zeros(7, 4)
    cpu_kernels.bgmv_shrink(inputs, shrink, found, none)
    assert (found[none < 0] == 0).all() and (found[none == 0] != 0).all()
