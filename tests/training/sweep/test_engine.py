"""Adapters on the real engine: nothing at weight 0, the merged model at weight 1, without a merge."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from models.engine import core as engine
from models.settings import SettingsError
from shopbench.errors import UserError
from shopbench.files import write_json
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.sweep.engine import Served, serving
from training.sweep.weight_sweep import Sweep
from training.weights.joined import merge_adapters
from training.weights.merged import merge_weights
from training.weights.tensors import fingerprint

pytestmark = pytest.mark.engine

SIZES = {
    "hidden_size": 128,
    "intermediate_size": 160,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
QUESTIONS = [
    Sample(f"What is a toggle switch, number {number}?", "a switch", "text", TaskType.GENERATION, "rougel", False)
    for number in range(4)
]
QUESTIONS += [
    Sample(
        f"Which is {word}?\n0. apple\n1. car\n2. shoe\nAnswer: ", 1, "mc", TaskType.MULTIPLE_CHOICE, "accuracy", True
    )
    for word in ("a fruit", "to be driven", "worn", "sweet")
]


def adapter(base: Path, folder: Path, seed: int, rank: int) -> Path:
    """A random adapter, large enough to change what a random model says."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tuned = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    tuned.save_pretrained(folder)
    write_json(folder / "provenance.json", {"base_fingerprint": fingerprint(base), "prompt_hash": "p"})
    return folder


def said(served: Served, folder: Path | None, journal: Path) -> list[str]:
    return [one.output for one in served.answers(QUESTIONS, folder, journal)]


def test_a_scaled_adapter_answers_as_the_merged_model_does(
    tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPBENCH_DTYPE", "float32")  # so that only the order of sums differs from a merge
    base = tiny_model("llama", **SIZES)
    parts = (adapter(base, tmp_path / "a", 1, 5), adapter(base, tmp_path / "b", 2, 3))
    weights = {"none": (0.0, 0.0), "first": (1.0, 0.0), "both": (1.0, 0.5)}
    sweep = Sweep(str(base), base, parts, tmp_path)
    for name, pair in weights.items():
        merge_adapters(sweep.merge(pair), tmp_path / name)
    merge_weights(sweep.merge(weights["both"]), tmp_path / "merged")

    ranks = sum(sweep.merge(weights["both"]).ranks())
    with ExitStack() as stack, ThreadPoolExecutor() as pool:  # both start at once: mostly each uses one core
        served, other = pool.map(stack.enter_context, (serving(base, ranks), serving(tmp_path / "merged", 0)))
        both = said(served, tmp_path / "both", tmp_path / "journal")
        alone = said(served, None, tmp_path / "journal")  # after an adapter: it must not stick
        answers = {name: said(served, tmp_path / name, tmp_path / "journal") for name in weights}
        merged = said(other, None, tmp_path / "journal")
        hurried = replace(served.serving.behaviour, question_seconds=0.1)
        monkeypatch.setattr("training.sweep.engine.PATIENCE_SECONDS", 0.0)
        with pytest.raises(UserError, match="answers were cut"):
            said(replace(served, serving=replace(served.serving, behaviour=hurried)), None, tmp_path / "journal")

    assert not (tmp_path / "journal").exists(), "the same command would go on from the answers that were cut"
    assert answers["none"] == alone
    assert answers["both"] == both == merged
    assert len({tuple(one) for one in answers.values()}) == 3, "the adapters change what is said"


def test_ranks_are_rounded_up_to_what_vllm_takes() -> None:
    assert [engine.lora_rank_allowed(rank) for rank in (5, 8, 33, 64, 65)] == [8, 8, 64, 64, 128]
    with pytest.raises(SettingsError, match="merge them into the base"):
        engine.lora_rank_allowed(513)
