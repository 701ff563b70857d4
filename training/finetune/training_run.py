"""One run: what decides its result, the checkpoints it goes on from, and the weights that it leaves."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from safetensors.torch import save as serialized

from shopbench.errors import UserError
from shopbench.files import file_hash, read_json, replacing, write_json
from shopbench.prompts import prompt_hash
from training.finetune.trainer import AnswerTrainer
from training.recipes import Recipe
from training.weights.folders import PROVENANCE, versions
from training.weights.tensors import fingerprint

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class TrainingRun:
    """What is trained on which data, from which base, into which folder."""

    recipe: Recipe
    data: Path
    output: Path
    base: Path

    def identity(self) -> dict[str, Any]:
        """What decides the result: a checkpoint is only continued by a run with the same identity."""
        return {
            "recipe": self.recipe.name,
            "training": asdict(self.recipe.training),
            "seed": self.recipe.seed,
            "data_manifest_sha256": file_hash(self.data / "manifest.json"),
            "prompt_hash": prompt_hash(),
            "base": self.recipe.training.base,
            "base_fingerprint": fingerprint(self.base),
        }


def last_checkpoint(run: TrainingRun) -> str | None:
    """The newest whole checkpoint of this very run (its state file is written last); None to start afresh.

    Raises:
        UserError: the checkpoints there are another run's.
    """
    folder, identity = run.output / CHECKPOINTS, run.identity()
    described = folder / "run.json"
    if described.is_file() and read_json(described, "run description") != identity:
        raise UserError(f"{folder}: checkpoints of another run; delete the folder or give another --output")
    folder.mkdir(parents=True, exist_ok=True)
    if os.environ.get("RANK", "0") == "0":  # of several processes one writes
        write_json(described, identity)
    found = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if path.stat().st_size]
    return str(max(found, key=lambda path: int(path.name.split("-")[1]))) if found else None


def save_weights(trainer: AnswerTrainer, run: TrainingRun, counts: dict[str, Any]) -> None:
    """Write weights, tokenizer and, last, provenance.json into the output folder; then drop the checkpoints."""
    if isinstance(trainer.model, PeftModel):
        trainer.model.peft_config["default"].base_model_name_or_path = run.recipe.training.base
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    beside = run.output / "final.part"
    trainer.save_model(str(beside))
    if not trainer.is_world_process_zero():
        return
    if isinstance(trainer.model, PeftModel):
        # Half of float32's size, and finer than bfloat16 at the size of LoRA's numbers.
        weights = beside / "adapter_model.safetensors"
        halves = {name: tensor.to(torch.float16) for name, tensor in load_file(weights).items()}
        with replacing(weights, "wb") as smaller:
            smaller.write(serialized(halves, metadata={"format": "pt"}))
    for file in beside.iterdir():
        if file.name not in ("README.md", "training_args.bin"):  # a template card, and a pickle
            os.replace(file, run.output / file.name)
    shutil.rmtree(beside)
    losses = [entry for entry in trainer.state.log_history if "loss" in entry or "eval_loss" in entry]
    kept = ("step", "loss", "eval_loss", "token_accuracy", "eval_token_accuracy", "learning_rate")
    facts = {
        **run.identity(),
        **counts,
        "seconds": round(trainer.state.log_history[-1].get("train_runtime", 0.0), 1),
        "log": [{key: entry[key] for key in kept if key in entry} for entry in losses],
        "versions": versions("torch", "transformers", "peft", "trl", "accelerate"),
    }
    for folder in (run.output / CHECKPOINTS).glob("runs"):
        shutil.move(folder, run.output / "tensorboard")
    write_json(run.output / PROVENANCE, facts)
    shutil.rmtree(run.output / CHECKPOINTS)
