"""What computes, in numbers: public specifications of GPUs, and which share of them a real engine gets.

Peaks are the makers' published ones: dense fp16 tensor throughput, memory bandwidth, one direction of the link
between GPUs. Memory is what CUDA reports as total (with ECC), rounded down. Shares are assumptions, each a range
(pessimistic, typical, optimistic), and every projection carries the range through to its result:

* compute: large matrix products with 4-bit weights reach a third of a T4's peak (a 70 W card that lowers its clock
  under load), half of a bigger card's.
* attention: FlashAttention on prompts of a few hundred tokens reaches a third of the tensor cores' peak. On a T4 vLLM
  takes Triton's kernel, which Triton compiles for sm_75 without tensor cores: 0.8 to 3 TFLOP/s of its 8.1 in float32.
* bandwidth: reading weights with small batches reaches three quarters of the peak. Hopper's was measured once, on
  an H200 (docs/results/gpu/h200.json): with 16 sequences Machete read 72B's 4-bit weights at a third of its peak, while
  products of long prompts ran at 0.8 of theirs. An H100, of less bandwidth and the same compute, is put between.
* link: cards without NVLink exchange through host memory, at about half of PCIe's nominal speed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shopbench.errors import UserError

GIB = 1024**3
CASES = ("pessimistic", "typical", "optimistic")
Range = tuple[float, float, float]


@dataclass(frozen=True)
class Device:
    """One processor as a projection sees it, in one case (see CASES): what it sustains, not its peaks.

    In bytes, operations and bytes a second, and seconds. `link` leads to the other processors; an all-reduce of any
    size begins to move data after `latency`; `step_overhead` is the engine's own (scheduling, sampling, launching).
    """

    name: str
    memory: float
    flops: float
    bandwidth: float
    link: float = float("inf")
    latency: float = 0.0
    step_overhead: float = 0.0
    attention: float | None = None
    """Operations a second in attention; None: as in matrix products."""


@dataclass(frozen=True)
class Gpu:
    """Published figures of a GPU: GiB, TFLOP/s, GB/s, GB/s one way, and its CUDA compute capability."""

    name: str
    memory_gib: float
    teraflops: float
    bandwidth: float
    link: float
    capability: tuple[int, int]
    nvlink: bool = False
    compute_share: Range = (0.40, 0.55, 0.70)
    bandwidth_share: Range = (0.65, 0.78, 0.88)
    attention: Range | None = None
    """Sustained TFLOP/s in attention; None: shares of the peak."""

    def sustained(self, case: str) -> Device:
        place = CASES.index(case)
        link_share = (0.55, 0.70, 0.80) if self.nvlink else (0.35, 0.50, 0.60)
        latency = (20e-6, 12e-6, 8e-6) if self.nvlink else (45e-6, 30e-6, 20e-6)
        attention = self.attention or tuple(share * self.teraflops for share in (0.15, 0.30, 0.50))
        return Device(
            name=self.name,
            memory=self.memory_gib * GIB,
            flops=self.teraflops * 1e12 * self.compute_share[place],
            bandwidth=self.bandwidth * 1e9 * self.bandwidth_share[place],
            link=self.link * 1e9 * link_share[place],
            latency=latency[place],
            step_overhead=(4e-3, 2e-3, 1e-3)[place],
            attention=attention[place] * 1e12,
        )


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu("T4", 14.5, 65, 320, 15.75, (7, 5), compute_share=(0.27, 0.35, 0.45), attention=(0.8, 1.5, 3.0)),
        Gpu("L4", 22.0, 121, 300, 31.5, (8, 9), compute_share=(0.30, 0.42, 0.55)),
        Gpu("A10G", 21.9, 70, 600, 31.5, (8, 6)),
        Gpu("RTX3090", 23.6, 71, 936, 31.5, (8, 6)),
        Gpu("RTX4090", 23.6, 165, 1008, 31.5, (8, 9)),
        Gpu("L40S", 44.3, 362, 864, 31.5, (8, 9)),
        Gpu("A100-40GB", 39.3, 312, 1555, 300, (8, 0), nvlink=True),
        Gpu("A100-80GB", 79.1, 312, 2039, 300, (8, 0), nvlink=True),
        Gpu("H100", 79.1, 989, 3350, 450, (9, 0), True, (0.50, 0.75, 0.92), (0.42, 0.55, 0.80)),
        Gpu("H200", 139.7, 989, 4800, 450, (9, 0), True, (0.50, 0.75, 0.92), (0.32, 0.38, 0.60)),
    )
}


def parse_gpus(text: str) -> tuple[Gpu, int]:
    """The GPU and the number of them in "T4x4" or "A100-80GB"; a UserError that lists the known ones."""
    found = re.fullmatch(r"(.+?)(?:x([1-9]\d*))?", text)
    if not found or found[1] not in GPUS:
        raise UserError(f"--gpu: unknown GPUs {text!r}; write <name>x<number>, known names: {', '.join(GPUS)}")
    return GPUS[found[1]], int(found[2] or 1)
