"""Training speed: `training.finetune`'s batches against padding to the longest with the loss on every token.

    python -m benchmarks.training --data DIR [--updates N]

DIR is what training.data.build wrote. The other side does what eCeLLM's script does: samples in random order, padded
to the longest of their batch, logits and loss for every token, PEFT's LoRA as it is. Same model, LoRA, optimizer,
machine and number of tokens computed per update. Counted are the samples' own tokens, prompt and answer, per second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import get_peft_model
from torch import Tensor

from shopbench.sample import read_samples
from training import lora_linear, packed_attention
from training.base import load_tokenizer
from training.batches import IGNORED, Encoded, Packed, encode, plan
from training.files import base_folder
from training.finetune import load_model, lora_config
from training.recipes import Training, recipe_named


def padded_all_tokens(samples: Sequence[Encoded], pad: int) -> dict[str, Tensor]:
    """One batch padded on the right, every real token a label."""
    longest = max(sample.length for sample in samples)
    ids = torch.full((len(samples), longest), pad)
    labels = torch.full_like(ids, IGNORED)
    for row, sample in enumerate(samples):
        ids[row, : sample.length] = labels[row, : sample.length] = torch.tensor([*sample.head, *sample.body])
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


def speed(model: Any, batches: list[tuple[int, dict[str, Tensor]]]) -> float:
    """The samples' tokens per second of forward, backward and optimizer step; the first batch only warms up."""
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-4, fused=True)
    model.train()
    tokens, started = 0, 0.0
    for number, (count, batch) in enumerate(batches):
        if number == 1:
            started = time.perf_counter()
        model(**batch, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        tokens += count if number else 0
    return tokens / (time.perf_counter() - started)


def compare(training: Training, base: Path, encoded: list[Encoded], pad: int, updates: int) -> dict[str, Any]:
    """Tokens per second of both, and their ratio."""
    budget = training.tokens_per_batch or training.max_length * training.batch_size
    ours, theirs = plan(encoded, budget, 1, seed=1), random_batches(encoded, budget, seed=1)
    layout = Packed(encoded)

    def sized(batch: list[int], tensors: dict[str, Tensor]) -> tuple[int, dict[str, Tensor]]:
        return sum(encoded[number].length for number in batch), tensors

    def padded(batch: list[int]) -> tuple[int, dict[str, Tensor]]:
        return sized(batch, padded_all_tokens([encoded[number] for number in batch], pad))

    model = get_peft_model(load_model(base, training, "sdpa"), lora_config(training))
    slow = speed(model, [padded(batch) for batch in theirs[: updates + 1]])
    model.set_attn_implementation(packed_attention.NAME)
    lora_linear.speed_up(model)
    fast = speed(model, [sized(batch, layout([{"samples": batch}])) for batch in ours[: updates + 1]])
    filled = [
        sum(encoded[n].length for n in batch) / (len(batch) * max(encoded[n].length for n in batch)) for batch in theirs
    ]
    return {
        "packed_answer_only_tokens_per_second": round(fast, 1),
        "padded_all_tokens_tokens_per_second": round(slow, 1),
        "ratio": round(fast / slow, 2),
        "tokens_per_update": budget,
        "updates": updates,
        "padded_share_of_real_tokens": round(sum(filled) / len(filled), 3),
        "mean_tokens": round(sum(sample.length for sample in encoded) / len(encoded), 1),
        "mean_answer_tokens": round(sum(sample.answer for sample in encoded) / len(encoded), 1),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Command line: print the comparison as JSON."""
    parser = argparse.ArgumentParser(description="packed answer-only training against padded all-token training")
    parser.add_argument("--recipe", default="embedded_a")
    parser.add_argument("--data", type=Path, required=True, help="folder that training.data.build wrote")
    parser.add_argument("--base", type=Path, help="local folder of the base model")
    parser.add_argument("--updates", type=int, default=8)
    given = parser.parse_args()
    training = recipe_named(given.recipe).training
    base = base_folder(training.base, given.base)
    tokenizer = load_tokenizer(base)
    encoded, _ = encode(tokenizer, read_samples(given.data / "train.jsonl"), training.max_length)
    torch.manual_seed(0)
    print(json.dumps(compare(training, base, encoded, tokenizer.pad_token_id, given.updates), indent=2))


if __name__ == "__main__":
    main()
