"""Training speed: a recipe as `training.finetune` trains it, the same one sample a batch, and the usual script's way.

    python -m benchmarks.training --recipe v8 --data DIR [--base BASE] [--updates N]

DIR is what training.data.build wrote. All three are real updates of the recipe's own trainer: its batches, LoRA,
dropout, accumulation and optimizer. The usual way is transformers' Trainer as it comes: samples in random order, padded
to the longest of their batch, logits and loss for every token, PEFT's LoRA as it is; its batches have as many tokens as
the recipe's. Counted are the samples' own tokens, prompt and answer, per second.
"""

from __future__ import annotations

from shopbench.errors import DONE, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.training")

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from datasets import Dataset
from peft import get_peft_model
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Trainer, TrainerCallback

from shopbench.arguments import positive
from training.finetune.batches import IGNORED, Encoded
from training.finetune.make_trainer import load_model, lora_config, make_trainer, trainer_config
from training.recipes import Recipe, recipe_named
from training.weights.folders import base_folder


class Stopwatch(TrainerCallback):
    """Ends a training after the first update and `updates` more, and keeps the seconds of each."""

    def __init__(self, updates: int) -> None:
        self.updates = updates
        self.seconds: list[float] = []
        self.started = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An update begins."""
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An update, the optimizer's step included, has ended."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self.started)
        control.should_training_stop = len(self.seconds) > self.updates


def measure(
    trainer: Trainer, batches: Sequence[Sequence[int]], encoded: Sequence[Encoded], updates: int
) -> dict[str, Any]:
    """Train for a few updates; the median speed of all but the first, which warms up."""
    trainer.args.save_strategy = trainer.args.eval_strategy = "no"
    watch = Stopwatch(updates)
    trainer.add_callback(watch)
    trainer.train()
    each = trainer.args.gradient_accumulation_steps
    tokens = [
        sum(encoded[number].length for batch in batches[start : start + each] for number in batch)
        for start in range(0, len(batches), each)
    ]
    timed = list(zip(tokens, watch.seconds, strict=False))[1:]
    return {
        "tokens_per_second": round(statistics.median(own / seconds for own, seconds in timed), 1),
        "samples_a_batch": round(statistics.fmean(len(batch) for batch in batches), 1),
        "tokens_an_update": round(statistics.fmean(own for own, _ in timed)),
        "updates_an_epoch": len(tokens),
    }


def padded_trainer(recipe: Recipe, base: Path, encoded: Sequence[Encoded], pad: int, work: Path) -> Trainer:
    """Transformers' own trainer on padded batches, every real token a label."""
    training = recipe.training
    model, lora = load_model(base, training), lora_config(training)
    batches = random_batches(encoded, training.tokens_per_step, recipe.seed)

    def collate(features: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        samples = [encoded[number] for feature in features for number in feature["samples"]]
        rows = [torch.tensor([*sample.head, *sample.body]) for sample in samples]
        ids, labels = (pad_sequence(rows, batch_first=True, padding_value=filler) for filler in (pad, IGNORED))
        return {"input_ids": ids, "attention_mask": (labels != IGNORED).long(), "labels": labels}

    return Trainer(
        model=get_peft_model(model, lora) if lora else model,
        args=trainer_config(recipe, work, len(batches), False),
        data_collator=collate,
        train_dataset=Dataset.from_dict({"samples": batches}),
    )


def random_batches(encoded: Sequence[Encoded], budget: int, seed: int) -> list[list[int]]:
    """Samples in random order, as many a batch as keep within the budget once padded."""
    order = list(range(len(encoded)))
    random.Random(seed).shuffle(order)
    batches: list[list[int]] = [[]]
    for number in order:
        longest = max(encoded[n].length for n in (*batches[-1], number))
        if batches[-1] and longest * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(number)
    return batches


def compare(recipe: Recipe, data: Path, base: Path, updates: int, work: Path) -> dict[str, Any]:
    """The speed of all three, and what the batches are like."""
    recipe = replace(recipe, training=replace(recipe.training, epochs=1))
    single = replace(recipe, training=replace(recipe.training, packing=False, tokens_per_batch=None, batch_size=1))
    found = {}
    for name, which in (("recipe", recipe), ("one_sample_a_batch", single)):
        trainer, _ = make_trainer(which, data, base, work / name)
        encoded, pad = trainer.data_collator.encoded, trainer.processing_class.pad_token_id
        found[name] = measure(trainer, trainer.train_dataset["samples"], encoded, updates)
    trained = encoded[: sum(map(len, trainer.train_dataset["samples"]))]  # the rest is for validation
    padded = padded_trainer(recipe, base, trained, pad, work / "padded")
    found["padded_all_tokens"] = measure(padded, padded.train_dataset["samples"], trained, updates)
    return {
        "recipe": recipe.name,
        **found,
        "mean_tokens": round(statistics.fmean(sample.length for sample in trained), 1),
        "mean_answer_tokens": round(statistics.fmean(sample.answer for sample in trained), 1),
        "updates": updates,
        "device": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"{torch.get_num_threads()} CPU threads",
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="tokens a second of a recipe as it is trained, and of two other ways")
    parser.add_argument("--recipe", default="embedded_a")
    parser.add_argument("--data", type=Path, required=True, help="folder that training.data.build wrote")
    parser.add_argument("--base", type=Path, help="base model: a folder, or a Hub name (default: the recipe's)")
    parser.add_argument("--updates", type=positive, default=8)
    given = parser.parse_args(argv)
    recipe = recipe_named(given.recipe)
    base = base_folder(recipe.training.base, given.base)
    with tempfile.TemporaryDirectory() as work:
        print(json.dumps(compare(recipe, given.data, base, given.updates, Path(work)), indent=2))
    return DONE
