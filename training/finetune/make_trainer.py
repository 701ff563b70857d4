"""From a recipe and its data to TRL's trainer: configuration, planned batches, model and callbacks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from peft.utils.other import fsdp_auto_wrap_policy
from transformers import ProgressCallback
from trl import SFTConfig

from shopbench.errors import UserError
from shopbench.prompts import Tokenizer
from shopbench.sample import read_samples
from training.finetune import lora_linear, packed_attention
from training.finetune.batches import Encoded, Packed, Padded, encode, plan
from training.finetune.model import load_model, lora_config
from training.finetune.trainer import AnswerTrainer, Throughput, adapt_lm_head
from training.finetune.training_run import CHECKPOINTS, TrainingRun
from training.recipes import Training
from training.weights.base import compute_type, load_tokenizer

EVALUATIONS = 4
"""How often the validation loss is taken in a run."""
VALIDATION_SAMPLES = 128


def trainer_config(run: TrainingRun, updates: int) -> SFTConfig:
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


def make_trainer(run: TrainingRun) -> tuple[AnswerTrainer, dict[str, Any]]:
    """Model, data and trainer of a run, and the counts that its provenance tells."""
    recipe, training = run.recipe, run.recipe.training
    tokenizer = load_tokenizer(run.base)
    train, too_long = encode(tokenizer, read_samples(run.data / "train.jsonl"), training.max_length, training.answer_by)
    if not train:
        raise UserError(
            f"{run.data / 'train.jsonl'}: every sample is over {training.max_length} tokens; build it from shorter ones"
        )
    model = load_model(run.base, training, "sdpa")
    packed = takes_packed_rows(model, training)
    if packed:
        model.set_attn_implementation(packed_attention.NAME)
    batches = planned(train, training, training.epochs, recipe.seed, packed)
    tokens = tokens_of_updates(train, batches, training.accumulation)
    held = validation_samples(run, tokenizer)
    # Validation samples are numbered on from the training samples: one collator has both.
    held_batches = [
        [len(train) + number for number in batch] for batch in planned(held, training, 1.0, recipe.seed, packed)
    ]
    everything, equal = train + held, training.per_sample_loss
    trainer = AnswerTrainer(
        model=model,
        args=trainer_config(run, len(tokens)),
        data_collator=Packed(everything, equal) if packed else Padded(everything, tokenizer.pad_token_id, equal),
        train_dataset=Dataset.from_dict({"samples": batches}),
        eval_dataset=Dataset.from_dict({"samples": held_batches}) if held_batches else None,
        processing_class=tokenizer,
        peft_config=lora_config(training),
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Throughput(tokens))
    adapt_model(trainer, training)
    return trainer, {"samples": len(train), "dropped_too_long": too_long, "tokens": sum(tokens), "updates": len(tokens)}


def takes_packed_rows(model: Any, training: Training) -> bool:
    """Whether the model can be given our attention function, and its sliding window (if any) sees whole samples."""
    window = getattr(model.config, "sliding_window", None)
    return bool(model._supports_attention_backend and (window is None or window >= training.max_length))


def tokens_of_updates(encoded: Sequence[Encoded], batches: Sequence[Sequence[int]], accumulation: int) -> list[int]:
    """Prompt and answer tokens of every update, over all processes."""
    per_update = accumulation * int(os.environ.get("WORLD_SIZE", "1"))
    lengths = [sum(encoded[number].length for number in batch) for batch in batches]
    return [sum(lengths[start : start + per_update]) for start in range(0, len(lengths), per_update)]


def validation_samples(run: TrainingRun, tokenizer: Tokenizer) -> list[Encoded]:
    """The samples that the validation loss is taken on; none where the build held none back."""
    path, training = run.data / "validation.jsonl", run.recipe.training
    if not path.is_file():
        return []
    samples = read_samples(path)[:VALIDATION_SAMPLES]
    return encode(tokenizer, samples, training.max_length, training.answer_by)[0]


def adapt_model(trainer: AnswerTrainer, training: Training) -> None:
    """What is done to the model once TRL and PEFT have wrapped it."""
    if training.train_lm_head and training.method != "full":
        adapt_lm_head(trainer.model)
    if not torch.cuda.is_available():
        lora_linear.speed_up(trainer.model)
    if trainer.is_fsdp_enabled and training.method != "full":
        trainer.accelerator.state.fsdp_plugin.auto_wrap_policy = fsdp_auto_wrap_policy(trainer.model)
