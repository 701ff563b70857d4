"""What the machine is: its CPU's flags, and GPUs as the CUDA driver describes them."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from models import machine


def test_a_cpu_is_described_without_heavy_imports(repository: Path) -> None:
    script = (
        "import sys; from models.machine import machine; found = machine()\n"
        "print(*sorted(found.cpu_flags), found.cpu_memory)\n"
        "assert not {'torch', 'vllm', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True)
    *flags, memory = done.stdout.split()
    assert int(memory) == psutil.virtual_memory().total
    assert set(flags) & {"sse2", "avx2", "asimd", "fp"}


def test_a_cpu_may_be_taken_for_one_with_avx2_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cpu_flags", lambda: frozenset({"fma", "avx2", "avx512_bf16", "amx_int8"}))
    monkeypatch.setattr(machine, "_vllm_is_for_gpus", lambda: False)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert machine.machine().cpu_flags == {"fma", "avx2"}
    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    assert len(machine.machine().cpu_flags) == 4


class Driver:
    """The CUDA driver's functions on a machine with two T4s, as the driver API documents them."""

    def __init__(self, error: int = 0) -> None:
        self.error = error

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.error

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        device._obj.value = number
        return 0

    def cuDeviceTotalMem_v2(self, size: Any, device: ctypes.c_int) -> int:  # noqa: N802
        size._obj.value = 15 * 1024**3 + device.value
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: ctypes.c_int) -> int:  # noqa: N802
        value._obj.value = {75: 7, 76: 5}[attribute]
        return 0


@pytest.mark.parametrize(("version", "error", "gpus"), [("0.32.0", 0, 2), ("0.32.0", 100, 0), ("0.32.0+cpu", 0, 0)])
def test_gpus_are_those_that_the_installed_vllm_can_use(
    version: str, error: int, gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.importlib.metadata, "version", lambda name: version)
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: Driver(error))
    found = machine.machine()
    assert found.gpu_memory == tuple(15 * 1024**3 + number for number in range(gpus))
    assert found.capability == ((7, 5) if gpus else (0, 0))
    assert bool(found.cpu_flags) == (not gpus)
