"""A weighted sum of adapters written as ONE adapter, to be served with the base without a merge.

The ranks stand side by side, which is the sum itself; with a lower rank it is the nearest that this rank can be.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from shopbench.files import write_json
from training.weights.adapters import PREFIX
from training.weights.folders import PROVENANCE, staged
from training.weights.merged import Merge, base_tensors, copy_tokenizer
from training.weights.tensors import Written, write


def merge_adapters(merge: Merge, output: Path, rank: int | None = None) -> None:
    """Write the sum as one adapter: A's stacked, weighted and scaled B's side by side, factor 1.

    All modules get the same rank (missing parts are zeros), because engines expect one rank for an adapter. `rank`: the
    highest that the result may have; of a sum of a higher one, the nearest of this rank is written.
    """
    merge.check_as_adapter()
    base_tensors(merge)
    ranks = merge.ranks()
    total = min(sum(ranks), rank or sum(ranks))
    facts = {**merge.provenance(), "rank": total, "rank_of_sum": sum(ranks)}
    modules = sorted({name for adapter in merge.adapters for name in adapter.pairs})
    written = [tensor for name in modules for tensor in _joined(merge, name, ranks, total)]
    config = {
        **merge.adapters[0].config,
        "r": total,
        "lora_alpha": total,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        **dict.fromkeys(("exclude_modules", "layers_to_transform", "layers_pattern")),  # of the first adapter alone
        "target_modules": sorted({name.removesuffix(".weight").split(".")[-1] for name in modules}),
        "inference_mode": True,
        "bias": "none",  # vLLM takes no other value, and on a base without biases "all" has trained none
    }
    with staged(output, sum(tensor.size for tensor in written)) as folder:
        write(folder / "adapter_model.safetensors", written)
        copy_tokenizer(merge.adapters, folder)
        write_json(folder / "adapter_config.json", config)
        write_json(folder / PROVENANCE, facts)


def _joined(merge: Merge, name: str, ranks: list[int], rank: int) -> list[Written]:
    some = next(adapter.pairs[name] for adapter in merge.adapters if name in adapter.pairs)
    (outputs, inputs), dtype, module = some.shape, some.a.dtype, PREFIX + name.removesuffix(".weight")

    def both() -> tuple[Tensor, Tensor]:
        left, right = torch.zeros(outputs, sum(ranks)), torch.zeros(sum(ranks), inputs)
        start = 0
        for adapter, own in zip(merge.adapters, ranks, strict=True):
            if pair := adapter.pairs.get(name):
                b, a = pair.factors()
                left[:, start : start + pair.rank], right[start : start + pair.rank] = b * adapter.weight, a
            start += own
        return (left, right) if rank == sum(ranks) else nearest(left, right, rank)

    return [
        Written(f"{module}.lora_A.weight", dtype, (rank, inputs), lambda: iter([both()[1].to(dtype)])),
        Written(f"{module}.lora_B.weight", dtype, (outputs, rank), lambda: iter([both()[0].to(dtype)])),
    ]


def nearest(left: Tensor, right: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Factors (outputs, rank) and (rank, inputs) of the matrix of that rank which is nearest to left x right.

    By singular values: those of left x right are those of the product of both factors' triangles, which is as small as
    their rank. Each factor gets the root of a value, so that both keep within float16.
    """
    (q_left, r_left), (q_right, r_right) = torch.linalg.qr(left), torch.linalg.qr(right.t())
    u, values, v = torch.linalg.svd(r_left @ r_right.t(), full_matrices=False)
    roots, kept = values[:rank].sqrt(), min(rank, len(values))
    small_left, small_right = torch.zeros(len(left), rank), torch.zeros(rank, right.shape[1])
    small_left[:, :kept] = (q_left @ u[:, :kept]) * roots
    small_right[:kept] = roots[:, None] * (v[:kept] @ q_right.t())
    return small_left, small_right
