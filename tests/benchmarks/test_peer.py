"""Another flow's script gets our number type where it names none. vLLM is a stand-in: only its signature matters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VLLM = """
class LLM:
    def __init__(self, model, dtype="auto"):
        print(model, dtype)
"""
PEER = """
import sys
from vllm import LLM
if __name__ == "__main__":
    LLM(sys.argv[1])
    LLM(sys.argv[1], dtype="float16")
"""


def test_only_the_default_is_changed(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "vllm.py").write_text(VLLM, encoding="utf-8")
    (tmp_path / "peer.py").write_text(PEER, encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.peer", "float32", str(tmp_path / "peer.py"), "weights"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["weights float32", "weights float16"]


@pytest.mark.slow
def test_another_flow_is_kept_to_avx2_as_ours_is(repository: Path, tmp_path: Path) -> None:
    """vLLM asks PyTorch which of its kernels to load when it is imported."""
    asks = "import os, torch\nprint(torch.cpu._is_avx512_supported(), os.environ['ONEDNN_MAX_CPU_ISA'])\n"
    (tmp_path / "vllm.py").write_text(asks + VLLM, encoding="utf-8")
    (tmp_path / "peer.py").write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.peer", "float32", str(tmp_path / "peer.py")]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False AVX2"]
