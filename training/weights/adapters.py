"""LoRA adapters as PEFT writes them, read without PEFT: what each adds to which weight of the base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from shopbench.errors import UserError
from shopbench.files import file_hash, read_json
from training.weights.folders import WEIGHTS, provenance
from training.weights.tensors import Stored, stored

PREFIX = "base_model.model."
UNSUPPORTED = (
    "use_dora",
    "modules_to_save",
    "fan_in_fan_out",
    "megatron_config",
    "lora_bias",
    "trainable_token_indices",
)


@dataclass(frozen=True)
class Pair:
    """The A (rank, inputs) and B (outputs, rank) of one weight, and the factor of B A."""

    a: Stored
    b: Stored
    scaling: float
    embedding: bool
    """An embedding's delta is (B A) transposed: its weight is (words, hidden)."""

    @property
    def rank(self) -> int:
        """The number of rows of A."""
        return self.a.shape[0]

    def factors(self) -> tuple[Tensor, Tensor]:
        """(left (rows, rank), right (rank, columns)) in float32, whose product is the delta, scaled."""
        a, b = self.a.load().float(), self.b.load().float()
        left, right = (a.t(), b.t()) if self.embedding else (b, a)
        return left * self.scaling, right

    @property
    def shape(self) -> tuple[int, int]:
        """Of the weight it is added to."""
        outputs, inputs = self.b.shape[0], self.a.shape[1]
        return (inputs, outputs) if self.embedding else (outputs, inputs)


@dataclass(frozen=True)
class Adapter:
    """One adapter folder, its weight in the sum, and its pairs by the name of the base's tensor."""

    folder: Path
    weight: float
    config: dict[str, Any]
    provenance: dict[str, Any]
    pairs: dict[str, Pair]

    def summary(self) -> dict[str, Any]:
        """For provenance.json: which adapter this was and what made it."""
        kept = ("recipe", "seed", "data_manifest_sha256", "prompt_hash", "samples", "tokens")
        digest = file_hash(self.folder / "adapter_model.safetensors")
        known = {key: self.provenance[key] for key in kept if key in self.provenance}
        return {"name": self.folder.name, "weight": self.weight, "sha256": digest, **known}


def adapter_folder(name: str) -> Path:
    """The folder of an adapter: `name` itself, or the one under weights/adapters; UserError if none holds one."""
    for folder in (Path(name), WEIGHTS / "adapters" / name):
        if (folder / "adapter_config.json").is_file():
            return folder
    raise UserError(f"{WEIGHTS / 'adapters' / name}: holds no adapter; train it: python -m training.finetune")


def read_adapter(folder: Path, weight: float) -> Adapter:
    """Read an adapter's configuration and headers, not yet its weights; UserError if a sum of deltas cannot be it."""
    config = read_json(folder / "adapter_config.json", "adapter configuration", "give a PEFT adapter folder")
    if config.get("peft_type") != "LORA":
        raise UserError(f"{folder}: is a {config.get('peft_type')} adapter; only LoRA can be merged")
    for option in UNSUPPORTED:
        if config.get(option):
            raise UserError(f"{folder}: uses {option}, which is not merged here; merge it with PEFT")
    tensors = stored(folder / "adapter_model.safetensors")
    pairs = {}
    for name, tensor in tensors.items():
        if name.endswith(".base_layer.weight"):
            continue  # PEFT copies frozen embeddings in where they have an adapter; the base has them
        module, _, part = name.removeprefix(PREFIX).partition(".lora_")
        if part in ("A.weight", "embedding_A"):
            other = name.replace(".lora_A.weight", ".lora_B.weight").replace(".lora_embedding_A", ".lora_embedding_B")
            if other not in tensors:
                raise UserError(f"{folder}: {name} has no B; the adapter is broken, train or fetch it again")
            scaling = _scaling(config, module, tensor.shape[0])
            pairs[f"{module}.weight"] = Pair(tensor, tensors[other], scaling, part == "embedding_A")
        elif part not in ("B.weight", "embedding_B"):
            raise UserError(f"{folder}: {name} is no LoRA weight; merge this adapter with PEFT")
    if not pairs:
        raise UserError(f"{folder}: holds no LoRA weights; train or fetch it again")
    return Adapter(folder, weight, config, provenance(folder), pairs)


def _scaling(config: dict[str, Any], module: str, rank: int) -> float:
    """PEFT's factor for one module: alpha / rank, or alpha / sqrt(rank) (rsLoRA); patterns match name ends."""
    alpha = config["lora_alpha"]
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if module == pattern or module.endswith(f".{pattern}"):
            alpha = value
    return float(alpha / rank**0.5 if config.get("use_rslora") else alpha / rank)
