"""The weights that the steps serve: those of the repository, and what is made of them once, in the output folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.wide import write_wide
from models.weights import Weights, check_weights
from shopbench.files import ROOT, read_json, write_json
from tools.budget.roofline import Shape
from training.merge import resolve
from training.weights.folders import copy_beside
from training.weights.merged import Merge, merge_weights

EMBEDDED = ROOT / "weights/embedded"
ADAPTER = "embedded_a"
LARGE = ROOT / "tools/model_configs/qwen2-72b-awq.json"
_SMALL = {"hidden_size": 512, "intermediate_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 2}
_WHAT_A_SUBMISSION_HAS = {"rms_norm_eps": 1e-6, "rope_theta": 1e6, "bos_token_id": 1, "eos_token_id": 2}


def adapter_merge(base: Path | None = None) -> Merge:
    """The small base plus one of its adapters; UserError if the base has not been made."""
    return resolve("embedded", base, [f"{ADAPTER}:1"], 1.0)


@dataclass(frozen=True)
class Models:
    """Weights by name; `folder` is for those that are made, `small` for a large model's sizes on a machine without."""

    folder: Path
    small: bool = False
    embedded: Path = EMBEDDED

    def check(self, names: Iterable[str]) -> None:
        """Raise a UserError if what all these weights are made from is not there."""
        check_weights(self.embedded)
        if {"base", "merged"} & set(names):
            check_weights(adapter_merge().base)

    def weights(self, name: str) -> Weights:
        """The weights called `name`, made if they are not there yet; UserError if they cannot be."""
        if name == "embedded":
            return check_weights(self.embedded)
        if name == "base":
            return check_weights(adapter_merge().base)
        if name == "72b":
            return self._large()
        folder = self.folder / name
        if not folder.is_dir():
            self._make(name, folder)
        return check_weights(folder)

    def _make(self, name: str, folder: Path) -> None:
        print(f"making {os.path.relpath(folder)}", flush=True)
        if name == "merged":
            merge_weights(adapter_merge(), folder)
        else:
            write_wide(self.embedded, folder, four_bit=name == "awq")

    def _large(self) -> Weights:
        """Qwen2-72B without its numbers, which the engine draws: a configuration, and a tokenizer that is not asked."""
        config = large_config(self.small)
        folder = self.folder / "72b"
        folder.mkdir(parents=True, exist_ok=True)
        copy_beside(self.embedded, folder)
        write_json(folder / "config.json", config)
        return Weights(folder, config, int(Shape.from_config(config).weight_bytes))


def large_config(small: bool) -> dict[str, Any]:
    """config.json of Qwen2-72B, AWQ; or the same in sizes that a CPU computes at once."""
    config = read_json(LARGE, "configuration") | _WHAT_A_SUBMISSION_HAS
    return config | _SMALL | {"num_hidden_layers": 2, "vocab_size": 49152} if small else config
