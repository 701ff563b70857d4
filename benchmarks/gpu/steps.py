"""The steps: what each proves, on which weights, under which settings. In the order of what they prove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CPU = "cpu"
"""Names the reference's answers among those that a step's are compared with."""


@dataclass(frozen=True)
class Step:
    """One measurement, in a process of its own.

    Attributes:
        about: what it proves.
        weights: their name in models.py.
        seconds: most that it may take; compiling for a GPU that the wheel holds no machine code for included.
        kind: what is done, see kinds.py.
        environment, vllm_options: settings of its process and its engine.
        compared_with: steps whose answers should be these, and CPU.
        gpu_only: why a CPU cannot do it; empty if it can.
        must_choose: what vLLM must say that it has chosen; else the step has not measured what it is for.
    """

    about: str
    weights: str
    seconds: int = 300
    kind: str = "answers"
    environment: Mapping[str, str] = field(default_factory=dict)
    vllm_options: Mapping[str, Any] = field(default_factory=dict)
    compared_with: tuple[str, ...] = ()
    gpu_only: str = ""
    must_choose: tuple[str, ...] = ()


STEPS: dict[str, Step] = {
    "exact": Step("the submitted model, as it is served", "embedded", compared_with=(CPU,)),
    "winners": Step(
        "the winners' flow: batches of 16, a call for each task type, their logits processors, eager",
        "embedded",
        kind="winners",
        environment={"SHOPBENCH_CONSTRAINTS": "winners", "SHOPBENCH_EAGER": "1"},
        compared_with=(CPU,),
    ),
    "plain": Step(
        "one call with all questions, none held to its form: what vLLM can do here",
        "embedded",
        kind="plain",
        environment={"SHOPBENCH_CONSTRAINTS": "none"},
    ),
    "eager": Step(
        "without CUDA graphs",
        "embedded",
        environment={"SHOPBENCH_EAGER": "1"},
        compared_with=("exact", CPU),
        gpu_only="a CPU computes without graphs",
    ),
    "float": Step("the 4-bit numbers as bfloat16: what awq is compared with", "float", compared_with=(CPU,)),
    "awq_t4": Step(
        "4-bit weights as four T4s compute them: float16, Marlin, Triton's attention",
        "awq",
        environment={"SHOPBENCH_DTYPE": "float16", "VLLM_DISABLED_KERNELS": "MacheteLinearKernel"},
        vllm_options={"attention_backend": "TRITON_ATTN"},
        compared_with=("float",),
        gpu_only="kernels of GPUs",
        must_choose=("MarlinLinearKernel", "TRITON_ATTN"),
    ),
    "awq": Step("4-bit weights as this machine computes them by itself", "awq", compared_with=("float", CPU)),
    "lora": Step(
        "an adapter served beside its base, against the same one merged into it",
        "base",
        kind="lora",
        compared_with=("merged", CPU),
    ),
    "72b": Step(
        "Qwen2-72B's sizes with random weights: times against the projection",
        "72b",
        seconds=600,
        kind="shaped",
        vllm_options={"load_format": "dummy"},
    ),
}
