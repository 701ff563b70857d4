"""Base + sum of weight x delta, written shard by shard, row by row: the weights that are submitted.

    W = W0 + sum_i weight_i * scale_i * B_i A_i        (one adapter: wise-ft with alpha = weight; several: ensemble)
    b = b0 + sum_i weight_i * (b_i - b0)               (biases, where an adapter was trained with them)

computed in float32 and rounded once to the base's type (Table 6 of the winning solution's paper). joined.py writes the
same sum as ONE adapter; not with biases, which vLLM takes from no adapter.
"""

from __future__ import annotations

import shutil
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from shopbench.errors import UserError
from shopbench.files import read_json, read_json_if_any, write_json
from shopbench.naming import answer_by_of
from shopbench.requirements import versions
from training.weights.adapters import Adapter, Pair
from training.weights.folders import PROVENANCE, copy_beside, shards, staged
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

    def biases(self, tensor: str) -> list[tuple[float, Stored]]:
        """(weight, what stands in the base's place) of every adapter that was trained with a bias."""
        return [(a.weight, a.biases[tensor]) for a in self.adapters if tensor in a.biases and a.weight]

    def check_as_adapter(self) -> None:
        """UserError if an adapter changes what vLLM takes from none: biases, and embeddings joined into one."""
        for adapter in self.adapters:
            names = [*adapter.biases, *(name for name, pair in adapter.pairs.items() if pair.embedding)]
            if names:
                raise UserError(
                    f"{adapter.folder}: changes {names[0]}; trained biases and embeddings can only be merged into the "
                    "base (training.merge without --as-adapter)"
                )

    def ranks(self) -> list[int]:
        """The highest rank of each adapter."""
        return [max(pair.rank for pair in adapter.pairs.values()) for adapter in self.adapters]

    def answer_by(self) -> str:
        """What the merged weights name options by; a UserError where the adapters learned different ways."""
        ways = {answer_by_of(adapter.provenance) for adapter in self.adapters if adapter.weight}
        if len(ways) > 1:
            raise UserError(f"{self.name}: some adapters name options by number, others by text; merge one kind")
        return ways.pop() if ways else "number"

    def base_fingerprint(self) -> str:
        """The base's fingerprint; UserError if an adapter is known to be of another base.

        The fingerprint in an adapter's provenance tells for certain. An adapter from elsewhere has none, and the name
        it gives its base (a cache's folder, a quantized copy, nothing) proves nothing: the shapes of what it changes
        are compared with the base (`check_targets`), and another name is said, not refused.
        """
        found = fingerprint(self.base)
        for adapter in self.adapters:
            known = adapter.provenance.get("base_fingerprint")
            if known not in (None, found):
                raise UserError(
                    f"{adapter.folder}: was trained on other weights ({adapter.base}) than {self.base} holds; give the "
                    "folder of those as --base"
                )
            if known is None and last_part(adapter.base) != last_part(self.base_name):
                print(
                    f"{adapter.folder}: says it was trained on {adapter.base}; its shapes are those of {self.base}, "
                    "which is all that can be checked",
                    file=sys.stderr,
                )
        return found

    def provenance(self) -> dict[str, Any]:
        """What made the merged weights (prompt hash: None where adapters differ); UserError if they do not fit."""
        hashes = {adapter.provenance.get("prompt_hash") for adapter in self.adapters}
        return {
            "ensemble": self.name,
            "base": self.base_name,
            "base_fingerprint": self.base_fingerprint(),
            "prompt_hash": hashes.pop() if len(hashes) == 1 else None,
            "answer_by": self.answer_by(),
            "adapters": [adapter.summary() for adapter in self.adapters],
            "versions": versions("torch"),
        }


def last_part(name: str) -> str:
    """What follows the last slash, in lower case: names of one model differ in what stands before."""
    return name.rstrip("/").split("/")[-1].lower()


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


def merged_bias(source: Stored, biases: list[tuple[float, Stored]]) -> Iterator[Tensor]:
    """b0 + sum of weight x (b - b0), in one piece."""
    base = source.load().float()
    total = base + sum(weight * (bias.load().float() - base) for weight, bias in biases)
    yield total.to(source.dtype)


def check_targets(merge: Merge, tensors: Mapping[str, Stored], tied: bool) -> None:
    """UserError unless every delta and bias has a float tensor of its shape in the base."""
    for adapter in merge.adapters:
        for name, shape in adapter.shapes.items():
            source = tensors.get(EMBEDDING if name == HEAD and tied and HEAD not in tensors else name)
            if source is None:
                raise UserError(
                    f"{adapter.folder}: changes {name}, which {merge.base} has not; {_remedy(name, tensors)}"
                )
            if shape != source.shape:
                raise UserError(
                    f"{adapter.folder}: {name} is {shape}, in {merge.base} it is {source.shape}; give the "
                    f"model it was trained on as --base ({adapter.base})"
                )
            if not source.dtype.is_floating_point:
                raise UserError(f"{merge.base}: {name} is quantized; merge into the float weights, then quantize")


def _remedy(name: str, tensors: Mapping[str, Stored]) -> str:
    """What to do about a name that the base lacks: it may have it under another prefix."""
    similar = [known for known in tensors if known.endswith(f".{name}") or name.endswith(f".{known}")]
    if similar:
        return f"it calls it {similar[0]}: train or save the adapter on AutoModelForCausalLM, as this base is"
    if name.removesuffix(".weight") + ".qweight" in tensors:
        return "it is quantized: merge into the float weights, then quantize"
    return "give the model that the adapter was trained on as --base"


def base_tensors(merge: Merge) -> tuple[dict[str, Any], dict[str, dict[str, Stored]], bool]:
    """The base's configuration, its shards' tensors, whether its head is tied; UserError if a delta does not fit."""
    config = read_json(merge.base / "config.json", "model configuration", "give a Hugging Face model folder")
    sources = {file.name: stored(file) for file in shards(merge.base)}
    everything = ChainMap(*sources.values())
    tied = bool(config.get("tie_word_embeddings", HEAD not in everything))
    check_targets(merge, everything, tied)
    return config, sources, tied


def merge_weights(merge: Merge, output: Path) -> None:
    """Write the merged model folder; UserError, and nothing at `output`, if something is wrong."""
    config, sources, tied = base_tensors(merge)
    facts = merge.provenance()
    everything = ChainMap(*sources.values())
    untie = tied and bool(merge.deltas(HEAD) or merge.deltas(EMBEDDING))
    if untie and HEAD not in everything:
        next(tensors for tensors in sources.values() if EMBEDDING in tensors)[HEAD] = everything[EMBEDDING]
    written = {
        shard: [
            Written(name, source.dtype, source.shape, _merged(merge, name, source)) for name, source in tensors.items()
        ]
        for shard, tensors in sources.items()
    }
    needed = sum(tensor.size for tensors in written.values() for tensor in tensors)
    with staged(output, needed, facts) as folder, tqdm(total=needed, unit="B", unit_scale=True, desc="merging") as bar:
        write_model(folder, written, bar.update)
        copy_beside(merge.base, folder)
        if not has_chat_template(folder):  # training gave the adapters one
            copy_tokenizer(merge.adapters, folder)
        if untie:
            write_json(folder / "config.json", {**config, "tie_word_embeddings": False})
        write_json(folder / PROVENANCE, facts)


def _merged(merge: Merge, name: str, source: Stored) -> Callable[[], Iterator[Tensor]]:
    if biases := merge.biases(name):
        return partial(merged_bias, source, biases)
    return partial(merged_rows, source, merge.deltas(name))


def has_chat_template(folder: Path) -> bool:
    config = read_json_if_any(folder / "tokenizer_config.json")
    return bool(config.get("chat_template")) or (folder / "chat_template.jinja").is_file()


def copy_tokenizer(adapters: Sequence[Adapter], folder: Path) -> None:
    """Copy the tokenizer of the first adapter that has one for chats, if any has."""
    source = next((adapter.folder for adapter in adapters if has_chat_template(adapter.folder)), None)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
        if source and (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
