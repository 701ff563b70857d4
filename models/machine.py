"""What this machine computes with, found without torch or vLLM: importing them takes longer than many a run."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

_GIB = 1024**3
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of the CUDA driver API."""


@dataclass(frozen=True)
class Machine:
    """What computes: memory (bytes) and compute capability of each GPU, none for a CPU; the CPU's flags and memory."""

    gpu_memory: tuple[int, ...] = ()
    capability: tuple[int, int] = (0, 0)
    cpu_flags: frozenset[str] = frozenset()
    cpu_memory: int = 8 * _GIB


def machine() -> Machine:
    """This machine: the GPUs that the installed vLLM would use, else its CPU."""
    gpus = _gpus() if _vllm_is_for_gpus() else []
    if gpus:
        return Machine(gpu_memory=tuple(memory for memory, _ in gpus), capability=gpus[0][1])
    flags = _cpu_flags()
    if keeps_to_avx2():
        flags = frozenset(flag for flag in flags if not flag.startswith(("avx512", "amx", "avx_vnni")))
    return Machine(cpu_flags=flags, cpu_memory=psutil.virtual_memory().total)


def _vllm_is_for_gpus() -> bool:
    """Whether the installed vLLM was built for CUDA; the CPU build has a name or a version of its own."""
    if importlib.util.find_spec("vllm") is None:
        raise ModuleNotFoundError("No module named 'vllm'", name="vllm")
    try:
        return "cpu" not in importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        return False


def _gpus() -> list[tuple[int, tuple[int, int]]]:
    """(memory in bytes, compute capability) of each GPU in CUDA_VISIBLE_DEVICES, asked of the driver itself."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    return [_gpu(driver, number) for number in range(count.value)]


def _gpu(driver: ctypes.CDLL, number: int) -> tuple[int, tuple[int, int]]:
    memory, major, minor = ctypes.c_size_t(), ctypes.c_int(), ctypes.c_int()
    device = ctypes.c_int()
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    for value, attribute in ((major, _MAJOR), (minor, _MINOR)):
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    return memory.value, (major.value, minor.value)


def keeps_to_avx2(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether PyTorch is told to leave a CPU's wider instructions alone, to see what a CPU without them does."""
    return environment.get("ATEN_CPU_CAPABILITY") == "avx2"


def _cpu_flags() -> frozenset[str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            flags = next((line.split(":", 1)[1] for line in info if line.startswith(("flags", "Features"))), "")
    except OSError:
        return frozenset()
    return frozenset(flags.split())
