"""The roofline's formulas: against real models' parameters, known figures, and each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shopbench.errors import UserError
from shopbench.tracks import TRACKS
from tools.budget.devices import CASES, GIB, GPUS, Device, parse_gpus
from tools.budget.projection import Target, project, project_cases, verdict
from tools.budget.roofline import Shape, plan_memory, step
from tools.budget.workload import BatchLoad

QWEN_72B: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "tools" / "model_configs" / "qwen2-72b-awq.json").read_text()
)
T4 = GPUS["T4"]
SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "vocab_size": 320,
}


@pytest.fixture
def shape() -> Shape:
    return Shape.from_config(QWEN_72B)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("model_type", ["llama", "qwen2", "mistral"])
def test_parameters_are_those_of_the_real_architectures(model_type: str, tied: bool) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(model_type, **SMALL, tie_word_embeddings=tied)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    matrices = {name: p.numel() for name, p in model.named_parameters() if p.ndim == 2}
    shape = Shape.from_config(config.to_dict())
    assert shape.layer_parameters == sum(count for name, count in matrices.items() if ".layers." in name)
    assert shape.weight_bytes == 2 * sum(matrices.values())


def test_the_winning_model_has_its_published_size(shape: Shape) -> None:
    assert shape.weight_bytes == pytest.approx(41.6e9, rel=0.005)
    assert replace(shape, layer_weight_bytes=2).weight_bytes == pytest.approx(145.9e9, rel=0.01)
    assert shape.cache_bytes == 2 * 80 * 8 * 128 * 2


def test_compressed_tensors_configs_are_read_too(shape: Shape) -> None:
    weights = {"num_bits": 4, "group_size": 128}
    quantization = {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}
    assert Shape.from_config({**QWEN_72B, "quantization_config": quantization}) == shape


@pytest.mark.parametrize(
    ("config", "says"),
    [({}, "has no 'hidden_size'"), ({**SMALL, "num_experts": 8}, "mixture of experts")],
)
def test_other_configs_are_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Shape.from_config(config)


def test_memory_on_four_t4s(shape: Shape) -> None:
    device = T4.sustained("typical")
    plan = plan_memory(shape, device, 4)
    parts = plan.weights + plan.activations + plan.reserved + plan.cache
    assert parts == pytest.approx(plan.capacity) == pytest.approx(0.95 * 14.5 * GIB)
    assert plan.weights == pytest.approx(41.6e9 / 4, rel=0.005)
    assert plan.sequences(512) > 16, "a full batch of long questions fits"
    assert plan_memory(shape, device, 2).cache < 0
    assert plan_memory(replace(shape, layer_weight_bytes=2), device, 4).cache < 0
    assert plan_memory(shape, device, 2).sequences(100) == 0


def test_speed_on_four_t4s(shape: Shape) -> None:
    """About 2 ms per uncached token of the whole machine, 50 to 56 ms per decode step of a batch of 16."""
    device = T4.sustained("typical")
    token = step(shape, device, 4, 16 * 200, 100, 16).seconds / (16 * 200)
    decode = step(shape, device, 4, 16, 200, 16)
    assert 1.8e-3 < token < 2.3e-3
    assert 50e-3 < decode.seconds < 56.5e-3
    assert decode.memory > decode.compute, "decoding is bound by reading the weights"
    prefill = step(shape, device, 4, 16 * 200, 100, 16)
    assert prefill.compute > prefill.memory, "and prefill by computing"
    assert 0.15 < prefill.all_reduce / prefill.seconds < 0.35


def test_a_single_device_needs_no_all_reduce_and_work_scales(shape: Shape) -> None:
    device = Device("any", 1e12, 1e12, 1e11)
    one, two, split = (step(shape, device, parts, tokens, 0, 0) for parts, tokens in ((1, 100), (1, 200), (4, 100)))
    assert one.all_reduce == split.all_reduce == 0, "the link of this device costs nothing"
    assert two.compute == pytest.approx(2 * one.compute) == pytest.approx(8 * split.compute)
    slow_link = step(shape, replace(device, link=1e9, latency=1e-3), 4, 100, 0, 0)
    moved = 2 * 80 * 2 * 3 / 4 * 8192 * 100 * 2 / 1e9
    assert slow_link.all_reduce == pytest.approx(2 * 80 * 1e-3 + moved)
    assert slow_link.seconds == pytest.approx(max(split.compute, split.memory) + slow_link.all_reduce)


LOAD = BatchLoad(questions=16, prompt_tokens=3200, uncached_tokens=2400, steps=8, most_steps=49)


def test_a_projection_scales_to_the_track(shape: Shape) -> None:
    device = T4.sustained("typical")
    one, more = (project(shape, device, 4, [LOAD] * count, TRACKS[2]) for count in (1, 5))
    assert more.prefill == pytest.approx(one.prefill)
    assert one.total == one.load + one.prefill + one.decode + one.overhead
    assert project(shape, device, 4, [LOAD], TRACKS[5]).prefill == pytest.approx(one.prefill * 11720 / 1896)


def test_cases_are_ordered_and_decide_the_verdict(shape: Shape) -> None:
    cases = project_cases(Target(shape, T4, 4), [LOAD], TRACKS[2])
    assert [case.case for case in cases] == list(CASES)
    assert cases[0].total > cases[1].total > cases[2].total
    assert cases[0].decode > 5 * cases[1].decode, "the pessimistic case writes all the tokens that are allowed"
    seconds = TRACKS[2].minutes * 60
    late, early = (replace(cases[1], prefill=share * seconds, decode=0, overhead=0) for share in (1.1, 0.5))
    stuck = replace(early, slowest_batch_share=1.1)
    expected = {(early, early): "pass", (late, early): "tight", (late, late): "fail", (stuck, early): "tight"}
    for (pessimistic, typical), said in expected.items():
        named = zip(CASES, (pessimistic, typical, early), strict=True)
        assert verdict([replace(projection, case=case) for case, projection in named]) == said


def test_gpus_are_named() -> None:
    assert parse_gpus("T4x4") == (T4, 4)
    assert parse_gpus("A100-80GB") == (GPUS["A100-80GB"], 1)
    assert parse_gpus("L40Sx2") == (GPUS["L40S"], 2)
    for text in ("T5x4", "T4x0", "T4xx", "4xT4", ""):
        with pytest.raises(UserError, match="known names: T4, L4"):
            parse_gpus(text)
