"""How the engine is set up: read from the weights' own config and the machine, each value overridable.

Environment variables (unset or empty: the value named last):
    SHOPBENCH_WEIGHTS          the weights folder; the active track's (aicrowd.json), else weights/embedded
    SHOPBENCH_TENSOR_PARALLEL  workers; on GPUs all of them (1 if one is big enough), on a CPU 1
    SHOPBENCH_DTYPE            float16, bfloat16 or float32; what the machine computes natively, see `_dtype`
    SHOPBENCH_QUANTIZATION     vLLM's name of a method; what the weights' config.json says
    SHOPBENCH_MEMORY_SHARE     share of each GPU's memory; 0.95
    SHOPBENCH_CONTEXT          most tokens of prompt and answer; 3072, or the model's own limit if that is less
    SHOPBENCH_BLOCK_SIZE       tokens in a block of the prefix cache; 16 on GPUs, 32 on a CPU
    SHOPBENCH_EAGER            1 without graphs, 0 with; 0 on GPUs, 1 on a CPU
    SHOPBENCH_BATCH_SIZE       questions in a batch, 1 to 16; 16
    SHOPBENCH_CONSTRAINTS      how answers are held to their form: exact, winners or none; exact
    SHOPBENCH_ANSWER_BY        what options are named by, number or text; what the weights were trained for
    SHOPBENCH_RUN_SECONDS      when everything is answered by fallback, 0 for never; the active track's limit if its
                               own weights are served, else never
    SHOPBENCH_QUESTION_SECONDS most time for each question of a batch, then open answers are cut; the evaluator's 10,
                               for benchmarks without time limits 120
vLLM's own variables (VLLM_CPU_OMP_THREADS_BIND and the like) are left as the user set them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.machine import Machine
from models.weights import Weights, WeightsError
from shopbench.errors import UserError
from shopbench.naming import AnswerBy
from shopbench.tracks import MAX_BATCH_SIZE, MIN_BATCH_SIZE

CONTEXT = 3072
"""Tokens of prompt and answer, as in the winning solution: all but a few questions fit, 13 of this length in 4 T4s."""
CONSTRAINTS = ("exact", "winners", "none")
_TENSOR_CORE_BF16 = (8, 0)
_GIB = 1024**3


class SettingsError(UserError):
    """An environment variable that cannot be used: which, what it says, and what it may say, in one line."""


@dataclass(frozen=True)
class EngineSettings:
    """Everything models.engine needs to start; sizes in tokens, memory in bytes."""

    weights: Path
    on_gpu: bool
    tensor_parallel: int
    dtype: str
    context: int
    block_size: int
    eager: bool
    sequences: int
    cache_bytes: int | None = None
    memory_share: float = 0.95
    quantization: str | None = None
    ray: bool = False
    """More workers than this machine has GPUs: spread over a Ray cluster."""
    lora_rank: int = 0
    """Highest rank of the adapters that requests may name; 0 for an engine without adapters, which is faster."""
    vllm_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Further ones, by vLLM's names, for measurements of one kernel or another."""


@dataclass(frozen=True)
class Behaviour:
    """How questions are answered, apart from the engine: see the table above."""

    batch_size: int = MAX_BATCH_SIZE
    constraints: str = "exact"
    run_seconds: float | None = None
    answer_by: AnswerBy = AnswerBy.NUMBER
    question_seconds: float | None = None


def behaviour(environment: Mapping[str, str] = os.environ, trained_for: str = AnswerBy.NUMBER) -> Behaviour:
    """What the environment says about answering; a SettingsError for a value that cannot be used.

    Args:
        trained_for: what the weights name options by (`models.weights.answer_by`).
    """
    seconds = _number(environment, "SHOPBENCH_RUN_SECONDS", None, 0, 10**9)
    constraints = environment.get("SHOPBENCH_CONSTRAINTS") or "exact"
    if constraints not in CONSTRAINTS:
        raise SettingsError(f"SHOPBENCH_CONSTRAINTS={constraints}: must be one of {', '.join(CONSTRAINTS)}")
    answer_by = environment.get("SHOPBENCH_ANSWER_BY") or trained_for
    if answer_by not in tuple(AnswerBy):
        raise SettingsError(f"SHOPBENCH_ANSWER_BY={answer_by}: must be one of {', '.join(AnswerBy)}")
    return Behaviour(
        # Only the exact spaces know names: other constraints are there to compare with others' decoding.
        answer_by=AnswerBy(answer_by) if constraints == "exact" else AnswerBy.NUMBER,
        batch_size=_whole(environment, "SHOPBENCH_BATCH_SIZE", MAX_BATCH_SIZE, MIN_BATCH_SIZE, MAX_BATCH_SIZE),
        constraints=constraints,
        run_seconds=seconds,
        question_seconds=_number(environment, "SHOPBENCH_QUESTION_SECONDS", None, 1, 10**6),
    )


def choose(weights: Weights, machine: Machine, environment: Mapping[str, str] = os.environ) -> EngineSettings:
    """Settings for these weights on this machine; a WeightsError or SettingsError if there can be none."""
    on_gpu = bool(machine.gpu_memory)
    share = _number(environment, "SHOPBENCH_MEMORY_SHARE", 0.95, 0.1, 1.0) or 0.95
    parts = _whole(environment, "SHOPBENCH_TENSOR_PARALLEL", 0, 1, 64) or _tensor_parallel(weights, machine, share)
    weights.check_tensor_parallel(parts)
    _check_memory(weights, machine, share, parts)
    _check_kernels(weights, machine)
    dtype = environment.get("SHOPBENCH_DTYPE") or _dtype(weights, machine)
    if dtype not in ("float16", "bfloat16", "float32"):
        raise SettingsError(f"SHOPBENCH_DTYPE={dtype}: must be float16, bfloat16 or float32")
    longest = int(weights.config.get("max_position_embeddings") or CONTEXT)
    context = _whole(environment, "SHOPBENCH_CONTEXT", min(CONTEXT, longest), 128, longest)
    return EngineSettings(
        weights=weights.folder,
        on_gpu=on_gpu,
        tensor_parallel=parts,
        dtype=dtype,
        context=context,
        block_size=_whole(environment, "SHOPBENCH_BLOCK_SIZE", 16 if on_gpu else 32, 1, 512),
        eager=bool(_whole(environment, "SHOPBENCH_EAGER", 0 if on_gpu else 1, 0, 1)),
        sequences=MAX_BATCH_SIZE,
        cache_bytes=None if on_gpu else _cpu_cache_bytes(weights, machine, dtype, context),
        memory_share=share,
        quantization=environment.get("SHOPBENCH_QUANTIZATION") or None,
        ray=on_gpu and parts > len(machine.gpu_memory),
    )


def _tensor_parallel(weights: Weights, machine: Machine, share: float) -> int:
    """One worker where a GPU holds the weights in half its memory (or on a CPU), else every GPU the heads allow."""
    count = len(machine.gpu_memory)
    if count <= 1 or weights.size < min(machine.gpu_memory) * share / 2:
        return 1
    heads = int(weights.config.get("num_attention_heads") or count)
    return max(part for part in range(1, count + 1) if heads % part == 0)


def _check_memory(weights: Weights, machine: Machine, share: float, parts: int) -> None:
    if machine.gpu_memory and weights.size / parts > min(machine.gpu_memory) * share:
        raise WeightsError(
            f"{weights.folder}: {weights.size / _GIB:.1f} GiB of weights on {parts} x "
            f"{min(machine.gpu_memory) / _GIB:.1f} GiB of GPU memory; quantize them (python -m training.quantize)"
        )


def _check_kernels(weights: Weights, machine: Machine) -> None:
    """What vLLM would compute wrongly, without a word, or not at all."""
    if machine.gpu_memory or not weights.quantization or "avx2" not in machine.cpu_flags:
        return
    if "avx512f" not in machine.cpu_flags:
        raise WeightsError(
            f"{weights.folder}: vLLM computes with quantized weights on CPUs with AVX-512 only, this one has AVX2; "
            "serve the float model they were made from, or use a GPU"
        )
    if weights.has_8_bit_activations and not machine.cpu_flags & {"avx512_vnni", "amx_int8"}:
        raise WeightsError(
            f"{weights.folder}: 8-bit products need a CPU with VNNI, without it their sums are cut off at 16 bits; "
            "serve the float model they were made from"
        )


def _dtype(weights: Weights, machine: Machine) -> str:
    """Half precision where the hardware has it: bfloat16 from Ampere on, float16 on older GPUs.

    On a CPU bfloat16 needs AMX or AVX512-BF16 (or 4-bit weights, whose kernels take nothing else).
    Without, every product is emulated: SmolLM2-135M takes four times as long as in float32 on AVX2.
    """
    if machine.gpu_memory:
        return "bfloat16" if machine.capability >= _TENSOR_CORE_BF16 else "float16"
    has_bf16 = bool(machine.cpu_flags & {"avx512_bf16", "amx_bf16", "bf16"})
    takes_nothing_else = weights.quantization and not weights.has_8_bit_activations
    return "bfloat16" if has_bf16 or takes_nothing_else else "float32"


def _cpu_cache_bytes(weights: Weights, machine: Machine, dtype: str, context: int) -> int:
    """Memory for a full batch of full contexts, at most a quarter of the machine's and at least half a GiB."""
    config = weights.config
    heads = int(config.get("num_attention_heads") or 1)
    width = int(config.get("head_dim") or int(config.get("hidden_size") or 64) // heads)
    values = int(config.get("num_hidden_layers") or 1) * int(config.get("num_key_value_heads") or heads) * width * 2
    wanted = MAX_BATCH_SIZE * context * values * (4 if dtype == "float32" else 2)
    return max(min(wanted, machine.cpu_memory // 4), _GIB // 2)


def _whole(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = _number(environment, name, default, low, high)
    if value is None or value != int(value):
        raise SettingsError(f"{name}={environment.get(name)}: must be a whole number from {low} to {high}")
    return int(value)


def _number(environment: Mapping[str, str], name: str, default: float | None, low: float, high: float) -> float | None:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise SettingsError(f"{name}={text}: must be a number from {low:g} to {high:g}")
    return value
