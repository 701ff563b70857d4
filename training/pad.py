"""`python -m training.pad --model DIR --output DIR`: widen the MLP with zeros until group x TP divides it.

4-bit kernels store weights in groups along the inputs, and tensor parallelism cuts the down projection along its
inputs: every part must hold whole groups. Qwen2-72B's 29568 = 231 groups of 128 cannot be cut in 4; 29696 = 58 x 512
can. A gated MLP computes down(act(gate(x)) * up(x)) with act(0) = 0 for SiLU and GELU, so zero rows in gate and up
and zero columns in down change nothing.
"""

from __future__ import annotations

from shopbench.errors import UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("training.pad")

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from shopbench.arguments import positive
from shopbench.files import read_json, write_json
from training.weights.folders import PROVENANCE, copy_beside, provenance, shards, staged
from training.weights.tensors import Stored, Written, fingerprint, stored, write_model

GROUP, TENSOR_PARALLEL = 128, 4
"""AWQ's usual group of inputs, and the four T4s of the competition."""
ROWS = ("gate_proj", "up_proj", "gate_up_proj")
COLUMNS = "down_proj"
ZERO_AT_ZERO = ("silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_tanh", "relu")


def padded_rows(source: Stored, halves: int, wanted: int) -> Iterator[Tensor]:
    """Rows of gate, up (one half) or both in one (two halves), zeros after each half until it has `wanted` rows."""
    width = source.shape[0] // halves
    zeros = torch.zeros(wanted - width, *source.shape[1:], dtype=source.dtype)
    for first, rows in source.rows():
        for start in range(0, halves * width, width):
            piece = rows[max(0, start - first) : max(0, start + width - first)]
            if len(piece):
                yield piece
            if first < start + width <= first + len(rows):
                yield zeros


def padded_columns(source: Stored, wanted: int) -> Iterator[Tensor]:
    """Rows of down with zeros after their last column."""
    for _, rows in source.rows():
        yield torch.nn.functional.pad(rows, (0, wanted - source.shape[1]))


def padded(source: Stored, width: int, wanted: int) -> Written:
    """A tensor after padding; UserError if it is of the MLP and has another width than the configuration's."""
    kind = source.name.split(".")[-2] if "." in source.name else ""
    halves = 2 if kind == "gate_up_proj" else 1
    if kind in ROWS:
        axis, pieces = 0, partial(padded_rows, source, halves, wanted)
    elif kind == COLUMNS and len(source.shape) == 2:
        axis, pieces = 1, partial(padded_columns, source, wanted)
    else:
        return Written(source.name, source.dtype, source.shape, lambda: (rows for _, rows in source.rows()))
    if source.shape[axis] != halves * width or not source.dtype.is_floating_point:
        problem = f"{source.path}: {source.name} is {source.dtype} {source.shape}"
        raise UserError(
            f"{problem}, not float with {halves * width} along axis {axis}; pad the dense, unquantized model"
        )
    shape = (*source.shape[:axis], halves * wanted, *source.shape[axis + 1 :])
    return Written(source.name, source.dtype, shape, pieces)


def pad(model: Path, output: Path, multiple: int) -> tuple[int, int]:
    """Write the padded model folder; return intermediate_size before and after. UserError if it cannot be padded."""
    config = read_json(model / "config.json", "model configuration", "give a Hugging Face model folder")
    width, activation = config.get("intermediate_size"), config.get("hidden_act", config.get("hidden_activation"))
    if not isinstance(width, int) or config.get("quantization_config"):
        raise UserError(f"{model}: has no float MLP with an intermediate_size; pad before quantizing")
    wanted = -(-width // multiple) * multiple
    found = {file.name: stored(file).values() for file in shards(model)}
    names = [tensor.name for tensors in found.values() for tensor in tensors]
    if not any(f"{COLUMNS}.weight" in name for name in names) or not any("gate" in name for name in names):
        raise UserError(f"{model}: {config.get('model_type')} has no gated MLP (gate, up, down); nothing can be padded")
    if activation not in ZERO_AT_ZERO:
        raise UserError(f"{model}: activation {activation!r} is not known to keep zeros zero; it cannot be padded")
    plans = {shard: [padded(tensor, width, wanted) for tensor in tensors] for shard, tensors in found.items()}
    needed = sum(tensor.size for tensors in plans.values() for tensor in tensors)
    change = {"from": width, "to": wanted, "multiple": multiple, "source": fingerprint(model)}
    facts = {**provenance(model), "padded": change}
    with staged(output, needed, facts) as folder, tqdm(total=needed, unit="B", unit_scale=True, desc="padding") as bar:
        write_model(folder, plans, bar.update)
        copy_beside(model, folder)
        write_json(folder / "config.json", {**config, "intermediate_size": wanted})
        write_json(folder / PROVENANCE, facts)
    return width, wanted


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    about = "Widen the MLP with zeros until group x TP divides it."
    parser = argparse.ArgumentParser(prog="python -m training.pad", description=about)
    parser.add_argument("--model", required=True, type=Path, help="folder of the float model")
    parser.add_argument("--output", required=True, type=Path, help="folder for the result")
    parser.add_argument("--group", type=positive, default=GROUP, help="of the quantization (default: %(default)s)")
    parser.add_argument("--tp", type=positive, default=TENSOR_PARALLEL, help="tensor parallel (default: %(default)s)")
    given = parser.parse_args(argv)
    before, after = pad(given.model, given.output, given.group * given.tp)
    print(f"{given.output}: intermediate_size {before} -> {after}")
    return 0
