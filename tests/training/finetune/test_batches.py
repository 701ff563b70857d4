"""Batches: packed and padded ones compute what their samples compute alone, with the loss on answers only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from shopbench.naming import AnswerBy
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from tests.training.finetune.made import alone, answer_of, model_of, samples
from training.finetune import packed_attention
from training.finetune.batches import Encoded, Packed, Padded, encode
from training.finetune.trainer import _sum_of_shares
from training.weights.base import load_tokenizer

Make = Callable[..., Path]


def test_a_packed_row_computes_what_its_samples_compute_alone(base: Path, encoded: list[Encoded]) -> None:
    numbers = [0, 1, 2, 3, 4, 9, 17]
    batch = Packed(encoded)([{"samples": numbers}])
    assert batch["input_ids"].shape[1] < sum(encoded[number].length for number in numbers), "heads are shared"
    together = model_of(base, packed_attention.NAME)(**batch).logits[0]
    expected = torch.cat([alone(model_of(base, "sdpa"), encoded[number]) for number in numbers])
    torch.testing.assert_close(together, expected, atol=1e-5, rtol=1e-4)


def test_packed_and_padded_batches_have_the_loss_and_gradients_of_separate_samples(
    base: Path, encoded: list[Encoded]
) -> None:
    numbers = [5, 6, 7, 8, 13]

    def gradients(attention: str, batches: list[dict[str, Any]]) -> tuple[float, list[torch.Tensor]]:
        model = model_of(base, attention)
        answers = sum(encoded[number].answer for number in numbers)
        losses = [model(**batch, num_items_in_batch=torch.tensor(answers)).loss for batch in batches]
        sum(losses).backward()  # type: ignore[union-attr]
        return float(sum(losses).detach()), [parameter.grad for parameter in model.parameters()]

    separate = gradients("sdpa", [Padded(encoded, 0)([{"samples": [number]}]) for number in numbers])
    for layout, attention in ((Packed(encoded), packed_attention.NAME), (Padded(encoded, 0), "sdpa")):
        loss, grads = gradients(attention, [layout([{"samples": numbers}])])
        assert loss == pytest.approx(separate[0], rel=1e-5)
        for got, expected in zip(grads, separate[1], strict=True):
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-3)


def test_bloom_is_padded_and_its_loss_is_that_of_separate_samples(tiny_model: Make) -> None:
    folder = tiny_model("bloom", n_layer=2, n_head=4, hidden_size=24)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert not model._supports_attention_backend
    items = encode(load_tokenizer(folder), samples(8), 400)[0]
    batch = Padded(items, 0)([{"samples": [0, 1, 2, 7]}])
    logits = model(**batch).logits
    expected = torch.cat([alone(model, items[number]) for number in (0, 1, 2, 7)])
    torch.testing.assert_close(logits[batch["labels"] != -100], expected, atol=1e-4, rtol=1e-3)


def test_only_answers_are_labels(base: Path, encoded: list[Encoded]) -> None:
    tokenizer = load_tokenizer(base)
    labels = Packed(encoded)([{"samples": [0, 1, 2]}])["labels"][0]
    assert tokenizer.decode(labels) == "0<|im_end|>a blue cup, 1 pieces<|im_end|>1,2,2<|im_end|>"


@pytest.mark.parametrize("packed", [True, False])
def test_shares_make_every_sample_weigh_the_same(base: Path, encoded: list[Encoded], packed: bool) -> None:
    numbers = [5, 6, 7, 8, 13]
    layout: Any = Packed(encoded, True) if packed else Padded(encoded, 0, True)
    batch = layout([{"samples": numbers}])
    shares, labels = batch.pop("shares"), batch["shift_labels"]
    logits = model_of(base, packed_attention.NAME if packed else "sdpa")(**batch).logits
    got = _sum_of_shares(logits, labels, shares)
    own = [
        torch.nn.functional.cross_entropy(alone(model_of(base, "sdpa"), sample), torch.tensor(answer_of(sample)))
        for sample in (encoded[number] for number in numbers)
    ]
    assert len({encoded[number].answer for number in numbers}) > 1
    assert float(got.detach()) == pytest.approx(float(sum(own)) / len(own), rel=1e-4)


@pytest.mark.parametrize("packed", [True, False])
def test_the_loss_of_a_whole_name_is_the_sum_over_its_tokens(base: Path, packed: bool) -> None:
    question = "Which would suit?\n0. blue wool scarf\n1. blue wool socks\n2. mug\nAnswer:"
    chosen = [Sample(question, n, "t", TaskType.MULTIPLE_CHOICE, "accuracy", True) for n in (1, 2)]
    tokenizer = load_tokenizer(base)
    means, _ = encode(tokenizer, chosen, 400, AnswerBy.TEXT)
    sums, _ = encode(tokenizer, chosen, 400, AnswerBy.TEXT, whole_names=True)
    assert means[0].answer > means[1].answer >= 1, "one name is longer"
    for items, whole in ((means, False), (sums, True)):
        layout: Any = Packed(items, True) if packed else Padded(items, 0, True)
        shares = layout([{"samples": [0, 1]}])["shares"].flatten()
        wanted = [1 / 2 if whole else 1 / (2 * item.answer) for item in items for _ in range(item.answer)]
        assert shares[shares > 0].tolist() == pytest.approx(wanted)


def test_samples_over_the_length_are_left_out_and_counted(base: Path) -> None:
    items, too_long = encode(load_tokenizer(base), samples(), 200)
    assert too_long == 24 - len(items) > 0 and all(item.length <= 200 for item in items)
