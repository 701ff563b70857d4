"""What would bring a track inside its minutes: changes one by one, and the one setting that does it for certain.

"Certain" is: even in the pessimistic case. The setting is SHOPBENCH_CONTEXT (models/settings.py): longer questions lose
the middles of their longest lines (shopbench/shorten.py). The other changes are shown to say what they would be worth;
where one needs other weights or kernels, its line says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tabulate import tabulate

from shopbench.sample import Sample
from shopbench.tracks import Track
from tools.budget.projection import Projection, Target, project
from tools.budget.workload import GPU_BLOCK, USUAL, Asking, BatchLoad, batches_of_track

_STEP = 32
"""Contexts are looked for in steps of so many tokens: the projection is no finer."""
SHORTEST = 128
"""What SHOPBENCH_CONTEXT may be at least."""
_SPARE = 0.97
"""Share of the minutes that the recommended setting may take."""
_INT8_SPEED = 2.0
"""Peak of 8-bit tensor cores over fp16's, on every GPU of devices.py."""


@dataclass(frozen=True)
class Cut:
    """A change, and the track's time with it in the pessimistic and in the typical case (None: it does not fit)."""

    name: str
    pessimistic: Projection | None
    typical: Projection | None

    @classmethod
    def of(cls, name: str, target: Target, loads: Sequence[BatchLoad], track: Track) -> Cut:
        """The change's time, from the target and batches that it leads to."""
        if target.memory().cache <= 0:
            return cls(name, None, None)
        return cls(name, *(project(target, loads, track, case) for case in ("pessimistic", "typical")))

    @property
    def certain(self) -> bool:
        """Whether the track ends in time even in the pessimistic case."""
        return self.pessimistic is not None and self.pessimistic.in_time

    def row(self) -> list[str]:
        """As a line of the table."""
        if self.pessimistic is None or self.typical is None:
            return [self.name, "does not fit", "", ""]
        minutes = [f"{projection.total / 60:.1f}" for projection in (self.typical, self.pessimistic)]
        return [self.name, *minutes, "yes" if self.certain else "no"]


def cuts(
    target: Target, samples: Sequence[Sample], tokenizer: Any, track: Track, asking: Asking = USUAL
) -> Iterator[Cut]:
    """Each change alone, first none; `asking`: without a change."""
    shape = target.shape
    plain = batches_of_track(samples, tokenizer, track, asking)
    eight_bits = replace(shape, layer_weight_bytes=1.0)
    for name, changed in (
        ("none", target),
        ("steps of half as many tokens", replace(target, step_tokens=target.step_tokens // 2)),
        ("steps of twice as many tokens", replace(target, step_tokens=target.step_tokens * 2)),
        ("8-bit cache", replace(target, shape=replace(shape, cached_bytes=1))),
        ("8-bit weights and activations", replace(target, shape=eight_bits, product_speed=_INT8_SPEED)),
        ("4-bit weights, 8-bit activations (symmetric weights)", replace(target, product_speed=_INT8_SPEED)),
    ):
        yield Cut.of(name, changed, plain, track)
    for block in (1, 2 * GPU_BLOCK):
        batches = batches_of_track(samples, tokenizer, track, replace(asking, block_size=block))
        yield Cut.of(f"blocks of {block} in the prefix cache", target, batches, track)
    for shorter in (one for one in (1024, 512, 384, 256) if one < asking.context):
        batches = batches_of_track(samples, tokenizer, track, replace(asking, context=shorter))
        yield Cut.of(f"SHOPBENCH_CONTEXT={shorter}", target, batches, track)


def certain_context(
    target: Target, samples: Sequence[Sample], tokenizer: Any, track: Track, asking: Asking = USUAL
) -> Cut | None:
    """The longest context with which the track ends in time even in the pessimistic case; None if none does."""
    few, many = SHORTEST // _STEP, asking.context // _STEP
    found = None
    while few <= many:
        middle = (few + many) // 2
        batches = batches_of_track(samples, tokenizer, track, replace(asking, context=middle * _STEP))
        cut = Cut.of(f"SHOPBENCH_CONTEXT={middle * _STEP}", target, batches, track)
        if cut.pessimistic is not None and cut.pessimistic.total <= _SPARE * 60 * track.minutes:
            found, few = cut, middle + 1
        else:
            many = middle - 1
    return found


def cuts_text(target: Target, samples: Sequence[Sample], tokenizer: Any, track: Track, asking: Asking = USUAL) -> str:
    """The table of changes, and what to do."""
    rows = [cut.row() for cut in cuts(target, samples, tokenizer, track, asking)]
    table = tabulate(rows, ["change", "typical", "pessimistic", "certain"], disable_numparse=True)
    found = certain_context(target, samples, tokenizer, track, asking)
    title = f"Track {track.number} is not certain to end within {track.minutes} minutes. What each change is worth:"
    if found is None or found.pessimistic is None:
        todo = f"no context from {SHORTEST} tokens on is enough: take more or larger GPUs, or a smaller model"
    else:
        minutes = found.pessimistic.total / 60
        todo = f"to be certain set {found.name}: {minutes:.1f} of {track.minutes} minutes in the pessimistic case"
    return f"{title}\n\n{table}\n{todo}"
