"""The weighted sum of several adapters as ONE adapter, ranks side by side: served with the base, without a merge."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from shopbench.errors import UserError
from shopbench.files import write_json
from training.weights.adapters import PREFIX
from training.weights.folders import PROVENANCE, staged
from training.weights.merged import Merge
from training.weights.tensors import Written, write


def merge_adapters(merge: Merge, output: Path) -> None:
    """Write the sum as one adapter: A's stacked, weighted and scaled B's side by side, factor 1.

    All modules get the same rank (missing parts are zeros), because engines expect one rank for an adapter.
    """
    base_fingerprint = merge.base_fingerprint()
    ranks = [max(pair.rank for pair in adapter.pairs.values()) for adapter in merge.adapters]
    total = sum(ranks)
    modules = sorted({name for adapter in merge.adapters for name in adapter.pairs})
    written: list[Written] = []
    for name in modules:
        written += _stacked(merge, name, ranks)
    config = {
        **merge.adapters[0].config,
        "r": total,
        "lora_alpha": total,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        "target_modules": sorted({name.removesuffix(".weight").split(".")[-1] for name in modules}),
        "inference_mode": True,
    }
    with staged(output, sum(tensor.size for tensor in written)) as folder:
        write(folder / "adapter_model.safetensors", written)
        write_json(folder / "adapter_config.json", config)
        write_json(folder / PROVENANCE, {**merge.provenance(base_fingerprint), "rank": total})


def _stacked(merge: Merge, name: str, ranks: list[int]) -> list[Written]:
    pairs = [
        (adapter.weight, adapter.pairs.get(name), rank) for adapter, rank in zip(merge.adapters, ranks, strict=True)
    ]
    some = next(pair for _, pair, _ in pairs if pair is not None)
    if some.embedding:
        raise UserError(f"{name}: adapters of embeddings cannot be joined into one; merge them into the base")
    (outputs, inputs), dtype, module = some.shape, some.a.dtype, PREFIX + name.removesuffix(".weight")

    def both() -> tuple[Tensor, Tensor]:
        left, right = torch.zeros(outputs, sum(ranks)), torch.zeros(sum(ranks), inputs)
        start = 0
        for weight, pair, rank in pairs:
            if pair is not None:
                b, a = pair.factors()
                left[:, start : start + pair.rank], right[start : start + pair.rank] = b * weight, a
            start += rank
        return left, right

    return [
        Written(f"{module}.lora_A.weight", dtype, (sum(ranks), inputs), lambda: iter([both()[1].to(dtype)])),
        Written(f"{module}.lora_B.weight", dtype, (outputs, sum(ranks)), lambda: iter([both()[0].to(dtype)])),
    ]
