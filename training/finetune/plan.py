"""Which samples make each batch of a run: planned up front for all epochs, from the recipe and its seed alone.

So a run that is killed and resumed sees the same batches in the same order, and so does a run on several machines.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from training.finetune.batches import Encoded
from training.recipes import Training

WINDOW = 1000
"""Samples that are packed at a time: enough to fill sequences to the brim, few enough to keep the order random."""


def plan(encoded: Sequence[Encoded], training: Training, seed: int, packed: bool = True) -> list[list[int]]:
    """Sample numbers of every batch of every epoch, in training order.

    Args:
        training: how many tokens or samples make a batch, and for how many epochs; of the last, partial one, that
            share of the batches.
        packed: whether the model takes packed rows; where it does not, batches are padded, and the padding counts.
    """
    batches: list[list[int]] = []
    for epoch in range(math.ceil(training.epochs)):
        rng = random.Random(f"{seed} {epoch}")
        order = list(range(len(encoded)))
        rng.shuffle(order)
        if training.packing and packed:
            one_epoch = pack(encoded, order, training.tokens_per_step)
        else:
            # Samples of a batch have similar lengths (little padding), batches come in random order.
            noisy = {number: encoded[number].length * rng.uniform(0.8, 1.25) for number in order}
            one_epoch = _cut(encoded, sorted(order, key=noisy.__getitem__), training, packed)
        rng.shuffle(one_epoch)
        share = min(1.0, training.epochs - epoch)
        batches += one_epoch[: max(1, round(share * len(one_epoch)))]
    return batches


def pack(encoded: Sequence[Encoded], order: Sequence[int], capacity: int) -> list[list[int]]:
    """Sample numbers of each packed sequence: first-fit-decreasing bins of `capacity` tokens, as Multipack's.

    Every sample counts with its whole length, also where a shared head will be computed once (batches.Packed), so
    that there are as many sequences, and updates, as without that.
    """
    bins: list[list[int]] = []
    for start in range(0, len(order), WINDOW):
        free: list[int] = []
        window: list[list[int]] = []
        for number in sorted(order[start : start + WINDOW], key=lambda number: -encoded[number].length):
            length = encoded[number].length
            place = next((place for place, room in enumerate(free) if room >= length), None)
            if place is None:
                place = len(free)
                free.append(capacity)
                window.append([])
            free[place] -= length
            window[place].append(number)
        bins += window
    return bins


def _cut(encoded: Sequence[Encoded], order: Sequence[int], training: Training, packed: bool) -> list[list[int]]:
    """Cut `order` into batches that keep within the recipe's tokens and samples; a longer sample stands alone."""
    size = None if training.tokens_per_batch or training.packing else training.batch_size
    batches: list[list[int]] = []
    for number in order:
        current = batches[-1] if batches else []
        tokens = _tokens([encoded[n] for n in (*current, number)], packed)
        if not current or len(current) == size or tokens > training.tokens_per_step:
            batches.append([])
        batches[-1].append(number)
    return batches


def _tokens(batch: Sequence[Encoded], packed: bool) -> int:
    """Tokens a model computes for a batch: shared heads once in a packed row, padding wherever there is any."""
    if packed:
        return sum(len(head) for head in {sample.head for sample in batch}) + sum(len(s.body) for s in batch)
    return len(batch) * max(sample.length for sample in batch)
