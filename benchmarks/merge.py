"""Merging: peak memory and time of `training.merge` against PEFT's merge_and_unload and save_pretrained.

    python -m benchmarks.merge --base DIR [--rank 64]

Each side runs in a process of its own on the same random adapter of all linear layers, and is measured from outside:
seconds from start to end, and the peak resident memory that the kernel reports, libraries included.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.merge")

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shopbench.arguments import positive
from shopbench.files import write_json
from training.weights.tensors import fingerprint, stored

PEFT = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base, adapter, output = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, dtype="auto", local_files_only=True)
PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(output)
"""
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def make_adapter(base: Path, folder: Path, rank: int) -> None:
    """A random adapter of all linear layers, in PEFT's format, made from the shapes alone."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = {}
    for file in sorted(base.glob("model*.safetensors")):
        for name, weight in stored(file).items():
            if name.split(".")[-2] in LINEAR and name.endswith(".weight"):
                outputs, inputs = weight.shape
                module = f"base_model.model.{name.removesuffix('.weight')}"
                tensors[f"{module}.lora_A.weight"] = torch.randn(rank, inputs) / inputs**0.5
                tensors[f"{module}.lora_B.weight"] = torch.randn(outputs, rank) * 0.01
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    # Not by PEFT: a process starts with the peak memory of the one that started it, and this one would be the larger.
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(base), "bias": "none"}
    sizes = {"r": rank, "lora_alpha": rank, "target_modules": LINEAR}
    write_json(folder / "adapter_config.json", config | sizes)
    write_json(folder / "provenance.json", {"base_fingerprint": fingerprint(base)})


def measured(command: list[str]) -> dict[str, Any]:
    """Seconds and peak memory (MB) of a command, which must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise UserError(f"a merge failed with exit code {code}; try it alone: {shlex.join(command)}")
    return {"seconds": round(time.perf_counter() - started, 1), "peak_mb": round(usage.ru_maxrss / 1024)}


def difference(ours: Path, theirs: Path) -> float:
    """Largest difference of two merged models, relative to the largest weight of its tensor."""
    others = {name: tensor for file in theirs.glob("*.safetensors") for name, tensor in stored(file).items()}
    worst = 0.0
    for file in ours.glob("*.safetensors"):
        for name, tensor in stored(file).items():
            a, b = tensor.load().float(), others[name].load().float()
            worst = max(worst, ((a - b).abs().max() / b.abs().max()).item())
    return worst


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.merge", description="streamed merge against PEFT's")
    parser.add_argument("--base", type=Path, required=True, help="folder of a float model")
    parser.add_argument("--rank", type=positive, default=64)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        adapter = folder / "adapter"
        make_adapter(given.base, adapter, given.rank)
        merge = [sys.executable, "-m", "training.merge", "--recipe", "embedded", "--base", str(given.base)]
        ours = measured([*merge, "--adapters", f"{adapter}:1", "--output", str(folder / "ours")])
        theirs = measured([sys.executable, "-c", PEFT, str(given.base), str(adapter), str(folder / "theirs")])
        off = difference(folder / "ours", folder / "theirs")
    share = round(ours["peak_mb"] / theirs["peak_mb"], 3)
    size = round(sum(file.stat().st_size for file in given.base.glob("*.safetensors")) / 2**20)
    result = {"streamed": ours, "peft": theirs, "memory_share": share, "largest_relative_difference": off}
    print(json.dumps({**result, "model_mb": size}, indent=2))
    return DONE
