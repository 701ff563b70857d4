"""One training run: begun, gone on with after a kill, and saved with its provenance."""

from __future__ import annotations

import math
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from peft import PeftModel
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from transformers import set_seed

from shopbench.errors import UserError, no_room
from shopbench.files import file_hash, read_json, read_json_if_any, replacing, usual_modes, write_json
from shopbench.outputs import outputs, room_for
from shopbench.prompts import prompt_hash
from shopbench.requirements import versions
from training.finetune.checkpoints import newest, processes
from training.finetune.make_trainer import make_trainer
from training.finetune.trainer import AnswerTrainer, Throughput
from training.recipes import Recipe
from training.weights.base import compute_type
from training.weights.folders import PROVENANCE, base_revision
from training.weights.tensors import fingerprint

DESCRIBED = "run.json"
"""What the checkpoints beside it are of."""
PATIENCE = timedelta(hours=1)
"""How long a process waits for the others, while the first writes a checkpoint, say; a death is noticed at once."""


@dataclass(frozen=True)
class TrainingRun:
    """What is trained on which data, from which base (and the weights of which adapter), into which folder."""

    recipe: Recipe
    data: Path
    output: Path
    base: Path
    start: Path | None = None

    def identity(self) -> dict[str, Any]:
        """What decides the result: a checkpoint is only continued by a run with the same identity."""
        return {
            "recipe": self.recipe.name,
            "training": asdict(self.recipe.training),
            "seed": self.recipe.seed,
            "data_manifest_sha256": file_hash(self.data / "manifest.json"),
            **self._changed_data(),
            "prompt_hash": prompt_hash(),
            "processes": processes(),
            "base": self.recipe.training.base,
            "base_revision": base_revision(self.base),
            "base_fingerprint": fingerprint(self.base),
            **({"start_sha256": file_hash(self.start / "adapter_model.safetensors")} if self.start else {}),
        }

    def _changed_data(self) -> dict[str, Any]:
        """The samples' own hashes, where the manifest gives no or other ones: one of them was made by hand."""
        manifest = read_json(self.data / "manifest.json", "data manifest")
        files = {split: self.data / f"{split}.jsonl" for split in ("train", "validation")}
        found = {split: file_hash(file) for split, file in files.items() if file.is_file()}
        told = manifest.get("sha256", {"train": manifest.get("train_sha256")})
        return {} if told == found else {"data_sha256": found}

    @property
    def checkpoints(self) -> Path:
        """Where the trainer keeps what a killed run goes on from."""
        return self.output / "checkpoints"


def finetune(run: TrainingRun) -> None:
    """Train, or go on training, and save; nothing is done if the same run is finished already."""
    done = run.output / PROVENANCE
    first = os.environ.get("RANK", "0") == "0"  # of several processes one writes
    read = [run.data, run.base, *filter(None, [run.start])]
    with (
        outputs(done if first else None, inputs=read, make_folders=True),
        room_for(run.output, ", then give the same command again: it goes on from its last checkpoint"),
        _no_room_said_once(),
    ):
        _finetune(run, done)


@contextmanager
def _no_room_said_once() -> Iterator[None]:
    """Have TensorBoard's thread print no traceback of its own for a full disk: it hands the error on to ours."""
    before = threading.excepthook

    def hook(raised: threading.ExceptHookArgs) -> None:
        is_writer = type(raised.thread).__module__.startswith("tensorboard")
        if not (is_writer and raised.exc_value and no_room(raised.exc_value)):
            before(raised)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _finetune(run: TrainingRun, done: Path) -> None:
    identity = run.identity()  # now: what it reads may be made anew while this takes hours
    if done.is_file() and identity.items() <= read_json(done, "provenance").items():
        shutil.rmtree(run.checkpoints, ignore_errors=True)  # of a run that was killed when all else was done
        print(f"{run.output}: is trained already")
        return
    begun = (run.checkpoints / DESCRIBED).is_file()
    if done.is_file() or (not begun and any(run.output.glob("*.safetensors"))):
        raise UserError(f"{run.output}: holds other weights; delete it or give another --output")
    # First of all: until then every process takes GPU 0 for its own, and a 4-bit base is loaded onto a process's GPU.
    PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    set_seed(run.recipe.seed)
    checkpoint = last_checkpoint(run, identity)
    trainer, counts = make_trainer(run.recipe, run.data, run.base, run.checkpoints, run.start)
    if trainer.is_world_process_zero():
        print(" · ".join(f"{name} {count}" for name, count in counts.items()), "· type", compute_type(), flush=True)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    finally:
        for callback in trainer.callback_handler.callbacks:
            if isinstance(callback, Throughput):
                callback.close()
    save_weights(trainer, run, {**identity, **counts})
    # The others wait until the first has written: a gloo group that is taken down right after its last sum can hang.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


def last_checkpoint(run: TrainingRun, identity: dict[str, Any]) -> str | None:
    """The newest whole checkpoint, if there is one; UserError for another run's, whose identity is another."""
    folder = run.checkpoints
    described = folder / DESCRIBED
    if described.is_file() and read_json(described, "run description") != identity:
        raise UserError(f"{folder}: checkpoints of another run; delete the folder or give another --output")
    folder.mkdir(parents=True, exist_ok=True)
    if os.environ.get("RANK", "0") == "0":  # of several processes one writes
        write_json(described, identity)
    found = newest(folder)
    return str(found) if found else None


def _json_number(value: float) -> float | None:
    """None for NaN and infinity, a loss that went astray: JSON has neither."""
    return value if math.isfinite(value) else None


def save_weights(trainer: AnswerTrainer, run: TrainingRun, known: dict[str, Any]) -> None:
    """Write weights, tokenizer and, last, provenance.json into the output folder; then drop the checkpoints.

    `known`: what provenance.json says first, the run's identity and its counts.
    """
    beside = run.output / "final.part"
    try:
        _save_model(trainer, run, beside)
        if not trainer.is_world_process_zero():
            return
        usual_modes(beside)
        for file in beside.iterdir():
            if file.name not in ("README.md", "training_args.bin"):  # a template card, and a pickle
                os.replace(file, run.output / file.name)
    finally:
        if trainer.is_world_process_zero():
            shutil.rmtree(beside, ignore_errors=True)
    losses = [entry for entry in trainer.state.log_history if "loss" in entry or "eval_loss" in entry]
    kept = ("step", "loss", "eval_loss", "token_accuracy", "eval_token_accuracy", "learning_rate")
    facts = {
        **known,
        **({"start": read_json_if_any(run.start / PROVENANCE)} if run.start else {}),
        "seconds": round(trainer.state.log_history[-1].get("train_runtime", 0.0), 1),
        "log": [{key: _json_number(entry[key]) for key in kept if key in entry} for entry in losses],
        "versions": versions("torch", "transformers", "peft", "trl", "accelerate"),
    }
    for file in filter(Path.is_file, run.checkpoints.glob("runs/**/*")):
        kept_at = run.output / "tensorboard" / file.relative_to(run.checkpoints / "runs")
        kept_at.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, kept_at)
    write_json(run.output / PROVENANCE, facts)
    shutil.rmtree(run.checkpoints)


def _save_model(trainer: AnswerTrainer, run: TrainingRun, folder: Path) -> None:
    """Write weights and tokenizer, an adapter's in float16."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if isinstance(model, PeftModel):
        model.peft_config["default"].base_model_name_or_path = run.recipe.training.base
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(folder))
    if isinstance(model, PeftModel) and trainer.is_world_process_zero():
        weights = folder / "adapter_model.safetensors"
        # Half of float32's size, and finer than bfloat16 at the size of LoRA's numbers. With an LM head's adapter PEFT
        # saves the base's whole head, whose rounded copy would take that one's place.
        own = {name: tensor for name, tensor in load_file(weights).items() if ".base_layer." not in name}
        halves = {name: tensor.to(torch.float16) for name, tensor in own.items()}
        if not halves:
            raise AssertionError(f"{weights}: was saved without a single weight")
        with replacing(weights, "wb") as smaller:
            smaller.write(serialized(halves, metadata={"format": "pt"}))
