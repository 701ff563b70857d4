"""Memory and hours of a training: published sizes, sums by hand, and that more work takes longer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbench.errors import exit_code_of
from shopbench.files import ROOT
from shopbench.sample import read_samples, write_samples
from tests.evaluation.fakes import choice, text
from tests.tools.scratch import make_weights
from tools.budget.command import main
from tools.budget.devices import CASES, GPUS
from tools.budget.training import NF4_BYTES, Tokens, TrainingTarget, target_of
from training.recipes import Training

WINNERS = Training(base="Qwen/Qwen2-72B-Instruct")
A_MILLION = Tokens(5000, 10**6, 10**5, 10**8)
PUBLISHED = {
    "qwen2.5-7b-instruct": (6.53, 7.61),
    "qwen2.5-32b-instruct": (31.0, 32.5),
    "qwen2-72b-instruct": (70.2, 72.7),
}
"""Parameters in thousand millions without embeddings, and all, as the Qwen2 and Qwen2.5 model cards give them."""


def config(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "tools" / "model_configs" / f"{name}.json").read_text())
    return found


def target(name: str, gpu: str = "A100-80GB", count: int = 1, **changes: Any) -> TrainingTarget:
    return target_of(replace(WINNERS, **changes), config(name), GPUS[gpu], count)


@pytest.mark.parametrize(("name", "billions"), PUBLISHED.items())
def test_bases_have_their_published_sizes(name: str, billions: tuple[float, float]) -> None:
    shape = target(name).shape
    assert shape.layer_parameters / 1e9 == pytest.approx(billions[0], rel=0.01)
    assert shape.weight_bytes / 2 / 1e9 == pytest.approx(billions[1], rel=0.01)


def test_what_is_trained_is_what_peft_trains() -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 64, "intermediate_size": 192, "num_attention_heads": 4, "num_hidden_layers": 3}
    small = AutoConfig.for_model("qwen2", **sizes, num_key_value_heads=2, vocab_size=320)
    with torch.device("meta"):
        model = get_peft_model(AutoModelForCausalLM.from_config(small), LoraConfig(r=8, target_modules="all-linear"))
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert target_of(replace(WINNERS, rank=8), small.to_dict(), GPUS["T4"], 1).trained_weights == trained


def test_memory_by_hand() -> None:
    """Qwen2.5-7B, rank 64, 2,048 tokens a step."""
    plan = target("qwen2.5-7b-instruct").memory()
    linear = 28 * (2 * 3584 * 3584 + 2 * 3584 * 512 + 3 * 3584 * 18_944)
    assert pytest.approx(0.516, abs=1e-3) == NF4_BYTES
    assert plan.base == pytest.approx(linear * NF4_BYTES + 2 * 152_064 * 3584 * 2)
    adapter = 28 * 64 * (2 * (3584 + 3584) + 2 * (3584 + 512) + 3 * (3584 + 18_944))
    assert plan.trained == 16 * adapter
    assert plan.logits == 2048 * 152_064 * 12
    full = target("qwen2.5-7b-instruct", method="full").memory()
    assert full.base == 0 and full.trained == 16 * (linear + 2 * 152_064 * 3584)


@pytest.mark.parametrize(
    ("name", "gpu", "fits"),
    [
        ("qwen2.5-7b-instruct", "RTX4090", True),
        ("qwen2.5-32b-instruct", "RTX4090", False),
        ("qwen2.5-32b-instruct", "A100-80GB", True),
        ("qwen2.5-7b-instruct", "T4", False),
    ],
)
def test_what_fits(name: str, gpu: str, fits: bool) -> None:
    assert target(name, gpu).fits is fits
    assert not target(name, gpu, method="full").fits


def test_hours_by_hand() -> None:
    """Six operations a frozen weight and token where all but each layer's input is computed again."""
    one = target("qwen2.5-7b-instruct", method="lora", rank=1)
    none_but_products = Tokens(1, 10**9, 0, 0)
    operations = 6 * one.shape.layer_parameters * 10**9 + 8 * one.trained_weights * 10**9
    assert one.hours(none_but_products, "typical") == pytest.approx(operations / (312e12 * 0.25) / 3600)


def test_the_winners_day_is_the_slow_end() -> None:
    """About 24 hours on eight A100s for 500,000 samples; 150 tokens and 18 of answer each, 17,700 pairs."""
    one = target("qwen2-72b-instruct", count=8)
    half_a_million = Tokens(500_000, 75 * 10**6, 9 * 10**6, 8_850 * 10**6)
    assert one.hours(half_a_million, "typical") < 24 < one.hours(half_a_million, "pessimistic") < 30


@given(
    more=st.sampled_from(["all", "answers", "pairs"]),
    case=st.sampled_from(CASES),
    method=st.sampled_from(["qlora", "lora", "full"]),
    count=st.integers(1, 8),
)
def test_more_tokens_take_longer_and_more_gpus_less(more: str, case: str, method: str, count: int) -> None:
    one = target("qwen2.5-7b-instruct", count=count, method=method)
    hours = one.hours(A_MILLION, case)
    assert one.hours(replace(A_MILLION, **{more: 2 * vars(A_MILLION)[more]}), case) > hours
    assert replace(one, count=2 * count).hours(A_MILLION, case) == pytest.approx(hours / 2)
    ordered = [one.hours(A_MILLION, name) for name in CASES]
    assert ordered == sorted(ordered, reverse=True)


def test_tokens_are_counted_as_training_counts_them(tmp_path: Path) -> None:
    from models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(make_weights(tmp_path / "weights"))
    samples = [choice("Which?\n0. a\n1. b\nAnswer:"), text("Write.", "word " * 400)]
    few = Tokens.of(samples[:1], tokenizer, 2048)
    assert few.samples == 1 and 0 < few.answers < few.all and few.pairs == few.all * (few.all + 1) // 2
    assert Tokens.of(samples, tokenizer, few.all) == few, "what is too long is left out"
    assert Tokens.of(samples, tokenizer, 10**6).samples == 2


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = make_weights(tmp_path / "weights")
    write_samples(tmp_path / "train.jsonl", read_samples(ROOT / "data" / "sample_questions.jsonl"))
    more = ["--config", str(ROOT / "tools" / "model_configs" / "qwen2.5-7b-instruct.json")]
    counted = ["--data", str(tmp_path), "--tokenizer", str(weights)]
    assert exit_code_of(main, ["--recipe", "v8", "--gpu", "RTX4090", *more, *counted]) == 0
    printed = capsys.readouterr().out
    assert "of 24 GiB: base 5.2, trained 2.4" in printed and "121 samples" in printed and "hours" in printed
    assert exit_code_of(main, ["--recipe", "v8", "--gpu", "T4"]) == 1
    assert "does not fit" in capsys.readouterr().out
    for arguments, says in (
        (["--recipe", "v88"], "unknown recipe 'v88'"),
        (["--recipe", "ecellm_l"], "give its config.json with --config"),
    ):
        assert exit_code_of(main, arguments) == 2
        assert says in capsys.readouterr().err
