"""The time a track would take on GPUs that are not at hand: roofline.py over the batches of workload.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tabulate import tabulate

from models.engine.core import STEP_TOKENS
from models.settings import CONTEXT
from shopbench.tracks import SECONDS_PER_SAMPLE, TRACKS, Track
from tools.budget.devices import CASES, GIB, Device, Gpu
from tools.budget.roofline import MemoryPlan, Shape, plan_memory, step
from tools.budget.workload import BatchLoad

_HEADERS = ["track", "uncached tokens", "load", "prefill", "decode", "total", "range", "allowed", "verdict"]
_QUESTION_OVERHEAD = 2e-3
"""Seconds to classify, render and tokenize one question, and to read its answer (measured on a CPU core)."""
_START_SECONDS = {"pessimistic": 120.0, "typical": 60.0, "optimistic": 40.0}
_DISK_BYTES_PER_SECOND = {"pessimistic": 0.4e9, "typical": 1e9, "optimistic": 2e9}
"""Assumed, and outside the roofline: process start and graph capture, and the reading of the weights."""


@dataclass(frozen=True)
class Target:
    """A model's shape on `count` GPUs of a kind, and the engine's way with it.

    `step_tokens`: most prompt tokens in a step; `product_speed`: that of matrix products, as a multiple of fp16's.
    """

    shape: Shape
    gpu: Gpu
    count: int
    step_tokens: int = STEP_TOKENS
    product_speed: float = 1.0

    def device(self, case: str) -> Device:
        """What one of the GPUs sustains."""
        device = self.gpu.sustained(case)
        return replace(device, flops=device.flops * self.product_speed)

    def memory(self) -> MemoryPlan:
        """What each GPU holds."""
        return plan_memory(self.shape, self.device("typical"), self.count, step_tokens=self.step_tokens)

    def milliseconds(self, of: Callable[[Device], float]) -> str:
        """Milliseconds in the typical case, with their range: "2.05 (1.54 to 2.81) ms"."""
        slow, middle, fast = (1e3 * of(self.device(case)) for case in CASES)
        return f"{middle:.3g} ({fast:.3g} to {slow:.3g}) ms"


@dataclass(frozen=True)
class Projection:
    """What the questions of one track take in one case. All times in seconds."""

    track: Track
    case: str
    load: float
    prefill: float
    decode: float
    overhead: float
    slowest_batch_share: float

    @property
    def total(self) -> float:
        """The whole run, loading included."""
        return self.load + self.prefill + self.decode + self.overhead

    @property
    def in_time(self) -> bool:
        """Whether the run and each of its batches end before the evaluator's limits."""
        return self.total <= self.track.minutes * 60 and self.slowest_batch_share <= 1


def project(target: Target, loads: Sequence[BatchLoad], track: Track, case: str = "typical") -> Projection:
    """Scale the time of these batches to the track's number of questions."""
    shape, device, parts = target.shape, target.device(case), target.count
    prefill = decode = overhead = slowest = 0.0
    for load in loads:
        first = prefill_seconds(shape, device, parts, load, target.step_tokens)
        steps = load.most_steps if case == "pessimistic" else load.steps
        rest = steps * decode_step_seconds(shape, device, parts, load.questions, load.prompt_tokens / load.questions)
        other = _QUESTION_OVERHEAD * load.questions
        slowest = max(slowest, (first + rest + other) / (SECONDS_PER_SAMPLE * load.questions))
        prefill, decode, overhead = prefill + first, decode + rest, overhead + other
    scale = track.questions / sum(load.questions for load in loads)
    return Projection(
        track=track,
        case=case,
        load=_START_SECONDS[case] + shape.weight_bytes / _DISK_BYTES_PER_SECOND[case],
        prefill=prefill * scale,
        decode=decode * scale,
        overhead=overhead * scale,
        slowest_batch_share=slowest,
    )


def project_cases(target: Target, loads: Sequence[BatchLoad], track: Track) -> list[Projection]:
    """The projection in every case: pessimistic, typical, optimistic."""
    return [project(target, loads, track, case) for case in CASES]


def verdict(cases: Sequence[Projection]) -> str:
    """ "pass" if even the pessimistic case is in time, "tight" if the typical one is, else "fail"."""
    in_time = {projection.case: projection.in_time for projection in cases}
    return "pass" if in_time["pessimistic"] else "tight" if in_time["typical"] else "fail"


def prefill_seconds(shape: Shape, device: Device, parts: int, load: BatchLoad, step_tokens: int = STEP_TOKENS) -> float:
    """Seconds until every question of a batch has its first token."""
    steps = math.ceil(load.uncached_tokens / step_tokens)
    tokens = math.ceil(load.uncached_tokens / steps)
    return steps * step(shape, device, parts, tokens, load.pairs / steps, load.questions).seconds


def decode_step_seconds(shape: Shape, device: Device, parts: int, questions: int, context: float) -> float:
    """Seconds of one decode step of a batch whose prompts have `context` tokens."""
    return step(shape, device, parts, questions, questions * context, questions).seconds


def verdicts(target: Target, batches: Mapping[int, Sequence[BatchLoad]]) -> dict[int, str]:
    """Each track's verdict: pass, tight or fail; fail for all where the weights do not fit."""
    if target.memory().cache <= 0:
        return dict.fromkeys(batches, "fail")
    return {number: verdict(project_cases(target, loads, TRACKS[number])) for number, loads in batches.items()}


def projection_text(target: Target, batches: Mapping[int, Sequence[BatchLoad]]) -> str:
    """Memory, speed and every track's time on the target's GPUs, from each track's batches."""
    shape, gpu, count, plan = target.shape, target.gpu, target.count, target.memory()
    every = [load for loads in batches.values() for load in loads]
    uncached = sum(load.uncached_tokens for load in every)
    context = sum(load.prompt_tokens for load in every) // sum(load.questions for load in every)
    lines = [
        f"Projected (a roofline, not measured): {shape.weight_bytes / 1e9:.1f} GB of weights on {count} x {gpu.name}",
        f"  each GPU         weights {plan.weights / GIB:.1f} + activations {plan.activations / GIB:.1f} + reserved "
        f"{plan.reserved / GIB:.1f} of {plan.capacity / GIB:.1f} GiB: {plan.cache / GIB:.1f} left for the cache",
    ]
    if plan.cache <= 0:
        return "\n".join([*lines, "  does not fit: quantize the weights, or take more or larger GPUs"])

    def token(device: Device) -> float:
        return sum(prefill_seconds(shape, device, count, load, target.step_tokens) for load in every) / uncached

    size = max(load.questions for load in every)

    def decode(device: Device) -> float:
        return decode_step_seconds(shape, device, count, size, context)

    lines += [
        f"  largest batch    {plan.sequences(context)} questions of the mean {context} tokens, "
        f"{plan.sequences(CONTEXT)} of the longest ({CONTEXT})",
        f"  uncached token   {target.milliseconds(token)}",
        f"  decode step      {target.milliseconds(decode)} for a batch of {size}",
    ]
    rows = [_row(loads, project_cases(target, loads, TRACKS[number])) for number, loads in batches.items()]
    note = "minutes; range: optimistic to pessimistic; tight: the typical case is in time, the pessimistic is not"
    return "\n".join([*lines, "", tabulate(rows, _HEADERS, disable_numparse=True), note])


def _row(loads: Sequence[BatchLoad], cases: Sequence[Projection]) -> list[str]:
    typical = cases[CASES.index("typical")]
    totals = [case.total / 60 for case in cases]
    tokens = sum(load.uncached_tokens for load in loads) / sum(load.questions for load in loads)
    return [
        f"{typical.track.number} {typical.track.name}",
        f"{tokens:.0f}",
        *(f"{seconds / 60:.1f}" for seconds in (typical.load, typical.prefill, typical.decode, typical.total)),
        f"{min(totals):.0f}-{max(totals):.0f}",
        str(typical.track.minutes),
        verdict(cases),
    ]
