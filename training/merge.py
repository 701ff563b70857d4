"""`python -m training.merge --recipe R --output DIR`: base + sum of weight x delta, shard by shard, row by row.

    W = W0 + sum_i weight_i * scale_i * B_i A_i        (one adapter: wise-ft with alpha = weight; several: Table 6)

computed in float32 and rounded once to the base's type. R is an ensemble ("track1" ... "track5", "embedded") or one
adapter's recipe ("v7"). `--adapters A:0.56 B:0.75` names other folders and weights, `--alpha` scales them all.
`--as-adapter` writes the same sum as ONE adapter, ranks concatenated, to be served without a merge.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from shopbench.files import read_json, write_json
from training.recipes import ENSEMBLES, RECIPES, nearest
from training.weights.adapters import PREFIX, Adapter, Pair, read_adapter, refuse_other_base
from training.weights.folders import (
    PROVENANCE,
    WEIGHTS,
    TrainingError,
    base_folder,
    copy_beside,
    shards,
    staged,
    versions,
)
from training.weights.tensors import Stored, Written, fingerprint, stored, write, write_model

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


@dataclass(frozen=True)
class Merge:
    """What is merged: the base and the adapters with their weights."""

    name: str
    base_name: str
    base: Path
    adapters: list[Adapter]

    def deltas(self, tensor: str) -> list[tuple[float, Pair]]:
        """(weight, pair) of every adapter that changes a tensor."""
        return [(a.weight, a.pairs[tensor]) for a in self.adapters if tensor in a.pairs and a.weight]

    def answer_by(self) -> str:
        """What the merged weights name options by; a TrainingError where the adapters learned different ways."""
        ways = {adapter.answer_by for adapter in self.adapters if adapter.weight}
        if len(ways) > 1:
            raise TrainingError(f"{self.name}: some adapters name options by number, others by text; merge one kind")
        return ways.pop() if ways else "number"

    def provenance(self, base_fingerprint: str) -> dict[str, Any]:
        """What made the merged weights; the prompt hash only where all adapters agree on it."""
        hashes = {adapter.provenance.get("prompt_hash") for adapter in self.adapters}
        return {
            "ensemble": self.name,
            "base": self.base_name,
            "base_fingerprint": base_fingerprint,
            "prompt_hash": hashes.pop() if len(hashes) == 1 else None,
            "answer_by": self.answer_by(),
            "adapters": [adapter.summary() for adapter in self.adapters],
            "versions": versions("torch"),
        }


def merged_rows(source: Stored, deltas: list[tuple[float, Pair]]) -> Iterator[Tensor]:
    """The rows of W0 + sum of weight x delta, in pieces; rows without a delta pass unchanged."""
    factors = [(left * weight, right) for weight, pair in deltas for left, right in [pair.factors()]]
    for first, rows in source.rows():
        if factors:
            total = rows.float()
            for left, right in factors:
                total.addmm_(left[first : first + len(rows)], right)
            rows = total.to(source.dtype)
        yield rows


def check_targets(merge: Merge, tensors: dict[str, Stored], tied: bool) -> None:
    """TrainingError unless every delta has a float tensor of its shape in the base."""
    for adapter in merge.adapters:
        for name, pair in adapter.pairs.items():
            source = tensors.get(EMBEDDING if name == HEAD and tied and HEAD not in tensors else name)
            if source is None:
                raise TrainingError(
                    f"{adapter.folder}: changes {name}, which {merge.base} has not; another base is meant"
                )
            if pair.shape != source.shape or pair.a.shape[0] != pair.b.shape[1]:
                raise TrainingError(
                    f"{adapter.folder}: {name} is {pair.shape}, in the base {source.shape}; another base"
                )
            if not source.dtype.is_floating_point:
                raise TrainingError(f"{merge.base}: {name} is quantized; merge into the float weights, then quantize")


def shard_tensors(merge: Merge, tensors: dict[str, Stored], untie: bool) -> list[Written]:
    """What one output shard holds: the input's tensors, and an LM head of its own if tied weights part."""
    written = [_written(name, source, merge.deltas(name)) for name, source in tensors.items()]
    if untie and EMBEDDING in tensors and HEAD not in tensors:
        written.append(_written(HEAD, tensors[EMBEDDING], merge.deltas(HEAD)))
    return written


def _written(name: str, source: Stored, deltas: list[tuple[float, Pair]]) -> Written:
    return Written(name, source.dtype, source.shape, partial(merged_rows, source, deltas))


def merge_weights(merge: Merge, output: Path) -> None:
    """Write the merged model folder; TrainingError, and nothing at `output`, if something is wrong."""
    base_fingerprint = fingerprint(merge.base)
    for adapter in merge.adapters:
        refuse_other_base(adapter, merge.base_name, base_fingerprint)
    config = read_json(merge.base / "config.json", "model configuration")
    files = shards(merge.base)
    found = [stored(file) for file in files]
    everything = {name: tensor for tensors in found for name, tensor in tensors.items()}
    tied = bool(config.get("tie_word_embeddings", HEAD not in everything))
    check_targets(merge, everything, tied)
    untie = tied and bool(merge.deltas(HEAD) or merge.deltas(EMBEDDING))
    plans = [shard_tensors(merge, tensors, untie) for tensors in found]
    needed = sum(tensor.size for plan in plans for tensor in plan)
    facts = merge.provenance(base_fingerprint)
    with staged(output, needed, facts) as folder, tqdm(total=needed, unit="B", unit_scale=True, desc="merging") as bar:
        write_model(folder, {file.name: plan for file, plan in zip(files, plans, strict=True)}, bar.update)
        copy_beside(merge.base, folder)
        copy_tokenizer(merge.adapters[0], folder)
        if untie:
            write_json(folder / "config.json", {**config, "tie_word_embeddings": False})
        write_json(folder / PROVENANCE, facts)


def copy_tokenizer(adapter: Adapter, folder: Path) -> None:
    """Take the adapter's tokenizer where the base's has no chat template: training gave it one."""
    if not (folder / "chat_template.jinja").is_file() and "chat_template" not in _text(
        folder / "tokenizer_config.json"
    ):
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
            if (adapter.folder / name).is_file():
                shutil.copyfile(adapter.folder / name, folder / name)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def merge_adapters(merge: Merge, output: Path) -> None:
    """Write the sum as one adapter: A's stacked, weighted and scaled B's side by side, factor 1.

    All modules get the same rank (missing parts are zeros), because engines expect one rank for an adapter.
    """
    base_fingerprint = fingerprint(merge.base)
    for adapter in merge.adapters:
        refuse_other_base(adapter, merge.base_name, base_fingerprint)
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
        raise TrainingError(f"{name}: adapters of embeddings cannot be joined into one; merge them into the base")
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


def resolve(recipe: str, base: Path | None, adapters: list[str] | None, alpha: float) -> Merge:
    """The merge that a recipe and the command line ask for; TrainingError for unknown or missing ones."""
    if recipe in ENSEMBLES:
        base_name, parts = ENSEMBLES[recipe].base, [(name, weight) for name, weight in ENSEMBLES[recipe].adapters]
    elif recipe in RECIPES:
        base_name, parts = RECIPES[recipe].training.base, [(recipe, 1.0)]
    else:
        raise TrainingError(f"unknown recipe {recipe!r}; {nearest(recipe, [*ENSEMBLES, *RECIPES])}")
    if adapters:
        parts = [_named_weight(text) for text in adapters]
    folder = base_folder(base_name, base)
    read = [read_adapter(adapter_folder(name), weight * alpha) for name, weight in parts]
    return Merge(recipe, base_name, folder, read)


def _named_weight(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition(":")
    try:
        return (name, float(weight)) if name else (text, 1.0)
    except ValueError:
        raise TrainingError(f"--adapters {text}: wants NAME:WEIGHT, like v8:0.56") from None


def adapter_folder(name: str) -> Path:
    """The folder of an adapter: `name` itself, or the one under weights/adapters; TrainingError if none holds one."""
    for folder in (Path(name), WEIGHTS / "adapters" / name):
        if (folder / "adapter_config.json").is_file():
            return folder
    raise TrainingError(f"{WEIGHTS / 'adapters' / name}: holds no adapter; train it: python -m training.finetune")


def main(arguments: list[str] | None = None) -> int:
    """Command line; a problem is one line and status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.merge", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", required=True, help=f"one of: {', '.join([*ENSEMBLES, *RECIPES])}")
    parser.add_argument("--output", required=True, type=Path, help="folder for the result")
    parser.add_argument("--base", type=Path, help="local folder of the base model (default: weights/base/<name>)")
    parser.add_argument("--adapters", nargs="+", metavar="A:WEIGHT", help="adapter folders or names, and weights")
    parser.add_argument("--alpha", type=float, default=1.0, help="factor of all weights (wise-ft)")
    parser.add_argument("--as-adapter", action="store_true", help="write one adapter instead of a merged model")
    given = parser.parse_args(arguments)
    try:
        merge = resolve(given.recipe, given.base, given.adapters, given.alpha)
        (merge_adapters if given.as_adapter else merge_weights)(merge, given.output)
    except (TrainingError, OSError) as error:
        print(f"merge: {error}", file=sys.stderr)
        return 1
    print(f"{given.output}: " + " + ".join(["base", *(f"{a.weight:g} x {a.folder.name}" for a in merge.adapters)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
