"""LoRA adapters as PEFT writes them, read without PEFT: what each adds to which weight of the base."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from shopbench.errors import UserError
from shopbench.files import file_hash, read_json
from training.weights.folders import WEIGHTS, provenance
from training.weights.tensors import Stored, stored

PREFIX = "base_model.model."
IN_THE_SUM = frozenset(
    {
        *("peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
        *("inference_mode", "runtime_config", "lora_dropout"),  # how it was trained or is run
        *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),  # where: its tensors say so
        "bias",  # which biases were trained: they are tensors as well
        *("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora"),  # what _scaling reads
        *("eva_config", "qalora_group_size", "megatron_core"),  # count only with an option that is looked at itself
    }
)
"""The options of PEFT's LoraConfig under which an adapter is W0 + scale x B A, with or without biases, and no more. Any
other that is set to more than its default, options of later releases included, may mean something else: it is refused
by its name."""
_OTHER_HALF = {
    "A.weight": "B.weight",
    "B.weight": "A.weight",
    "embedding_A": "embedding_B",
    "embedding_B": "embedding_A",
}
PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")
"""Values of init_lora_weights that leave the base as it is. PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA change it."""


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
    """One adapter folder, its weight in the sum, and its pairs by the name of the base's tensor.

    `biases` are those that were trained beside them, by the base's names: PEFT writes them whole, as they stand in the
    base's place, not what they add to it.
    """

    folder: Path
    weight: float
    config: dict[str, Any]
    provenance: dict[str, Any]
    pairs: dict[str, Pair]
    biases: dict[str, Stored]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the base's tensors that it changes, by their names."""
        of_pairs: dict[str, tuple[int, ...]] = {name: pair.shape for name, pair in self.pairs.items()}
        return of_pairs | {name: bias.shape for name, bias in self.biases.items()}

    def summary(self) -> dict[str, Any]:
        """For provenance.json: which adapter this was and what made it."""
        kept = ("recipe", "seed", "data_manifest_sha256", "prompt_hash", "samples", "tokens")
        digest = file_hash(self.folder / "adapter_model.safetensors")
        known = {key: self.provenance[key] for key in kept if key in self.provenance}
        return {"name": self.folder.name, "weight": self.weight, "sha256": digest, "trained_on": self.base, **known}

    @property
    def base(self) -> str:
        """What the adapter says it was trained on; "an unnamed base" where it does not."""
        return str(self.provenance.get("base") or self.config.get("base_model_name_or_path") or "an unnamed base")


def adapter_folder(name: str) -> Path:
    """The folder of an adapter: `name` itself, or the one under weights/adapters; UserError if none holds one."""
    for folder in (Path(name), WEIGHTS / "adapters" / name):
        if (folder / "adapter_config.json").is_file():
            return folder
    raise UserError(f"{WEIGHTS / 'adapters' / name}: holds no adapter; train it: python -m training.finetune")


def read_adapter(folder: Path, weight: float) -> Adapter:
    """Read an adapter's configuration and headers, not yet its weights; UserError if a sum of deltas cannot be it."""
    config = read_json(folder / "adapter_config.json", "adapter configuration", "give a PEFT adapter folder")
    check_options(folder, config)
    tensors: dict[str, Stored] = {}
    for written, tensor in stored(_weights_file(folder)).items():
        name = _module_name(written)
        if name in tensors:
            raise UserError(f"{folder}: holds {name} twice, under two names; train or fetch it again")
        tensors[name] = tensor
    biases = {name: tensor for name, tensor in tensors.items() if name.endswith(".bias") and ".lora_" not in name}
    pairs = {}
    for name, tensor in tensors.items():
        if name in biases or name.endswith(".base_layer.weight"):
            continue  # PEFT copies frozen embeddings in where they have an adapter; the base has them
        module, _, part = name.partition(".lora_")
        if part not in _OTHER_HALF:
            raise UserError(f"{folder}: {name} is no product of LoRA's; merge this adapter with PEFT")
        other = tensors.get(f"{module}.lora_{_OTHER_HALF[part]}")
        is_a = part in ("A.weight", "embedding_A")
        a, b = (tensor, other) if is_a else (other, tensor)
        if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1]:
            raise UserError(f"{folder}: {name} has no other half that fits it; train or fetch the adapter again")
        if is_a:
            scaling = _scaling(folder, config, module, a.shape[0])
            pairs[f"{module}.weight"] = Pair(a, b, scaling, part == "embedding_A")
    if not pairs:
        raise UserError(f"{folder}: holds no LoRA weights; train or fetch it again")
    return Adapter(folder, weight, config, provenance(folder), pairs, biases)


def check_options(folder: Path, config: dict[str, Any]) -> None:
    """UserError, with the option's name, unless an adapter's configuration means a plain sum of products."""
    if config.get("peft_type") != "LORA":
        raise UserError(f"{folder}: is a {config.get('peft_type')} adapter; only LoRA can be merged")
    start = config.get("init_lora_weights", True)
    if start not in PLAIN_STARTS:
        raise UserError(
            f"{folder}: init_lora_weights is {start!r}, which may change the base's own weights; save it as plain "
            "LoRA with PEFT (save_pretrained with path_initial_model_for_weight_conversion), then merge that"
        )
    for option, value in config.items():
        if value and option not in IN_THE_SUM and option != "init_lora_weights":
            raise UserError(f"{folder}: sets {option}, which a sum of products does not hold; merge it with PEFT")
    if not _is_number(config.get("lora_alpha")) or not isinstance(config.get("r"), int):
        raise UserError(f"{folder}/adapter_config.json: r and lora_alpha must be numbers; fetch the adapter again")
    if not isinstance(config.get("use_rslora") or False, bool):
        raise UserError(f"{folder}/adapter_config.json: use_rslora must be true or false; fetch the adapter again")


def _weights_file(folder: Path) -> Path:
    file = folder / "adapter_model.safetensors"
    if not file.is_file() and (folder / "adapter_model.bin").is_file():
        raise UserError(
            f"{folder}: holds adapter_model.bin, a pickle, which may run code and is never opened; load it with PEFT "
            "where you trust it and save it again: save_pretrained writes safetensors"
        )
    if not file.is_file():
        raise UserError(f"{folder}: holds no adapter_model.safetensors; fetch the adapter again")
    return file


def _module_name(name: str) -> str:
    """A tensor's name as the base names its module: without PEFT's prefix, or the adapter's name in a raw dump.

    The bias of a module that has an adapter is of its "base_layer" in PEFT's names.
    """
    while name.startswith(PREFIX):
        name = name.removeprefix(PREFIX)
    name = name.replace(".default.weight", ".weight").removesuffix(".default")
    return name.replace(".base_layer.bias", ".bias")


def _is_number(value: Any) -> bool:
    """Whether a value is a number that can be computed with (no NaN, infinity, or integer beyond a float)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _scaling(folder: Path, config: dict[str, Any], module: str, rank: int) -> float:
    """PEFT's factor for one module: alpha / rank, or alpha / sqrt(rank) (rsLoRA), by the patterns that match it."""
    wanted = _by_pattern(folder, config, "rank_pattern", module, config["r"])
    if wanted != rank:
        raise UserError(
            f"{folder}: {module} has rank {rank}, by adapter_config.json {wanted:g}; fetch the adapter again"
        )
    alpha = _by_pattern(folder, config, "alpha_pattern", module, config["lora_alpha"])
    return float(alpha / rank**0.5 if config.get("use_rslora") else alpha / rank)


def _by_pattern(folder: Path, config: dict[str, Any], option: str, module: str, default: float) -> float:
    """The value of the first pattern that is the module's name or its end, as PEFT's `get_pattern_key` finds it."""
    patterns = config.get(option) or {}
    if not isinstance(patterns, dict):
        raise UserError(f"{folder}: {option} is {patterns!r}, patterns with their numbers wanted")
    for pattern, value in patterns.items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                if not _is_number(value):
                    raise ValueError
                return float(value)
        except (re.error, TypeError, ValueError):
            raise UserError(f"{folder}: {option} has {pattern!r}: {value!r}, a pattern and a number wanted") from None
    return default
