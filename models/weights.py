"""A folder of weights: whether it can be served at all, and what its own config says.

All checks are done before an engine starts, because a wrong folder costs minutes otherwise, and because
vLLM's CPU kernels do not notice a group size that does not fit the tensor-parallel size: they answer nonsense.
"""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.files import read_json, read_json_if_any
from shopbench.naming import answer_by_of
from shopbench.prompts import prompt_hash
from shopbench.safetensors import read_header
from shopbench.tracks import Track, track_of

LOG = logging.getLogger(__name__)


class WeightsError(UserError):
    """Weights that cannot be served: the message says which folder, what is wrong and the remedy, in one line."""


@dataclass(frozen=True)
class Weights:
    """A checked folder of weights: its path, its config.json, and the size of its safetensors in bytes."""

    folder: Path
    config: dict[str, Any]
    size: int

    @property
    def text_config(self) -> dict[str, Any]:
        """The part of config.json that describes the language model: all of it, but for models of several kinds."""
        return {**self.config, **(self.config.get("text_config") or {})}

    @property
    def quantization(self) -> dict[str, Any]:
        """How the weights are quantized, where vLLM looks for it; empty if they are not."""
        return self.text_config.get("quantization_config") or self.config.get("compression_config") or {}

    @property
    def group_size(self) -> int | None:
        """Quantization group along the input axis (AWQ, GPTQ, compressed-tensors), None if there is none.

        Where parts of a model have groups of several sizes: the smallest size that all of them divide.
        """
        found = [self.quantization.get(key) for key in ("q_group_size", "group_size")]
        for group in (self.quantization.get("config_groups") or {}).values():
            found.append((group.get("weights") or {}).get("group_size"))
        sizes = [size for size in found if isinstance(size, int) and size > 0]
        return math.lcm(*sizes) if sizes else None

    @property
    def has_8_bit_activations(self) -> bool:
        """Whether activations, too, are rounded to 8-bit integers (W8A8), so that integers are multiplied."""
        groups = (self.quantization.get("config_groups") or {}).values()
        activations = [group.get("input_activations") or {} for group in groups]
        return any(one.get("num_bits") == 8 and one.get("type", "int") == "int" for one in activations)

    def check_tensor_parallel(self, parts: int) -> None:
        """Raise a WeightsError if heads or quantization groups cannot be split over `parts` workers."""
        heads = self.text_config.get("num_attention_heads", parts)
        if heads % parts:
            raise WeightsError(
                f"{self.folder}: {heads} attention heads cannot be split over {parts} workers; "
                f"set SHOPBENCH_TENSOR_PARALLEL to a divisor of {heads}"
            )
        for name, width in self._split_widths().items():
            if self.group_size and width % (self.group_size * parts):
                raise WeightsError(
                    f"{self.folder}: {name} {width} is no multiple of group {self.group_size} x tensor parallel "
                    f"{parts} = {self.group_size * parts}; pad the model before quantizing (python -m training.pad), "
                    "or quantize it with smaller groups"
                )

    def _split_widths(self) -> dict[str, int]:
        """Inputs of the layers that are split by rows: of the feed-forward's second and the attention's last matrix."""
        config = self.text_config
        heads, hidden = int(config.get("num_attention_heads") or 1), int(config.get("hidden_size") or 0)
        widths = {
            "intermediate_size": int(config.get("intermediate_size") or 0),
            "attention width": heads * int(config.get("head_dim") or hidden // heads),
        }
        return {name: width for name, width in widths.items() if width}


def check_weights(folder: str | os.PathLike[str]) -> Weights:
    """The weights in `folder`; a WeightsError if it is missing, empty, or holds Git LFS pointers."""
    path = Path(folder)
    if not path.is_dir():
        raise WeightsError(f"{path}: no such folder; build weights with `make demo` or set SHOPBENCH_WEIGHTS")
    config = _read_config(path)
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise WeightsError(f"{path}: holds no *.safetensors file; only safetensors weights are served")
    for file in files:
        _check_safetensors(file)
    return Weights(path, config, sum(file.stat().st_size for file in files))


def provenance(folder: Path) -> dict[str, Any]:
    """What the provenance.json beside weights or an adapter says; nothing where there is none that can be read."""
    return read_json_if_any(folder / "provenance.json")


def answer_by(folder: Path) -> str:
    """What weights (or an adapter) were trained to name options by: "number" unless their provenance says "text"."""
    return answer_by_of(provenance(folder))


def warn_if_other_prompts(weights: Weights) -> None:
    """Log a warning if provenance.json says that these weights were trained with other prompts than prompts/."""
    trained_with = provenance(weights.folder).get("prompt_hash")
    if trained_with and trained_with != prompt_hash():
        LOG.warning("%s was trained with other prompts than those in prompts/: expect lower scores", weights.folder)


def find_weights(repository: Path, environment: dict[str, str] | os._Environ[str] = os.environ) -> Path:
    """The folder to serve: SHOPBENCH_WEIGHTS, else the active track's if it holds weights, else weights/embedded."""
    if named := environment.get("SHOPBENCH_WEIGHTS"):
        return Path(named)
    track = active_track(repository)
    folder = track_folder(repository, track) if track else None
    return folder if folder and any(folder.glob("*.safetensors")) else repository / "weights" / "embedded"


def active_track(repository: Path) -> Track | None:
    """The track of the challenge_id in aicrowd.json; a WeightsError if that file cannot be understood."""
    path = repository / "aicrowd.json"
    if not path.exists():
        return None
    try:
        return track_of(read_json(path, "the manifest", "restore it: git checkout aicrowd.json")["challenge_id"])
    except UserError as error:
        raise WeightsError(str(error)) from None
    except (ValueError, KeyError) as error:
        raise WeightsError(f"{path}: no usable challenge_id ({error}); see shopbench/tracks.py") from None


def track_folder(repository: Path, track: Track) -> Path:
    """Where the weights submitted to a track stand."""
    return repository / "weights" / f"track{track.number}"


_COUNTS = (
    *("num_attention_heads", "num_key_value_heads", "num_hidden_layers"),
    *("hidden_size", "intermediate_size", "head_dim", "max_position_embeddings"),
)
_PARTS = ("text_config", "quantization_config", "compression_config")


def _read_config(path: Path) -> dict[str, Any]:
    file = path / "config.json"
    if not file.exists():
        raise WeightsError(f"{path}: holds no config.json; a Hugging Face model folder is wanted")
    try:
        config = read_json(file, "model configuration", "copy it again")
    except UserError as error:
        raise WeightsError(str(error)) from None
    for name in _COUNTS:
        if (value := config.get(name)) is not None and not (isinstance(value, int) and value > 0):
            raise WeightsError(f"{file}: {name} is {value!r:.80}, a whole number above 0 is wanted; copy it again")
    for name in _PARTS:
        if not isinstance(value := config.get(name) or {}, dict):
            raise WeightsError(f"{file}: {name} is {value!r:.80}, a JSON object is wanted; copy it again")
    return config


def _check_safetensors(file: Path) -> None:
    try:
        read_header(file)
    except UserError as error:
        raise WeightsError(str(error)) from None
