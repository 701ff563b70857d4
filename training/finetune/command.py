"""`python -m training.finetune --recipe R --data DIR --output DIR`: train the adapter (or the model) of a recipe.

DIR is what training.data.build wrote: train.jsonl, validation.jsonl, manifest.json. Prompts are those of inference;
the loss is on answer tokens only. On a GPU the base is bf16, 4-bit for "qlora" recipes; on a CPU it is bf16 where
the CPU multiplies that itself and float32 elsewhere. A run that was killed goes on from its last checkpoint with
the same result when the same command is given again. Several GPUs or machines:

    accelerate launch --config_file training/accelerate/fsdp_qlora.yaml -m training.finetune --recipe v7 ...
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from peft.utils.other import fsdp_auto_wrap_policy
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, ProgressCallback, set_seed
from trl import SFTConfig

from shopbench.files import file_hash, read_json, write_json
from shopbench.prompts import prompt_hash
from shopbench.sample import BadSample, read_samples
from training.finetune import lora_linear, packed_attention
from training.finetune.batches import Encoded, Packed, Padded, encode, plan
from training.finetune.trainer import AnswerTrainer, Throughput, adapt_lm_head
from training.recipes import RECIPES, Recipe, Training, recipe_named
from training.weights.base import compute_type, load_config, load_tokenizer
from training.weights.folders import PROVENANCE, TrainingError, base_folder, versions
from training.weights.tensors import fingerprint

CHECKPOINTS = "checkpoints"
EVALUATIONS = 4
"""How often the validation loss is taken in a run."""
VALIDATION_SAMPLES = 128


@dataclass(frozen=True)
class Run:
    """Everything a run needs: what it is, and where things are."""

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


def load_model(folder: Path, training: Training, attention: str) -> Any:
    """The base model, ready to be trained by `training.method`."""
    dtype = compute_type()
    quantization = None
    if training.method == "qlora" and torch.cuda.is_available():
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_quant_storage=dtype,  # FSDP shards tensors of one type only
        )
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32 if training.method == "full" else dtype,
        attn_implementation=attention,
        quantization_config=quantization,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )


def lora_config(training: Training) -> LoraConfig | None:
    """PEFT's configuration of a recipe; None for full fine-tuning."""
    if training.method == "full":
        return None
    return LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=training.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def trainer_config(run: Run, updates: int) -> SFTConfig:
    """TRL's configuration of a recipe. One batch is one planned list of samples; all epochs are planned as one."""
    training, gpu, dtype = run.recipe.training, torch.cuda.is_available(), compute_type()
    every = -(-updates // EVALUATIONS)  # rounded up: the last one is at the last update
    return SFTConfig(
        output_dir=str(run.output / CHECKPOINTS),
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        gradient_accumulation_steps=training.accumulation,
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        lr_scheduler_type=training.schedule,
        warmup_steps=training.warmup,
        optim="adamw_torch_fused",
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_cpu=not gpu,
        gradient_checkpointing=gpu,
        eval_strategy="steps" if (run.data / "validation.jsonl").is_file() else "no",
        eval_steps=every,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=max(1, updates // 20),
        save_total_limit=2,
        logging_steps=max(1, updates // 100),
        logging_nan_inf_filter=False,
        report_to="tensorboard",
        seed=run.recipe.seed,
        data_seed=run.recipe.seed,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        dataloader_pin_memory=gpu,
    )


def planned(encoded: list[Encoded], training: Training, epochs: float, seed: int, packed: bool) -> list[list[int]]:
    """The batches of a recipe: of so many tokens if it says so, else of so many samples."""
    size = None if training.tokens_per_batch else training.batch_size
    budget = training.tokens_per_batch or training.batch_size * training.max_length
    return plan(encoded, budget, epochs, seed, size, packed)


def make_trainer(run: Run) -> tuple[AnswerTrainer, dict[str, Any]]:
    """Model, data and trainer of a run, and the counts that its provenance tells."""
    recipe, training = run.recipe, run.recipe.training
    tokenizer = load_tokenizer(run.base)
    train, too_long = encode(tokenizer, read_samples(run.data / "train.jsonl"), training.max_length, training.answer_by)
    if not train:
        raise TrainingError(f"{run.data / 'train.jsonl'}: every sample is over {training.max_length} tokens")
    model = load_model(run.base, training, "sdpa")
    window = getattr(model.config, "sliding_window", None)
    packed = model._supports_attention_backend and (window is None or window >= training.max_length)
    if packed:
        model.set_attn_implementation(packed_attention.NAME)
    batches = planned(train, training, training.epochs, recipe.seed, packed)
    per_update = training.accumulation * int(os.environ.get("WORLD_SIZE", "1"))
    lengths = [sum(train[number].length for number in batch) for batch in batches]
    tokens = [sum(lengths[start : start + per_update]) for start in range(0, len(lengths), per_update)]

    held: list[Encoded] = []
    held_batches: list[list[int]] = []
    if (run.data / "validation.jsonl").is_file():
        kept = read_samples(run.data / "validation.jsonl")[:VALIDATION_SAMPLES]
        held, _ = encode(tokenizer, kept, training.max_length, training.answer_by)
        held_batches = planned(held, training, 1.0, recipe.seed, packed)
    everything, equal = train + held, training.per_sample_loss
    layout = Packed(everything, equal) if packed else Padded(everything, tokenizer.pad_token_id, equal)
    held_batches = [[len(train) + number for number in batch] for batch in held_batches]
    trainer = AnswerTrainer(
        model=model,
        args=trainer_config(run, len(tokens)),
        data_collator=layout,
        train_dataset=Dataset.from_dict({"samples": batches}),
        eval_dataset=Dataset.from_dict({"samples": held_batches}) if held_batches else None,
        processing_class=tokenizer,
        peft_config=lora_config(training),
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Throughput(tokens))
    if training.train_lm_head and training.method != "full":
        adapt_lm_head(trainer.model)
    if not torch.cuda.is_available():
        lora_linear.speed_up(trainer.model)
    if trainer.is_fsdp_enabled and training.method != "full":
        trainer.accelerator.state.fsdp_plugin.auto_wrap_policy = fsdp_auto_wrap_policy(trainer.model)
    counts = {"samples": len(train), "dropped_too_long": too_long, "tokens": sum(lengths), "updates": len(tokens)}
    return trainer, counts


def last_checkpoint(run: Run) -> str | None:
    """The newest whole checkpoint of this very run (its state file is written last); None to start afresh.

    Raises:
        TrainingError: the checkpoints there are another run's.
    """
    folder = run.output / CHECKPOINTS
    identity = run.identity()
    if (folder / "run.json").is_file() and read_json(folder / "run.json", "run description") != identity:
        raise TrainingError(f"{folder}: checkpoints of another run; delete the folder or give another --output")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", identity)
    found = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if path.stat().st_size]
    return str(max(found, key=lambda path: int(path.name.split("-")[1]))) if found else None


def save(trainer: AnswerTrainer, run: Run, counts: dict[str, Any]) -> None:
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
        halve(beside / "adapter_model.safetensors")
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


def halve(file: Path) -> None:
    """Store an adapter in float16: half of float32's size, and finer than bfloat16 at the size of LoRA's numbers."""
    tensors = {name: tensor.to(torch.float16) for name, tensor in load_file(file).items()}
    beside = file.with_name(file.name + ".part")
    save_file(tensors, beside, metadata={"format": "pt"})
    os.replace(beside, file)


def finetune(run: Run) -> None:
    """Train, or go on training, and save; nothing is done if the same run is finished already."""
    done = run.output / PROVENANCE
    if done.is_file():
        if run.identity().items() <= read_json(done, "provenance").items():
            print(f"{run.output}: is trained already")
            return
        raise TrainingError(f"{run.output}: holds other weights; delete it or give another --output")
    set_seed(run.recipe.seed)
    checkpoint = last_checkpoint(run)
    trainer, counts = make_trainer(run)
    if trainer.is_world_process_zero():
        print(" · ".join(f"{name} {count}" for name, count in counts.items()), "· type", compute_type(), flush=True)
    trainer.train(resume_from_checkpoint=checkpoint)
    save(trainer, run, counts)


def main(arguments: list[str] | None = None) -> int:
    """Command line; a problem is one line and status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.finetune", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", required=True, help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument("--data", required=True, type=Path, help="folder that training.data.build wrote")
    parser.add_argument("--output", required=True, type=Path, help="folder for the trained weights")
    parser.add_argument("--base", type=Path, help="local folder of the base model (default: weights/base/<name>)")
    given = parser.parse_args(arguments)
    try:
        recipe = recipe_named(given.recipe)
        base = base_folder(recipe.training.base, given.base)
        load_config(base)
        built = read_json(given.data / "manifest.json", "data manifest (training.data.build writes it)")
        if built.get("recipe") != recipe.name:
            raise TrainingError(f"{given.data}: built for recipe {built.get('recipe')!r}, not {recipe.name!r}")
        finetune(Run(recipe, given.data, given.output, base))
    except (TrainingError, ValueError, BadSample) as error:
        print(f"finetune: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
