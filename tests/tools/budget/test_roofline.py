"""The roofline's formulas: against real models' parameters, known figures, and each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbench.errors import UserError
from shopbench.tracks import TRACKS
from tools.budget.devices import CASES, GIB, GPUS, Device, Gpu, parse_gpus
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
    tokens, context = 16 * 200, 200
    prefill = step(shape, device, 4, tokens, tokens * context / 2, 16)
    decode = step(shape, device, 4, 16, 16 * context, 16)
    assert 1.9e-3 < prefill.seconds / tokens < 2.3e-3
    assert 50e-3 < decode.seconds < 58e-3
    assert 0.15 < prefill.all_reduce / prefill.seconds < 0.35


def test_a_step_by_hand() -> None:
    """Published formulas: 2 operations a weight and token, 4 * hidden a pair and layer (Q K^T and the weighted sum).

    Llama-2-7B: 32 layers of 4 * 4096^2 + 3 * 4096 * 11008 weights, 32 heads of 128, vocabulary 32,000, no GQA.
    """
    sizes = {"hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32, "num_hidden_layers": 32}
    llama = Shape.from_config({**sizes, "vocab_size": 32_000})
    weights = 32 * (4 * 4096**2 + 3 * 4096 * 11_008)
    assert llama.layer_parameters == weights == 6_476_005_376
    device = Device("any", 1e12, flops=100e12, bandwidth=1e12, step_overhead=1e-3, attention=10e12)
    prefill = step(llama, device, 1, 1000, 1000 * 1001 / 2, 1)
    assert prefill.products == pytest.approx((2 * weights * 1000 + 2 * 4096 * 32_000) / 100e12)
    assert prefill.attention == pytest.approx(4 * 32 * 4096 * 500_500 / 10e12)
    values = 8 * 4096 + 6 * 11_008 + 2 * 128 * (2 * 32 + 2 * 32)
    assert prefill.activations == pytest.approx(32 * 1000 * values * 2 / 1e12)
    decode = step(llama, device, 1, 8, 8 * 500, 8)
    assert decode.products == pytest.approx((weights + 4096 * 32_000) * 2 / 1e12), "the weights are read once"
    assert decode.attention == pytest.approx(2 * 32 * 4096 * 2 * 8 * 500 / 1e12), "and every key and value"
    assert prefill.seconds == pytest.approx(prefill.products + prefill.attention + prefill.activations + 1e-3)


steps = st.fixed_dictionaries(
    {
        "tokens": st.integers(1, 8192),
        "context": st.integers(1, 3072),
        "rows": st.integers(1, 16),
        "parts": st.sampled_from([1, 2, 4, 8]),
        "attention": st.floats(0.5e12, 400e12),
    }
)


@given(one=steps, more=st.sampled_from(["tokens", "context", "rows", "attention", "flops"]))
def test_more_work_takes_longer_and_more_speed_less(one: dict[str, Any], more: str) -> None:
    shape = Shape.from_config(QWEN_72B)

    def seconds(changes: dict[str, Any]) -> float:
        given = {**one, **changes}
        device = replace(T4.sustained("typical"), attention=given["attention"])
        device = replace(device, flops=device.flops * given.get("flops", 1))
        tokens, rows = max(given["tokens"], 16), given["rows"]
        return step(shape, device, given["parts"], tokens, tokens * given["context"], rows).seconds

    before, after = seconds({}), seconds({more: 2 * one.get(more, 1)})
    assert after <= before if more in ("attention", "flops") else after >= before


@given(one=steps, case=st.sampled_from(CASES), gpu=st.sampled_from([gpu for gpu in GPUS.values() if gpu.nvlink]))
def test_more_gpus_with_nvlink_compute_faster(one: dict[str, Any], case: str, gpu: Gpu) -> None:
    shape, device = Shape.from_config(QWEN_72B), gpu.sustained(case)
    of = [step(shape, device, parts, 2000 + one["tokens"], 1000 * one["context"], 16) for parts in (1, 2, 4, 8)]
    work = [one.products + one.attention + one.activations for one in of]
    assert work == sorted(work, reverse=True)
    assert [one.all_reduce for one in of] == sorted(one.all_reduce for one in of)


def test_t4s_attention_is_far_from_its_tensor_cores() -> None:
    """vLLM's kernel there uses none: at most 3 of 65 TFLOP/s; other cards a share of their peak, in order."""
    assert [T4.sustained(case).attention for case in CASES] == [0.8e12, 1.5e12, 3.0e12]
    for gpu in GPUS.values():
        rates = [gpu.sustained(case).attention or 0.0 for case in CASES]
        assert rates == sorted(rates) and rates[0] > 0 and rates[-1] < gpu.teraflops * 1e12


def test_a_single_device_needs_no_all_reduce_and_work_scales(shape: Shape) -> None:
    device = Device("any", 1e12, 1e12, 1e11)
    one, two, split = (step(shape, device, parts, tokens, 0, 0) for parts, tokens in ((1, 100), (1, 200), (4, 100)))
    assert one.all_reduce == split.all_reduce == 0, "the link of this device costs nothing"
    assert two.products == pytest.approx(2 * one.products) == pytest.approx(8 * split.products)
    slow_link = step(shape, replace(device, link=1e9, latency=1e-3), 4, 100, 0, 0)
    moved = 2 * 80 * 2 * 3 / 4 * 8192 * 100 * 2 / 1e9
    assert slow_link.all_reduce == pytest.approx(2 * 80 * 1e-3 + moved)
    assert slow_link.seconds == pytest.approx(split.seconds + slow_link.all_reduce)


LOAD = BatchLoad(questions=16, prompt_tokens=3200, uncached_tokens=2400, steps=8, most_steps=49, pairs=280_000)


def test_a_projection_scales_to_the_track(shape: Shape) -> None:
    target = Target(shape, T4, 4)
    one, more = (project(target, [LOAD] * count, TRACKS[2]) for count in (1, 5))
    assert more.prefill == pytest.approx(one.prefill)
    assert one.total == one.load + one.prefill + one.decode + one.overhead
    assert project(target, [LOAD], TRACKS[5]).prefill == pytest.approx(one.prefill * 11720 / 1896)
    faster = project(replace(target, product_speed=2.0), [LOAD], TRACKS[2])
    assert 0.5 * one.prefill < faster.prefill < one.prefill, "attention and all-reduces stay as they are"
    smaller_steps = project(replace(target, step_tokens=512), [LOAD], TRACKS[2])
    assert smaller_steps.prefill > one.prefill


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
