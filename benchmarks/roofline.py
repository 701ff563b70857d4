"""Is tools/budget/roofline.py right? Its formulas, given this machine's measured speed, against a measured run.

    python -m benchmarks.roofline [--weights DIR] [--sample 48]

Measures what torch sustains here, before and after the run: reading memory, and matrix products of the model's own
shapes with as many rows as its prefill and decode steps have (a CPU does a third as many operations a second with 16
rows as with 1024). One question asked alone shows what a step costs beside its products. From that it predicts how
long the engine prefills and decodes a sample of questions, runs them, and compares. Exit code 1 if prefill, decode or
both together are off by more than 30%.

All times are of processors, summed over threads, so that other work on the machine does not count.
"""

from __future__ import annotations

from shopbench.errors import DONE, NOT_GOOD, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.roofline")

import argparse
import functools
import math
import os
import statistics
import time
import timeit
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from tabulate import tabulate

from models.engine.core import CPU_STEP_TOKENS, keep_to_avx2
from models.machine import machine
from models.settings import choose
from models.tokenizer import load_tokenizer
from models.user_config import UserModel
from models.weights import check_weights, find_weights
from shopbench.arguments import positive
from shopbench.files import ROOT, default_questions
from shopbench.sample import read_samples
from shopbench.tracks import TRACKS
from tools.budget.devices import Device
from tools.budget.measure import measure
from tools.budget.projection import decode_step_seconds, prefill_seconds
from tools.budget.roofline import Shape
from tools.budget.workload import BatchLoad, draw, loads

TOLERANCE = 0.30
_ROUNDS = 3
_BEYOND_CACHES = 2**26
"""Bytes that no cache holds."""
_QUESTION = "Explain in a few sentences what this product is for.\nProduct: toggle switch\nOutput: "


def mean_rows(batches: Sequence[BatchLoad]) -> dict[str, int]:
    """Rows of a matrix product in an average step: uncached tokens of a prefill, sequences of a decode step."""
    steps = sum(math.ceil(load.uncached_tokens / CPU_STEP_TOKENS) for load in batches)
    written = [load.questions for load in batches if load.most_steps] or [1]
    tokens = sum(load.uncached_tokens for load in batches)
    return {"prefill": round(tokens / steps), "decode": round(statistics.fmean(written))}


class Calibration:
    """What this CPU sustains in products of one model's shapes, by number of rows; the mean of all measurements."""

    def __init__(self, shape: Shape, dtype: torch.dtype) -> None:
        heads = shape.heads * shape.head_dim
        layer = (
            (heads + 2 * shape.kv_heads * shape.head_dim, shape.hidden),  # queries, keys and values
            (shape.hidden, heads),
            (2 * shape.intermediate, shape.hidden),
            (shape.hidden, shape.intermediate),
        )
        layer_bytes = sum(wide * long for wide, long in layer) * dtype.itemsize
        layers = math.ceil(_BEYOND_CACHES / layer_bytes)  # as in a model, each is read anew
        self._weights = [
            torch.ops.mkldnn._reorder_linear_weight(torch.randn(size, dtype=dtype))  # packed once, as vLLM's are
            for _ in range(layers)
            for size in layer
        ]
        self._memory = torch.randn(_BEYOND_CACHES // 4)
        self._seconds: dict[int, list[float]] = {}
        self.overhead = 0.0

    def measure(self, rows: Iterable[int]) -> None:
        """Time products with so many rows each, and reading."""
        for number in rows:
            widths = {weight.shape[1] for weight in self._weights}
            tokens = {width: torch.randn(number, width, dtype=self._weights[0].dtype) for width in widths}
            self._seconds.setdefault(number, []).extend(_seconds(functools.partial(self._products, tokens)))
        self._seconds.setdefault(0, []).extend(_seconds(self._memory.sum))

    def device(self, rows: int) -> Device:
        """The machine as the formulas see it in steps of so many rows."""
        operations = 2 * rows * sum(weight.numel() for weight in self._weights)
        return Device(
            name="this CPU",
            memory=float("inf"),
            flops=operations / statistics.fmean(self._seconds[rows]),
            bandwidth=self._memory.nbytes / statistics.fmean(self._seconds[0]),
            step_overhead=self.overhead,
        )

    def _products(self, tokens: dict[int, torch.Tensor]) -> None:
        for weight in self._weights:
            torch.ops.mkldnn._linear_pointwise(tokens[weight.shape[1]], weight, None, "none", [], "")


def _seconds(work: Callable[[], object]) -> list[float]:
    work()
    return timeit.repeat(work, timer=time.process_time, repeat=_ROUNDS, number=1)


class Watched:
    """A model, and the processor seconds that its engine's processes have used while it answered."""

    def __init__(self, model: Any) -> None:
        self.model, self.processor = model, 0.0
        self._processes = [psutil.Process(number) for number in model.engine.process_ids()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        before = self._used()
        answers: list[str] = self.model.batch_predict(batch, is_multiple_choice)
        self.processor += self._used() - before
        return answers

    def _used(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return sum(used.user + used.system for used in times)


def of_processors(clock: Mapping[str, float], processor: float) -> dict[str, float]:
    """Each phase's part of the processor seconds, from its part of the time on the clock."""
    return {phase: seconds * processor / sum(clock.values()) for phase, seconds in clock.items()}


def step_overhead(watched: Watched, calibration: Calibration, shape: Shape) -> float:
    """Seconds of a decode step beside its products and reading, from one question that is asked alone."""
    engine, tokens, steps = watched.engine, watched.stats["prompt_tokens"], watched.engine.decode_steps
    clock, processor = dict(engine.seconds), watched.processor
    calibration.measure([1])
    watched.batch_predict({"prompt": [_QUESTION]}, False)
    clock = {phase: seconds - clock[phase] for phase, seconds in engine.seconds.items()}
    seconds = of_processors(clock, watched.processor - processor)["decode"] / (engine.decode_steps - steps)
    context = watched.stats["prompt_tokens"] - tokens
    return max(0.0, seconds - decode_step_seconds(shape, calibration.device(1), 1, 1, context))


def compare(
    seconds: Mapping[str, float], steps: int, batches: Sequence[BatchLoad], shape: Shape, calibration: Calibration
) -> list[tuple[str, float, float, float]]:
    """(phase, seconds predicted, processor `seconds` measured, share by which the prediction is off), last of both."""
    rows = mean_rows(batches)
    device = calibration.device(rows["prefill"])
    prefill = sum(prefill_seconds(shape, device, 1, load, CPU_STEP_TOKENS) for load in batches)
    written = [load for load in batches if load.most_steps]
    context = sum(load.prompt_tokens for load in written) / max(sum(load.questions for load in written), 1)
    decode = steps * decode_step_seconds(shape, calibration.device(rows["decode"]), 1, rows["decode"], context)
    predicted = {"prefill": prefill, "decode": decode, "both": prefill + decode}
    measured = {**seconds, "both": sum(seconds.values())}
    return [(phase, predicted[phase], measured[phase], predicted[phase] / measured[phase] - 1) for phase in predicted]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.roofline", description="check the roofline on this CPU")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="default: those that would be served")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="default: as local_evaluation.py")
    parser.add_argument("--sample", type=positive, default=48, metavar="K", help="questions (default: %(default)s)")
    options = parser.parse_args(argv)
    keep_to_avx2()
    weights = check_weights((options.weights or find_weights(ROOT)).absolute())
    settings = choose(weights, machine())
    dtype = getattr(torch, settings.dtype)
    shape = Shape.from_config(weights.config, value_bytes=dtype.itemsize)
    samples = draw(read_samples(options.questions or default_questions()), TRACKS[5], options.sample)

    batches = loads(samples, load_tokenizer(weights.folder), settings.block_size)
    rows, calibration = mean_rows(batches), Calibration(shape, dtype)
    calibration.measure(rows.values())
    os.environ["SHOPBENCH_WEIGHTS"] = str(weights.folder)
    watched = Watched(UserModel())
    calibration.overhead = step_overhead(watched, calibration, shape)
    watched.processor = 0.0
    measured = measure(samples, weights.folder, lambda: watched)
    calibration.measure(rows.values())
    seconds = of_processors(measured.engine, watched.processor)
    compared = compare(seconds, measured.decode_steps, batches, shape, calibration)

    print(f"processors {watched.processor:.1f} s, clock {sum(measured.engine.values()):.1f} s")
    for phase, number in rows.items():
        device = calibration.device(number)
        print(f"{phase}, {number} rows in {settings.dtype}: {device.flops / 1e9:.0f} GFLOP/s a core")
    print(f"memory: {device.bandwidth / 1e9:.1f} GB/s; beside that a step takes {device.step_overhead * 1e3:.1f} ms")
    table = [[phase, f"{predicted:.2f}", f"{took:.2f}", f"{off:+.0%}"] for phase, predicted, took, off in compared]
    print(tabulate(table, ["phase", "predicted s", "measured s", "off"], disable_numparse=True))
    holds = all(abs(off) <= TOLERANCE for *_, off in compared)
    print(f"the prediction {'holds' if holds else 'does NOT hold'} within {TOLERANCE:.0%}")
    return DONE if holds else NOT_GOOD
