"""A large model's sizes without its numbers, its times and their projection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from transformers import AutoConfig

from benchmarks.gpu import shaped
from benchmarks.gpu.models import Models, large_config
from benchmarks.gpu.shaped import milliseconds, projected
from models.engine.requests import Completion, Request
from models.spaces.free_text import FreeText
from models.weights import Weights
from tools.budget.devices import GPUS
from tools.budget.roofline import Shape


@pytest.mark.parametrize(("small", "gigabytes"), [(False, (41, 42)), (True, (0.05, 0.2))])
def test_the_configuration_has_the_sizes_and_is_read_by_transformers(
    small: bool, gigabytes: tuple[float, float], llama: Path, tmp_path: Path
) -> None:
    weights = Models(tmp_path, small, llama).weights("72b")
    assert gigabytes[0] < weights.size / 1e9 < gigabytes[1]
    assert not list(weights.folder.glob("*.safetensors")), "the engine draws the numbers"
    assert (weights.folder / "tokenizer.json").is_file()
    config = AutoConfig.from_pretrained(weights.folder)
    assert config.model_type == "qwen2" and config.hidden_size == weights.config["hidden_size"]
    assert json.loads((weights.folder / "config.json").read_text()) == weights.config == large_config(small)
    weights.check_tensor_parallel(1 if small else 4)


def test_both_sizes_differ_in_sizes_alone() -> None:
    large, small = large_config(False), large_config(True)
    assert large.keys() == small.keys()
    differ = {name for name in large if large[name] != small[name]}
    assert differ == {
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_hidden_layers",
        "num_key_value_heads",
        "vocab_size",
    }


class Clock:
    """An engine whose prompt tokens take 2 ms each and whose decode steps take 30 ms."""

    def __init__(self) -> None:
        self.seconds = {"prefill": 1.0, "decode": 1.0}
        self.decode_steps = 7
        self.asked: list[Sequence[Request]] = []

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]:
        self.asked.append(requests)
        steps = max(request.space.max_tokens for request in requests) - 1
        self.seconds["prefill"] += 2e-3 * sum(len(request.prompt) for request in requests)
        self.seconds["decode"] += 30e-3 * steps
        self.decode_steps += steps
        return [Completion() for _ in requests]


def test_times_are_of_one_call() -> None:
    engine = Clock()
    assert milliseconds(engine, [Request([1] * 10, FreeText(5))] * 3) == pytest.approx((2, 30))  # type: ignore[arg-type]
    assert milliseconds(engine, [Request([1] * 10, FreeText(1))]) == pytest.approx((2, 0))  # type: ignore[arg-type]


def test_measured_on_prompts_that_no_cache_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu:
        on_gpu, tensor_parallel = True, 2

    monkeypatch.setattr(shaped, "names", lambda: ["NVIDIA L4", "NVIDIA L4"])
    engine, config = Clock(), large_config(False)
    found = shaped.measure(engine, Weights(Path("w"), config, 0), OnGpu())  # type: ignore[arg-type]
    assert found["measured_ms"] == pytest.approx({"prompt_token": 2, "decode_step": 30})
    assert found["projected_on"] == "2 x L4"
    prompts = [tuple(request.prompt) for requests in engine.asked for request in requests]
    assert len(prompts) == len({prompt[:16] for prompt in prompts}), "each begins with a block of its own"
    assert {len(requests) * len(requests[0].prompt) for requests in engine.asked} == {4096}
    monkeypatch.setattr(shaped, "names", lambda: ["NVIDIA Unheard-of"])
    found = shaped.measure(engine, Weights(Path("w"), config, 0), OnGpu())  # type: ignore[arg-type]
    assert found.keys() == {"measured_ms"}


def test_the_projection_is_that_of_tools_budget() -> None:
    shape = Shape.from_config(large_config(False))
    found = projected(shape, GPUS["H100"], 1)
    for slow, typical, fast in found.values():
        assert slow > typical > fast > 0
    assert 0.2 < found["prompt_token"][1] < 0.4 and 10 < found["decode_step"][1] < 30  # docs/gpu.md: 0.26 and 18
    four = projected(shape, GPUS["T4"], 4)
    assert four["prompt_token"][1] > 5 * found["prompt_token"][1]
