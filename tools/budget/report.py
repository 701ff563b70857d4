"""The two halves of a budget as text: what was measured here, and what is projected for GPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from models.settings import CONTEXT
from shopbench.tracks import TRACKS, Track
from tools.budget.devices import CASES, GIB, Gpu
from tools.budget.measure import Measured
from tools.budget.projection import Projection, decode_step_seconds, prefill_seconds, project_cases, verdict
from tools.budget.roofline import Shape, plan_memory
from tools.budget.workload import BatchLoad

_HEADERS = ["track", "uncached tokens", "load", "prefill", "decode", "total", "range", "allowed", "verdict"]


@dataclass(frozen=True)
class Target:
    """A model's shape on `count` GPUs of a kind."""

    shape: Shape
    gpu: Gpu
    count: int

    def in_case(self, of: Callable[[str], float]) -> str:
        """A figure in the typical case, with its range: "2.05 (1.54 to 2.81)"."""
        slow, middle, fast = (of(case) for case in CASES)
        return f"{middle:.3g} ({fast:.3g} to {slow:.3g})"


def format_measured(measured: Measured, track: Track) -> str:
    """What was measured on this machine."""
    total, allowed = measured.projected_seconds(track), track.minutes * 60
    worst = measured.slowest_batch
    shares = "  ".join(f"{name} {share:.0%}" for name, share in measured.shares().items())
    return "\n".join(
        [
            f"Measured on this machine: {measured.questions} of track {track.number}'s {track.questions} questions",
            f"  load             {measured.load_seconds:.1f} s",
            f"  a question       {measured.seconds_per_question:.3f} s",
            f"  slowest batch    {worst.seconds:.1f} s of {worst.allowed:.0f} s for its {worst.questions} questions",
            f"  where it goes    {shares}",
            f"  whole track      {total / 60:.1f} of {track.minutes} minutes: "
            f"{'pass' if measured.in_time(track) else 'fail'}, {(allowed - total) / 60:+.1f} to spare",
        ]
    )


def verdicts(target: Target, batches: Mapping[int, Sequence[BatchLoad]]) -> dict[int, str]:
    """Each track's verdict: pass, tight or fail; fail for all where the weights do not fit."""
    if plan_memory(target.shape, target.gpu.sustained("typical"), target.count).cache <= 0:
        return dict.fromkeys(batches, "fail")
    return {number: verdict(_cases(target, loads, TRACKS[number])) for number, loads in batches.items()}


def format_projection(target: Target, batches: Mapping[int, Sequence[BatchLoad]]) -> str:
    """Memory, speed and every track's time on the target's GPUs.

    Args:
        batches: the questions of each track.
    """
    shape, gpu, count = target.shape, target.gpu, target.count
    every = [load for loads in batches.values() for load in loads]
    context = sum(load.prompt_tokens for load in every) // sum(load.questions for load in every)
    plan = plan_memory(shape, gpu.sustained("typical"), count)
    lines = [
        f"Projected (a roofline, not measured): {shape.weight_bytes / 1e9:.1f} GB of weights on {count} x {gpu.name}",
        f"  each GPU         weights {plan.weights / GIB:.1f} + activations {plan.activations / GIB:.1f} + reserved "
        f"{plan.reserved / GIB:.1f} of {plan.capacity / GIB:.1f} GiB: {plan.cache / GIB:.1f} left for the cache",
    ]
    if plan.cache <= 0:
        return "\n".join([*lines, "  does not fit: quantize the weights, or take more or larger GPUs"])
    lines += [
        f"  largest batch    {plan.sequences(context)} questions of the mean {context} tokens, "
        f"{plan.sequences(CONTEXT)} of the longest ({CONTEXT})",
        f"  uncached token   {target.in_case(lambda case: _token_ms(target, every, case))} ms",
        f"  decode step      {target.in_case(lambda case: _decode_ms(target, context, case))} ms for a batch of 16",
    ]
    rows = [_row(loads, _cases(target, loads, TRACKS[number])) for number, loads in batches.items()]
    note = "minutes; range: optimistic to pessimistic; tight: the typical case is in time, the pessimistic is not"
    return "\n".join([*lines, "", tabulate(rows, _HEADERS, disable_numparse=True), note])


def _cases(target: Target, loads: Sequence[BatchLoad], track: Track) -> list[Projection]:
    return project_cases(target.shape, target.gpu, target.count, loads, track)


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


def _token_ms(target: Target, loads: Sequence[BatchLoad], case: str) -> float:
    device = target.gpu.sustained(case)
    seconds = sum(prefill_seconds(target.shape, device, target.count, load) for load in loads)
    return 1e3 * seconds / sum(load.uncached_tokens for load in loads)


def _decode_ms(target: Target, context: float, case: str) -> float:
    return 1e3 * decode_step_seconds(target.shape, target.gpu.sustained(case), target.count, 16, context)
