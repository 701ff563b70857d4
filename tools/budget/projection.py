"""The time a track would take on GPUs that are not at hand: roofline.py over the batches of workload.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.engine.core import STEP_TOKENS
from shopbench.tracks import SECONDS_PER_SAMPLE, Track
from tools.budget.devices import CASES, Device, Gpu
from tools.budget.roofline import Shape, step
from tools.budget.workload import BatchLoad

_QUESTION_OVERHEAD = 2e-3
"""Seconds to classify, render and tokenize one question, and to read its answer (measured on a CPU core)."""
_START_SECONDS = {"pessimistic": 120.0, "typical": 60.0, "optimistic": 40.0}
_DISK_BYTES_PER_SECOND = {"pessimistic": 0.4e9, "typical": 1e9, "optimistic": 2e9}
"""Assumed, and outside the roofline: process start and graph capture, and the reading of the weights."""


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


def project(
    shape: Shape, device: Device, parts: int, loads: Sequence[BatchLoad], track: Track, case: str = "typical"
) -> Projection:
    """Scale the time of these batches to the track's number of questions."""
    prefill = decode = overhead = slowest = 0.0
    for load in loads:
        first = prefill_seconds(shape, device, parts, load)
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


def project_cases(shape: Shape, gpu: Gpu, parts: int, loads: Sequence[BatchLoad], track: Track) -> list[Projection]:
    """The projection in every case: pessimistic, typical, optimistic."""
    return [project(shape, gpu.sustained(case), parts, loads, track, case) for case in CASES]


def verdict(cases: Sequence[Projection]) -> str:
    """ "pass" if even the pessimistic case is in time, "tight" if the typical one is, else "fail"."""
    in_time = {projection.case: projection.in_time for projection in cases}
    return "pass" if in_time["pessimistic"] else "tight" if in_time["typical"] else "fail"


def prefill_seconds(shape: Shape, device: Device, parts: int, load: BatchLoad) -> float:
    """Seconds until every question of a batch has its first token."""
    steps = math.ceil(load.uncached_tokens / STEP_TOKENS)
    context = load.prompt_tokens / load.questions / 2
    tokens = math.ceil(load.uncached_tokens / steps)
    return steps * step(shape, device, parts, tokens, context, load.questions).seconds


def decode_step_seconds(shape: Shape, device: Device, parts: int, questions: int, context: float) -> float:
    """Seconds of one decode step of a batch whose prompts have `context` tokens."""
    return step(shape, device, parts, questions, context, questions).seconds
