"""Base + sum of weight x delta, written shard by shard, row by row: the weights that are submitted.

    W = W0 + sum_i weight_i * scale_i * B_i A_i        (one adapter: wise-ft with alpha = weight; several: ensemble)

computed in float32 and rounded once to the base's type (Table 6 of the winning solution's paper).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from shopbench.errors import UserError
from shopbench.files import read_json, write_json
from training.weights.adapters import Adapter, Pair, refuse_other_base
from training.weights.folders import PROVENANCE, copy_beside, shards, staged, versions
from training.weights.tensors import Stored, Written, fingerprint, stored, write_model

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
        """What the merged weights name options by; a UserError where the adapters learned different ways."""
        ways = {adapter.answer_by for adapter in self.adapters if adapter.weight}
        if len(ways) > 1:
            raise UserError(f"{self.name}: some adapters name options by number, others by text; merge one kind")
        return ways.pop() if ways else "number"

    def base_fingerprint(self) -> str:
        """The base's fingerprint; UserError if an adapter was trained on another base."""
        found = fingerprint(self.base)
        for adapter in self.adapters:
            refuse_other_base(adapter, self.base_name, found)
        return found

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
    """UserError unless every delta has a float tensor of its shape in the base."""
    for adapter in merge.adapters:
        for name, pair in adapter.pairs.items():
            source = tensors.get(EMBEDDING if name == HEAD and tied and HEAD not in tensors else name)
            if source is None:
                raise UserError(f"{adapter.folder}: changes {name}, which {merge.base} has not; another base is meant")
            if pair.shape != source.shape or pair.a.shape[0] != pair.b.shape[1]:
                raise UserError(f"{adapter.folder}: {name} is {pair.shape}, in the base {source.shape}; another base")
            if not source.dtype.is_floating_point:
                raise UserError(f"{merge.base}: {name} is quantized; merge into the float weights, then quantize")


def shard_tensors(merge: Merge, tensors: dict[str, Stored], untie: bool) -> list[Written]:
    """What one output shard holds: the input's tensors, and an LM head of its own if tied weights part."""
    written = [_written(name, source, merge.deltas(name)) for name, source in tensors.items()]
    if untie and EMBEDDING in tensors and HEAD not in tensors:
        written.append(_written(HEAD, tensors[EMBEDDING], merge.deltas(HEAD)))
    return written


def _written(name: str, source: Stored, deltas: list[tuple[float, Pair]]) -> Written:
    return Written(name, source.dtype, source.shape, partial(merged_rows, source, deltas))


def merge_weights(merge: Merge, output: Path) -> None:
    """Write the merged model folder; UserError, and nothing at `output`, if something is wrong."""
    base_fingerprint = merge.base_fingerprint()
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
