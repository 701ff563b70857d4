"""Which GPU of tools/budget a machine has, by the names that nvidia-smi gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu import gpus


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Tesla T4", "T4"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L40", None),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100-PCIE-40GB", "A100-40GB"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200", "H200"),
    ],
)
def test_names_of_the_driver(name: str, known: str | None) -> None:
    found = gpus.gpu_of([name])
    assert (found.name if found else None) == known
    assert gpus.gpu_of([]) is None


def test_what_nvidia_smi_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.names() == [] and gpus.memory_used() is None
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ncase $1 in *name*) echo "Tesla T4, 7.5"; echo "Tesla T4, 7.5";; *) echo 7; echo 8;; esac\n'
    )
    program.chmod(0o755)
    assert gpus.query("name,compute_cap") == [["Tesla T4", "7.5"]] * 2
    assert gpus.memory_used() == 15
    program.write_text("#!/bin/sh\necho '[N/A]'\n")
    assert gpus.memory_used() is None
    program.write_text("#!/bin/sh\necho failed; exit 9\n")
    assert gpus.names() == []
