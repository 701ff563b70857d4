"""The environment in which the engine's process starts: what must stand there before Python runs at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from models.settings import EngineSettings, SettingsError

_ALWAYS = {
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the V2 runner refuses logits processors
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the process that is started is vLLM's core itself
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}
_UNLESS_SET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    # FlashInfer's sampler, the default from sm_80 on, compiles itself with nvcc; greedy decoding needs none of it.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore",
}
_CPU_UNLESS_SET = {
    # Without, every large tensor is mapped anew and its pages are faulted in and zeroed.
    "MALLOC_MMAP_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    # Milliseconds that a thread waits for work before it sleeps: less than a step, so that others get the core.
    "KMP_BLOCKTIME": "5",
    "KMP_TPAUSE": "0",  # waiting, it keeps the core awake
}
_PROCESSORS, _NODES = Path("/sys/devices/system/cpu"), Path("/sys/devices/system/node")


def engine_environment(settings: EngineSettings, ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Our environment with what vLLM finds there; docs/performance.md has what the CPU's part is worth."""
    environment = {**_UNLESS_SET, **ours, **_ALWAYS}
    if settings.on_gpu:
        return environment
    environment = {**_CPU_UNLESS_SET, **environment}
    openmp, preloaded = Path(sys.prefix, "lib", "libiomp5.so"), environment.get("LD_PRELOAD", "")
    if openmp.is_file() and "omp" not in preloaded:  # its threads meet faster than those of PyTorch's GNU OpenMP
        environment["LD_PRELOAD"] = f"{openmp}:{preloaded}".rstrip(":")
    if settings.tensor_parallel > 1:  # vLLM gives each of its workers cores of its own
        if (os.cpu_count() or 1) <= 4:  # it would keep one core for itself, which idles while the workers compute
            environment.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
        return environment
    cores = {_siblings(number) for number in processors(environment)}
    threads = len(cores) - int(environment.get("VLLM_CPU_NUM_OF_RESERVED_CPU") or 0)
    environment.setdefault("OMP_NUM_THREADS", str(max(threads, 1)))
    return environment


def processors(environment: Mapping[str, str] = os.environ) -> set[int]:
    """The logical processors that an engine in one process computes on.

    VLLM_CPU_OMP_THREADS_BIND may list them, as for a worker of vLLM's; else they are those of one NUMA node, whose
    memory is near. Threads may move among them: one that is bound to a core waits for whatever else runs there.
    """
    listed, allowed = environment.get("VLLM_CPU_OMP_THREADS_BIND") or "auto", os.sched_getaffinity(0)
    if listed == "nobind":
        return allowed
    if listed != "auto":
        return _numbers(listed)
    nodes = [allowed & _numbers(path.read_text(encoding="utf-8")) for path in sorted(_NODES.glob("node*/cpulist"))]
    return max(nodes, key=len, default=allowed) or allowed


def _numbers(text: str) -> set[int]:
    """The processors in a list like "0-3,8"."""
    try:
        ranges = [part.split("-") for part in text.strip().split(",") if part]
        return {number for ends in ranges for number in range(int(ends[0]), int(ends[-1]) + 1)}
    except ValueError:
        raise SettingsError(f"VLLM_CPU_OMP_THREADS_BIND={text}: must list processors, like 0-3,8") from None


def _siblings(processor: int) -> str:
    """The logical processors of this one's core, as the system lists them."""
    try:
        return (_PROCESSORS / f"cpu{processor}/topology/thread_siblings_list").read_text(encoding="utf-8")
    except OSError:
        return str(processor)
