"""The roofline's check on a CPU: what it calibrates, and what it compares. Its figures are in docs/gpu.md."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.roofline import Calibration, Watched, compare, mean_rows, of_processors, step_overhead
from models.engine.core import CPU_STEP_TOKENS
from tools.budget.projection import decode_step_seconds, prefill_seconds
from tools.budget.roofline import Shape
from tools.budget.workload import BatchLoad

SHAPE = Shape.from_config(
    {"hidden_size": 64, "intermediate_size": 192, "num_attention_heads": 4, "num_hidden_layers": 3, "vocab_size": 320}
)
BATCHES = [
    BatchLoad(questions=16, prompt_tokens=3200, uncached_tokens=2400, steps=0, most_steps=0, pairs=240_000),
    BatchLoad(questions=12, prompt_tokens=9000, uncached_tokens=6000, steps=8, most_steps=49, pairs=1_500_000),
    BatchLoad(questions=4, prompt_tokens=800, uncached_tokens=600, steps=2, most_steps=7, pairs=60_000),
]


@pytest.fixture(scope="module")
def measured() -> Calibration:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.roofline._BEYOND_CACHES", 2**20)
        made = Calibration(SHAPE, torch.float32)
        made.measure((1, 8, 3000))
    return made


@pytest.fixture
def calibration(measured: Calibration, monkeypatch: pytest.MonkeyPatch) -> Calibration:
    monkeypatch.setattr("benchmarks.roofline._BEYOND_CACHES", 2**20)
    own = copy.copy(measured)  # packed weights cannot be copied
    own._seconds = copy.deepcopy(measured._seconds)
    return own


def test_rows_are_those_of_an_average_step() -> None:
    assert mean_rows(BATCHES) == {"prefill": 9000 // 10, "decode": 8}  # 2400 tokens are three steps, 6000 are six


def test_speed_is_work_by_the_mean_of_all_measured_times(calibration: Calibration) -> None:
    calibration._seconds = {8: [1.0, 3.0], 0: [0.5]}
    weights = sum(weight.numel() for weight in calibration._weights)
    assert weights % (SHAPE.layer_parameters // SHAPE.layers) == 0, "whole layers"
    assert weights * 4 >= 2**20, "more than the caches hold"
    device = calibration.device(8)
    assert device.flops == pytest.approx(2 * 8 * weights / 2.0)
    assert device.bandwidth == pytest.approx(2**20 / 0.5)


def test_more_measurements_are_added(calibration: Calibration) -> None:
    before = len(calibration._seconds[8])
    calibration.measure([8])
    assert len(calibration._seconds[8]) == 2 * before and min(calibration._seconds[8]) > 0


def test_each_phase_is_predicted_with_its_own_rows(calibration: Calibration) -> None:
    rows = mean_rows(BATCHES)
    calibration._seconds = {rows["prefill"]: [0.1], rows["decode"]: [0.01], 0: [1e-3]}
    calibration.overhead = 0.5
    seconds = of_processors({"prefill": 20.0, "decode": 80.0}, 50.0)
    prefill, decode, both = compare(seconds, 60, BATCHES, SHAPE, calibration)
    device = calibration.device(rows["prefill"])
    assert prefill[:2] == ("prefill", sum(prefill_seconds(SHAPE, device, 1, load, CPU_STEP_TOKENS) for load in BATCHES))
    context = (9000 + 800) / 16
    assert decode[:2] == ("decode", 60 * decode_step_seconds(SHAPE, calibration.device(8), 1, 8, context))
    assert both[:3] == ("both", prefill[1] + decode[1], 50)
    assert decode[3] == pytest.approx(decode[1] / 40 - 1)


def test_what_a_lone_question_takes_beside_its_products_is_overhead(
    calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = [100.0]
    times = SimpleNamespace(cpu_times=lambda: SimpleNamespace(user=used[0], system=1.0))
    monkeypatch.setattr("benchmarks.roofline.psutil.Process", lambda number: times)
    engine = SimpleNamespace(seconds={"prefill": 9.0, "decode": 5.0}, decode_steps=3, process_ids=lambda: [1])
    model: Any = SimpleNamespace(engine=engine, stats={"prompt_tokens": 7})

    def answer(batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        engine.seconds = {"prefill": 19.0, "decode": 35.0}
        engine.decode_steps += 10
        model.stats["prompt_tokens"] += 40
        used[0] += 20.0  # half of the time on the clock
        return ["text"]

    model.batch_predict = answer
    overhead = step_overhead(Watched(model), calibration, SHAPE)
    assert overhead == pytest.approx(1.5 - decode_step_seconds(SHAPE, calibration.device(1), 1, 1, 40))
    assert 1.4 < overhead < 1.5
