"""Is tools/roofline.py right? Its formulas, given this machine's measured speed, against a measured run.

    python -m benchmarks.roofline [--weights DIR] [--sample 48]

Measures what torch sustains here in matrix products of the model's own shapes and in streaming weights from memory,
predicts from that how long the engine prefills and decodes a sample of questions, runs them, and compares. Exit
code 1 if the prediction is off by more than 30%.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tabulate import tabulate

from models.engine import load_tokenizer, machine
from models.settings import choose
from models.weights import check_weights, find_weights
from shopbench.sample import Sample, read_samples
from shopbench.tracks import TRACKS
from tools.budget import ROOT, default_questions, draw
from tools.devices import Device
from tools.measure import Measured, measure
from tools.projection import decode_step_seconds, prefill_seconds
from tools.roofline import Shape
from tools.workload import loads

TOLERANCE = 0.30
_ROUNDS = 7


@dataclass(frozen=True)
class Compared:
    """Seconds predicted and measured of one phase."""

    phase: str
    predicted: float
    measured: float

    @property
    def off(self) -> float:
        """By how much the prediction is off, as a share of what was measured."""
        return self.predicted / self.measured - 1


def sustained(shape: Shape, dtype: torch.dtype) -> Device:
    """What this CPU sustains: operations a second in products of this model's shape, bytes a second from memory."""
    tokens = torch.randn(1024, shape.hidden, dtype=dtype)
    weights = torch.randn(shape.hidden, 2 * shape.intermediate, dtype=dtype)
    streamed = torch.randn(2**16, 1024, dtype=dtype)  # 256 MB in float32: far more than any cache
    row = torch.randn(1024, dtype=dtype)
    operations = 2 * tokens.numel() * weights.shape[1]
    return Device(
        name="this CPU",
        memory=float("inf"),
        flops=operations / _best_seconds(lambda: tokens @ weights),
        bandwidth=streamed.nbytes / _best_seconds(lambda: streamed @ row),
    )


def _best_seconds(work: Callable[[], object]) -> float:
    """The fastest of some rounds: what the machine can do when nothing else runs."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def compare(
    measured: Measured, samples: list[Sample], shape: Shape, device: Device, tokenizer: object, block: int
) -> list[Compared]:
    """Prediction and measurement of the same batches. The number of decode steps is the measured one."""
    batches = loads(samples, tokenizer, block)
    prefill = sum(prefill_seconds(shape, device, 1, load) for load in batches)
    written = [load for load in batches if load.most_steps]
    rows = sum(load.questions for load in written) / max(len(written), 1)
    context = sum(load.prompt_tokens for load in written) / max(sum(load.questions for load in written), 1)
    decode = measured.decode_steps * decode_step_seconds(shape, device, 1, round(rows), context)
    return [
        Compared("prefill", prefill, measured.engine["prefill"]),
        Compared("decode", decode, measured.engine["decode"]),
        Compared("both", prefill + decode, sum(measured.engine.values())),
    ]


def main() -> int:
    """Measure, predict, compare; the exit code says whether the prediction holds."""
    parser = argparse.ArgumentParser(prog="benchmarks.roofline", description="check the roofline on this CPU")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="default: those that would be served")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="default: as local_evaluation.py")
    parser.add_argument("--sample", type=int, default=48, metavar="K", help="questions (default: %(default)s)")
    options = parser.parse_args()
    weights = check_weights((options.weights or find_weights(ROOT)).absolute())
    settings = choose(weights, machine())
    dtype = getattr(torch, settings.dtype)
    shape = Shape.from_config(weights.config, value_bytes=dtype.itemsize)
    samples = draw(read_samples(options.questions or default_questions()), TRACKS[5], options.sample)

    device = sustained(shape, dtype)
    measured = measure(samples, weights.folder)
    compared = compare(measured, samples, shape, device, load_tokenizer(weights.folder), settings.block_size)
    print(f"{settings.dtype}: {device.flops / 1e9:.0f} GFLOP/s, {device.bandwidth / 1e9:.1f} GB/s")
    rows = [[one.phase, f"{one.predicted:.2f}", f"{one.measured:.2f}", f"{one.off:+.0%}"] for one in compared]
    print(tabulate(rows, ["phase", "predicted s", "measured s", "off"], disable_numparse=True))
    holds = abs(compared[-1].off) <= TOLERANCE
    print(f"the prediction {'holds' if holds else 'does NOT hold'} within {TOLERANCE:.0%}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
