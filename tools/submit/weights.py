"""Checks of a track's weights: whole, quantized, fit for the evaluator's GPUs, and made for today's prompts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from models.engine.core import load_tokenizer
from models.settings import Machine, choose
from models.weights import check_weights
from shopbench.prompts import prompt_hash
from shopbench.sample import read_samples
from tools.budget.command import batches_of_tracks
from tools.budget.devices import GIB, GPUS
from tools.budget.report import Target, verdicts
from tools.budget.roofline import Shape, plan_memory
from tools.submit.submission import Submission
from training.weights.folders import TrainingError

EVALUATOR_GPU, EVALUATOR_GPUS = GPUS["T4"], 4
_SERVED = {".safetensors", ".json", ".jinja", ".txt", ".md", ".model"}


def whole(submission: Submission) -> Iterator[str]:
    """Every shard is there and as long as its header says, and the index names what the shards hold."""
    from training.weights.tensors import stored  # here and below: torch takes seconds, and --help needs none of it

    weights = check_weights(submission.weights)
    held: dict[str, set[str]] = {}
    for file in sorted(weights.folder.glob("*.safetensors")):
        held[file.name] = set()
        try:
            tensors = stored(file)
        except TrainingError as error:
            yield str(error)
            continue
        if max((tensor.start + tensor.size for tensor in tensors.values()), default=0) != file.stat().st_size:
            yield f"{file}: holds other data than its header says; copy it again"
        held[file.name] = set(tensors)
    index = weights.folder / "model.safetensors.index.json"
    if index.exists():
        yield from _index_problems(index, held)
    elif len(held) > 1:
        yield f"{weights.folder}: has {len(held)} shards and no {index.name}; copy it again"


def _index_problems(index: Path, held: dict[str, set[str]]) -> Iterator[str]:
    try:
        places: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError):
        yield f"{index}: cannot be read; copy it again"
        return
    for shard in sorted(set(places.values()) - set(held)):
        yield f"{index.parent / shard}: is missing, the index names it; copy it again"
    for shard in sorted(set(held) - set(places.values())):
        yield f"{index.parent / shard}: is not in the index; delete it, or copy the index again"
    lost = [name for name, shard in places.items() if shard in held and name not in held[shard]]
    if lost:
        yield f"{index}: {len(lost)} tensors are not in their shards ({lost[0]} first); copy the weights again"


def finite_scales(submission: Submission) -> Iterator[str]:
    """No scale of a quantized weight is infinite or not a number."""
    import torch

    from training.weights.tensors import stored

    scales = [
        tensor
        for file in sorted(check_weights(submission.weights).folder.glob("*.safetensors"))
        for name, tensor in stored(file).items()
        if name.endswith(("scales", "_scale"))
    ]
    for tensor in scales:
        if not torch.isfinite(tensor.load()).all():
            yield f"{tensor.path}: {tensor.name} is not finite; quantize again: python -m training.quantize"
    if not scales:
        yield f"{submission.weights}: has no scales to look at; quantize: python -m training.quantize"


def quantized(submission: Submission) -> Iterator[str]:
    """The config says how the weights are quantized."""
    weights = check_weights(submission.weights)
    if not (weights.config.get("quantization_config") or {}).get("quant_method"):
        yield f"{weights.folder}: is not quantized; python -m training.quantize"


def fits(submission: Submission) -> Iterator[str]:
    """The weights can be split over the evaluator's GPUs and leave room for a full context."""
    weights = check_weights(submission.weights)
    gpu = EVALUATOR_GPU.sustained("typical")
    machine = Machine((int(gpu.memory),) * EVALUATOR_GPUS, EVALUATOR_GPU.capability)
    settings = choose(weights, machine, {})
    plan = plan_memory(Shape.from_config(weights.config), gpu, settings.tensor_parallel, settings.memory_share)
    if plan.sequences(settings.context) < 1:
        yield (
            f"{weights.folder}: {plan.weights / GIB:.1f} GiB on each {EVALUATOR_GPU.name} leave no room for a question "
            f"of {settings.context} tokens; quantize to fewer bits, or take a smaller base model"
        )


def provenance(submission: Submission) -> Iterator[str]:
    """The weights were trained with today's prompts."""
    path = submission.weights / "provenance.json"
    try:
        made_of = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        yield f"{path}: cannot be read; merge and quantize again, each stage writes it"
        return
    found = made_of.get("prompt_hash") if isinstance(made_of, dict) else None
    if found != prompt_hash():
        yield (
            f"{path}: prompt_hash is {found!r:.14}, today's prompts have {prompt_hash():.12}; "
            "train with today's, or restore prompts/"
        )


def only_safetensors(submission: Submission) -> Iterator[str]:
    """No pickle, no code: nothing in the folder can run when it is loaded."""
    folder = check_weights(submission.weights).folder
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix not in _SERVED and not file.name.startswith("."):
            yield f"{file}: is no safetensors, JSON or tokenizer file; delete it"
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if path.is_file() and "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            yield f"{path}: names code to run (auto_map); delete that entry"


def budget(submission: Submission) -> Iterator[str]:
    """The projection to the evaluator's GPUs ends in time."""
    weights = check_weights(submission.weights)
    samples = read_samples(submission.root / "data" / "sample_questions.jsonl")
    parts = choose(
        weights, Machine((int(EVALUATOR_GPU.memory_gib * GIB),) * EVALUATOR_GPUS, EVALUATOR_GPU.capability), {}
    )
    target = Target(Shape.from_config(weights.config), EVALUATOR_GPU, parts.tensor_parallel)
    batches = batches_of_tracks(samples, load_tokenizer(weights.folder))
    if verdicts(target, batches)[submission.track.number] == "fail":
        yield (
            f"budget: track {submission.track.number} would take over {submission.track.minutes} minutes; "
            f"see: python -m tools.budget --track {submission.track.number} --no-run --weights {weights.folder}"
        )
