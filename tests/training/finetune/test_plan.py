"""Plans: which samples make each batch: a budget of tokens, a number of samples, or packed sequences."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.finetune.made import TINY, model_of
from training.finetune import packed_attention
from training.finetune.batches import Encoded, Packed, Padded
from training.finetune.plan import pack, plan
from training.recipes import RECIPES, Training

BUDGET = replace(TINY.training, tokens_per_batch=1000, epochs=2)
PACKING = [recipe for recipe in RECIPES.values() if recipe.training.packing]


def made(count: int, seed: int = 0) -> list[Encoded]:
    """Samples of 30 to 2,000 tokens, most of them short, of five prompt heads."""
    rng = random.Random(seed)
    lengths = [min(2000, round(30 + rng.expovariate(1 / 150))) for _ in range(count)]
    return [Encoded((rng.randrange(5),) * 20, (9,) * (length - 20), 2) for length in lengths]


@pytest.mark.parametrize("packed", [True, False])
def test_a_plan_uses_every_sample_once_an_epoch_and_keeps_the_budget(encoded: list[Encoded], packed: bool) -> None:
    batches = plan(encoded, BUDGET, 3, packed)
    assert sorted(number for batch in batches for number in batch) == sorted([*range(24), *range(24)])
    layout: Any = Packed(encoded) if packed else Padded(encoded, 0)
    assert all(layout([{"samples": batch}])["input_ids"].numel() <= 1000 for batch in batches)
    assert batches == plan(encoded, BUDGET, 3, packed) != plan(encoded, BUDGET, 4, packed)


def test_a_plan_by_samples(encoded: list[Encoded]) -> None:
    assert {len(batch) for batch in plan(encoded, Training("made", batch_size=8), 3)} == {8}


def test_the_winners_and_more_diverse_are_packed() -> None:
    names = {recipe.name for recipe in PACKING}
    assert names >= {"v7", "v8", "v7b", "v9b", "diverse_stage4", "diverse_subtasks8", "diverse_r32", "qwen7b_24gb"}
    assert all(recipe.training.tokens_per_batch is None for recipe in PACKING)


@pytest.mark.parametrize("recipe", PACKING, ids=lambda recipe: recipe.name)
def test_a_batch_of_a_packing_recipe_is_full_of_samples(recipe: Any) -> None:
    samples, capacity = made(1000), recipe.training.batch_size * recipe.training.max_length
    batches = plan(samples, recipe.training, recipe.seed)
    assert sorted(number for batch in batches for number in batch) == list(range(1000))
    filled = [sum(samples[number].length for number in batch) for batch in batches]
    assert max(filled) <= capacity
    # As few as there can be, but one: 1,000 samples are no longer 1,000 batches.
    assert len(batches) <= -(-sum(filled) // capacity) + 1
    assert sum(len(batch) > 1 for batch in batches) >= len(batches) - 2


def test_packing_is_first_fit_decreasing() -> None:
    lengths = [50, 70, 30, 20, 60, 40, 100]
    samples = [Encoded((), (1,) * length, 1) for length in lengths]
    assert pack(samples, range(len(lengths)), 100) == [[6], [1, 2], [4, 5], [0, 3]]


def test_a_model_without_packed_rows_gets_padded_batches_of_the_same_size() -> None:
    samples, training = made(300), RECIPES["v8"].training
    batches = plan(samples, training, 1, packed=False)
    assert sorted(number for batch in batches for number in batch) == list(range(300))
    assert max(len(batch) * max(samples[n].length for n in batch) for batch in batches) <= training.max_length
    assert len(batches) < 100


def test_a_packed_batch_has_the_loss_and_gradients_of_its_samples_one_by_one(
    base: Path, encoded: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch as a packing recipe makes it: lengths mixed, so several blocks; on a GPU by torch's fused kernel."""
    long = [replace(sample, body=sample.body[:-8] * 5 + sample.body[-8:]) for sample in encoded[1:8:3]]
    encoded = [*encoded, *long]
    batch = plan(encoded, replace(RECIPES["v8"].training, max_length=4000), 0)[0]
    assert len(batch) > 5 and len(Packed(encoded)([{"samples": batch}])["rows"]) > 1
    answers = torch.tensor(sum(encoded[number].answer for number in batch))

    def gradients(batches: list[list[int]]) -> tuple[float, list[torch.Tensor]]:
        model = model_of(base, packed_attention.NAME)
        loss = sum(
            model(**Packed(encoded)([{"samples": numbers}]), num_items_in_batch=answers).loss for numbers in batches
        )
        loss.backward()
        return float(loss.detach()), [parameter.grad for parameter in model.parameters()]

    alone = gradients([[number] for number in batch])
    for attend in (packed_attention._written_out, lambda *parts, softcap: packed_attention._fused(*parts)):
        monkeypatch.setattr(packed_attention, "_written_out", attend)
        loss, grads = gradients([batch])
        assert loss == pytest.approx(alone[0], rel=1e-5)
        for got, expected in zip(grads, alone[1], strict=True):
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-3)
