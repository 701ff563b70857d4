"""From a recipe and its data to TRL's trainer: planned batches, model, LoRA, configuration and callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig, set_peft_model_state_dict
from peft.tuners.tuners_utils import cast_adapter_dtype
from peft.utils.other import fsdp_auto_wrap_policy
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, ProgressCallback
from trl import SFTConfig

from shopbench.errors import UserError
from shopbench.sample import read_samples
from training.finetune import lora_linear
from training.finetune.batches import Packed, Padded, encode
from training.finetune.packed_attention import choose_attention
from training.finetune.plan import plan
from training.finetune.trainer import AnswerTrainer, Throughput
from training.recipes import Recipe, Training
from training.weights.adapters import read_adapter
from training.weights.base import compute_type, load_config, load_tokenizer

EVALUATIONS = 4
"""How often the validation loss is taken in a run."""
VALIDATION_SAMPLES = 128


def trainer_config(recipe: Recipe, checkpoints: Path, updates: int, evaluated: bool) -> SFTConfig:
    """TRL's configuration of a recipe. One batch is one planned list of samples; all epochs are planned as one."""
    training, gpu, dtype = recipe.training, torch.cuda.is_available(), compute_type()
    every = -(-updates // EVALUATIONS)  # rounded up: the last one is at the last update
    return SFTConfig(
        output_dir=str(checkpoints),
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
        gradient_checkpointing=gpu and training.gradient_checkpointing,
        ddp_find_unused_parameters=False,
        eval_strategy="steps" if evaluated else "no",
        eval_steps=every,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=max(1, updates // 20),
        save_total_limit=2,
        logging_steps=max(1, updates // 100),
        logging_nan_inf_filter=False,
        report_to="tensorboard",
        seed=recipe.seed,
        data_seed=recipe.seed,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        dataloader_pin_memory=gpu,
    )


def make_trainer(
    recipe: Recipe, data: Path, base: Path, checkpoints: Path, start: Path | None = None
) -> tuple[AnswerTrainer, dict[str, Any]]:
    """The trainer of a recipe on the built samples in a folder, and the counts that its provenance tells.

    `start` is the folder of an adapter whose weights the new one begins with; None for LoRA's own beginning.
    """
    training, tokenizer = recipe.training, load_tokenizer(base)
    limits = (training.max_length, training.answer_by, training.whole_names)
    train, too_long = encode(tokenizer, read_samples(data / "train.jsonl"), *limits)
    if not train:
        raise UserError(
            f"{data / 'train.jsonl'}: every sample is over {training.max_length} tokens; build it from shorter ones"
        )
    validation = data / "validation.jsonl"
    has_some = validation.is_file() and validation.stat().st_size  # most recipes keep none back: an empty file
    held = encode(tokenizer, read_samples(validation)[:VALIDATION_SAMPLES], *limits)[0] if has_some else []

    model = load_model(base, training)
    packed = choose_attention(model, training.max_length)

    batches = plan(train, training, recipe.seed, packed)
    processes = PartialState().num_processes
    batches += [[]] * (-len(batches) % processes)  # every process has a batch of each step
    lengths = [sum(train[number].length for number in batch) for batch in batches]
    per_update = training.accumulation * processes
    tokens = [sum(lengths[start : start + per_update]) for start in range(0, len(lengths), per_update)]
    # Validation samples are numbered on from the training samples: one collator has both.
    held_plan = plan(held, replace(training, epochs=1), recipe.seed, packed)
    held_batches = [[len(train) + number for number in batch] for batch in held_plan]
    everything, equal = train + held, training.per_sample_loss
    trainer = AnswerTrainer(
        model=model,
        args=trainer_config(recipe, checkpoints, len(tokens), bool(held_batches)),
        data_collator=Packed(everything, equal) if packed else Padded(everything, tokenizer.pad_token_id, equal),
        train_dataset=Dataset.from_dict({"samples": batches}),
        eval_dataset=Dataset.from_dict({"samples": held_batches}) if held_batches else None,
        processing_class=tokenizer,
        peft_config=lora_config(training),
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Throughput(tokens))
    adapt_model(trainer, training)
    if start:
        start_from(trainer.model, training, start)
    counts = {"samples": len(train), "dropped_too_long": too_long, "tokens": sum(tokens)}
    return trainer, {**counts, "batches": len(batches), "updates": len(tokens)}


def start_from(model: Any, training: Training, start: Path) -> None:
    """Give a new adapter the weights of the one in `start`; UserError unless they mean the same in both."""
    # By its factors, not its options: patterns and rsLoRA change what `r` and `lora_alpha` mean.
    pairs = read_adapter(start, 1.0).pairs.values()
    has = sorted({(pair.rank, round(pair.scaling * pair.rank, 6)) for pair in pairs})
    wants = (training.rank, training.alpha)
    if has != [wants]:
        known = ", ".join(f"({rank}, {alpha:g})" for rank, alpha in has)
        raise UserError(
            f"{start}: has rank and alpha {known}, the recipe {wants}; --start wants an adapter of the same"
        )
    stored = load_file(start / "adapter_model.safetensors")
    given = {name: tensor for name, tensor in stored.items() if ".base_layer." not in name}  # PEFT's copy of the base's
    unused = set_peft_model_state_dict(model, given).unexpected_keys
    own = sum(".lora_" in name for name, _ in model.named_parameters())
    if unused or len(given) != own:
        known = f"{len(given) - len(unused)} of its {len(given)} tensors are among the {own} of the new adapter"
        raise UserError(f"{start}: {known}; --start wants an adapter of the same modules")


def adapt_model(trainer: AnswerTrainer, training: Training) -> None:
    """What is done to the model once TRL and PEFT have wrapped it."""
    if training.train_lm_head and training.method != "full":
        # SFTTrainer refuses LoRA on the LM head, because its own loss would pass it over; AnswerTrainer's does not.
        config = trainer.model.peft_config["default"]
        config.target_modules = {*config.target_modules, "lm_head"}
        trainer.model.base_model.inject_adapter(trainer.model.base_model.model, "default")
        # As PEFT does it for the other layers' adapters: bfloat16 would lose small updates.
        cast_adapter_dtype(trainer.model, "default")
    if not torch.cuda.is_available() and not trainer.is_fsdp_enabled:  # FSDP gathers a weight in its own forward only
        lora_linear.speed_up(trainer.model)
    if trainer.is_fsdp_enabled and training.method != "full":
        trainer.accelerator.state.fsdp_plugin.auto_wrap_policy = fsdp_auto_wrap_policy(trainer.model)
        name_as_unwrapped(trainer.model)


def name_as_unwrapped(model: Any) -> None:
    """Have a PEFT model name its modules without FSDP's wrappers.

    PEFT 0.21 looks for the adapter's weights by these names and FSDP names weights without its wrappers: with them,
    every checkpoint and the adapter itself would be saved empty.
    """
    named = model.named_modules

    def named_modules(*arguments: Any, **options: Any) -> Iterator[tuple[str, Any]]:
        for name, module in named(*arguments, **options):
            yield name.replace("_fsdp_wrapped_module.", ""), module

    model.named_modules = named_modules


def device_map(four_bit: bool, local_process: int) -> dict[str, int] | None:
    """Where the base is loaded: a 4-bit one whole onto its process's own GPU, others (None) into host memory."""
    return {"": local_process} if four_bit else None


def load_model(folder: Path, training: Training) -> Any:
    """The base model, ready to be trained by `training.method`."""
    dtype = compute_type()
    quantization = None
    if training.four_bit and torch.cuda.is_available():
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_quant_storage=dtype,  # FSDP shards tensors of one type only
        )
    config = load_config(folder)
    config._attn_implementation = None  # config.json may name one that is not installed (FlashAttention)
    return AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32 if training.method == "full" else dtype,
        quantization_config=quantization,
        device_map=device_map(quantization is not None, PartialState().local_process_index),
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
