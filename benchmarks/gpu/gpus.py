"""What nvidia-smi says of the GPUs here. No CUDA in this process: it would take memory from what is measured."""

from __future__ import annotations

import re
import subprocess

from tools.budget.devices import GPUS, Gpu

_SECONDS = 30


def query(fields: str) -> list[list[str]]:
    """These fields of each GPU, as nvidia-smi writes them; nothing where it is missing or fails."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [[part.strip() for part in line.split(",")] for line in lines if line.strip()]


def names() -> list[str]:
    """The GPUs' names, like "NVIDIA H100 80GB HBM3"."""
    return [fields[0] for fields in query("name")]


def memory_used() -> int | None:
    """MiB in use on all GPUs together; None where nvidia-smi does not say."""
    used = [fields[0] for fields in query("memory.used")]
    return sum(map(int, used)) if used and all(text.isdecimal() for text in used) else None


def gpu_of(found: list[str]) -> Gpu | None:
    """The GPU of tools/budget that these are, None for one it does not know.

    >>> gpu_of(["NVIDIA A100-SXM4-80GB"]).name, gpu_of(["Tesla T4"]).name, gpu_of(["NVIDIA L40"])
    ('A100-80GB', 'T4', None)
    """
    words = set(re.split(r"[\s-]+", re.sub(r"\bRTX ", "RTX", found[0]))) if found else set()
    return next((gpu for name, gpu in GPUS.items() if set(name.split("-")) <= words), None)
