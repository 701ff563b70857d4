"""Training speed: `training.finetune`'s batches against padding to the longest with the loss on every token.

    python -m benchmarks.training --data DIR [--updates N]

DIR is what training.data.build wrote. The other side does what eCeLLM's script does: samples in random order, padded
to the longest of their batch, logits and loss for every token, PEFT's LoRA as it is. Same model, LoRA, optimizer,
machine and number of tokens computed per update. Counted are the samples' own tokens, prompt and answer, per second.
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
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import get_peft_model
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from shopbench.arguments import positive
from shopbench.sample import read_samples
from training.finetune import lora_linear, packed_attention
from training.finetune.batches import IGNORED, Encoded, Packed, encode, plan
from training.finetune.make_trainer import load_model, lora_config
from training.recipes import Training, recipe_named
from training.weights.base import load_tokenizer
from training.weights.folders import base_folder


def padded_all_tokens(samples: Sequence[Encoded], pad: int) -> dict[str, Tensor]:
    """One batch padded on the right, every real token a label."""
    rows = [torch.tensor([*sample.head, *sample.body]) for sample in samples]
    ids, labels = (pad_sequence(rows, batch_first=True, padding_value=filler) for filler in (pad, IGNORED))
    return {"input_ids": ids, "attention_mask": (labels != IGNORED).long(), "labels": labels}


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


class Side:
    """One way of training: its model and optimizer, and the seconds of each update per own token of its samples."""

    def __init__(self, model: Any) -> None:
        self.model = model.train()
        self.optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-4, fused=True)
        self.seconds_per_token: list[float] = []

    def update(self, tokens: int, batch: dict[str, Tensor]) -> None:
        """Forward, backward and optimizer step of one batch."""
        started = time.perf_counter()
        self.model(**batch, use_cache=False).loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds_per_token.append((time.perf_counter() - started) / tokens)

    def tokens_per_second(self) -> float:
        """The median over the updates, the first (warm-up) left out."""
        return 1 / statistics.median(self.seconds_per_token[1:])


def compare(training: Training, base: Path, encoded: list[Encoded], pad: int, updates: int) -> dict[str, Any]:
    """Tokens per second of both, and their ratio."""
    budget = training.tokens_per_batch or training.max_length * training.batch_size
    ours, theirs = plan(encoded, budget, 1, seed=1), random_batches(encoded, budget, seed=1)
    layout = Packed(encoded)

    slow = Side(get_peft_model(load_model(base, training, "sdpa"), lora_config(training)))
    fast = Side(get_peft_model(load_model(base, training, packed_attention.NAME), lora_config(training)))
    lora_linear.speed_up(fast.model)
    # Turn by turn, so that whatever else the machine does falls on both.
    for our_batch, their_batch in zip(ours[: updates + 1], theirs[: updates + 1], strict=True):
        fast.update(sum(encoded[n].length for n in our_batch), layout([{"samples": our_batch}]))
        samples = [encoded[n] for n in their_batch]
        slow.update(sum(sample.length for sample in samples), padded_all_tokens(samples, pad))
    lengths = [[encoded[n].length for n in batch] for batch in theirs]
    filled = [sum(batch) / (len(batch) * max(batch)) for batch in lengths]
    return {
        "packed_answer_only_tokens_per_second": round(fast.tokens_per_second(), 1),
        "padded_all_tokens_tokens_per_second": round(slow.tokens_per_second(), 1),
        "ratio": round(fast.tokens_per_second() / slow.tokens_per_second(), 2),
        "tokens_per_update": budget,
        "updates": updates,
        "padded_share_of_real_tokens": round(statistics.fmean(filled), 3),
        "mean_tokens": round(statistics.fmean(sample.length for sample in encoded), 1),
        "mean_answer_tokens": round(statistics.fmean(sample.answer for sample in encoded), 1),
        "threads": torch.get_num_threads(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="packed answer-only training against padded all-token training")
    parser.add_argument("--recipe", default="embedded_a")
    parser.add_argument("--data", type=Path, required=True, help="folder that training.data.build wrote")
    parser.add_argument("--base", type=Path, help="local folder of the base model")
    parser.add_argument("--updates", type=positive, default=8)
    given = parser.parse_args(argv)
    training = recipe_named(given.recipe).training
    base = base_folder(training.base, given.base)
    tokenizer = load_tokenizer(base)
    encoded, _ = encode(tokenizer, read_samples(given.data / "train.jsonl"), training.max_length)
    torch.manual_seed(0)
    print(json.dumps(compare(training, base, encoded, tokenizer.pad_token_id, given.updates), indent=2))
    return DONE
