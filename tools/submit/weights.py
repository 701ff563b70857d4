"""Checks of a track's weights: whole, quantized, safe to load, and made for today's prompts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.weights import check_weights
from shopbench.errors import UserError
from shopbench.files import read_json
from shopbench.prompts import prompt_hash
from shopbench.safetensors import read_header
from tools.submit.submission import Submission

_SERVED = {".safetensors", ".json", ".jinja", ".txt", ".md", ".model"}


def whole(submission: Submission) -> Iterator[str]:
    """the track's weights: every shard whole, none an LFS pointer."""
    folder, broken = submission.weights, False
    held: dict[str, set[str]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        held[file.name] = set()
        try:
            held[file.name].update(read_header(file)[0])
        except UserError as error:
            broken = True
            yield str(error)
    if not broken:
        check_weights(folder)
    index = folder / "model.safetensors.index.json"
    if index.exists():
        yield from _index_problems(index, held)
    elif len(held) > 1:
        yield f"{folder}: has {len(held)} shards and no {index.name}; copy it again"


def _index_problems(index: Path, held: dict[str, set[str]]) -> Iterator[str]:
    places = read_json(index, "the index of the shards", "copy it again").get("weight_map")
    if not isinstance(places, dict):
        yield f"{index}: has no weight_map; copy it again"
        return
    for shard in sorted(set(places.values()) - set(held)):
        yield f"{index.parent / shard}: is missing, the index names it; copy it again"
    for shard in sorted(set(held) - set(places.values())):
        yield f"{index.parent / shard}: is not in the index; delete it, or copy the index again"
    lost = [name for name, shard in places.items() if shard in held and name not in held[shard]]
    if lost:
        yield f"{index}: {len(lost)} tensors are not in their shards ({lost[0]} first); copy the weights again"


def finite_scales(submission: Submission) -> Iterator[str]:
    """no quantization scale is NaN or infinite."""
    import torch  # takes seconds, and --help needs none of it
    from safetensors import safe_open

    scales = 0
    for file in sorted(check_weights(submission.weights).folder.glob("*.safetensors")):
        with safe_open(file, framework="pytorch") as tensors:
            for name in (name for name in tensors.keys() if name.endswith(("scales", "_scale"))):  # noqa: SIM118
                scales += 1
                if not torch.isfinite(tensors.get_tensor(name)).all():
                    yield f"{file}: {name} is not finite; quantize again: python -m training.quantize"
    if not scales:
        yield f"{submission.weights}: has no scales to look at; quantize: python -m training.quantize"


def quantized(submission: Submission) -> Iterator[str]:
    """the weights are quantized."""
    weights = check_weights(submission.weights)
    if not weights.quantization.get("quant_method"):
        yield f"{weights.folder}: is not quantized; python -m training.quantize"


def provenance(submission: Submission) -> Iterator[str]:
    """the weights were trained with today's prompts."""
    path = submission.weights / "provenance.json"
    found = read_json(path, "the provenance", "merge and quantize again, each stage writes it").get("prompt_hash")
    if found != prompt_hash():
        yield (
            f"{path}: prompt_hash is {found!r:.14}, today's prompts have {prompt_hash():.12}; "
            "train with today's, or restore prompts/"
        )


def only_safetensors(submission: Submission) -> Iterator[str]:
    """the weights' folder: only safetensors, no code."""
    folder = check_weights(submission.weights).folder
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix not in _SERVED and not file.name.startswith("."):
            yield f"{file}: is no safetensors, JSON or tokenizer file; delete it"
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if path.is_file() and "auto_map" in read_json(path, "the configuration", "copy it again"):
            yield f"{path}: names code to run (auto_map); delete that entry"
