"""Safetensors files, a slice at a time: a 150 GB model passes through a few megabytes of memory.

The library's own `save_file` wants all tensors of a file in memory, and its memory maps count as memory in use. The
format is simple (shopbench/safetensors.py).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from shopbench.errors import UserError
from shopbench.files import replacing, write_json
from shopbench.safetensors import not_whole, read_header
from training.weights.folders import shards

TYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
CODES = {dtype: code for code, dtype in TYPES.items()}
SLICE = 32 * 2**20
"""Bytes of a tensor that are in memory at a time, about (whole rows)."""


@dataclass(frozen=True)
class Stored:
    """Where one tensor is: its file, type, shape and the place of its data."""

    path: Path
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    size: int

    def rows(self) -> Iterator[tuple[int, Tensor]]:
        """(first row, rows) from start to end, whole rows, about SLICE bytes at a time (a scalar is one row)."""
        count = self.shape[0] if self.shape else 1
        row_bytes = self.size // max(count, 1)
        step = max(1, SLICE // max(row_bytes, 1))
        with open(self.path, "rb") as file:
            file.seek(self.start)
            for first in range(0, count, step):
                number = min(step, count - first)
                buffer = bytearray(number * row_bytes)
                if file.readinto(buffer) != len(buffer):
                    raise UserError(f"{self.path}: ends inside tensor {self.name}; fetch it again")
                if buffer:
                    yield first, torch.frombuffer(buffer, dtype=self.dtype).view(number, *self.shape[1:])

    def load(self) -> Tensor:
        """The whole tensor."""
        parts = [rows for _, rows in self.rows()]
        return (torch.cat(parts) if parts else torch.empty(self.shape, dtype=self.dtype)).view(self.shape)


def stored(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file, in the order of their data; UserError for a broken file."""
    header, data = read_header(path)
    found = []
    try:
        for name, facts in header.items():
            kind, (start, end) = facts["dtype"], facts["data_offsets"]
            if kind not in TYPES:
                raise UserError(f"{path}: tensor {name} has type {kind}, which is not handled; give bf16 weights")
            tensor = Stored(path, name, TYPES[kind], tuple(facts["shape"]), data + start, end - start)
            if tensor.size != math.prod(tensor.shape) * tensor.dtype.itemsize:
                raise not_whole(path)
            found.append(tensor)
    except (ValueError, KeyError, TypeError):
        raise not_whole(path) from None
    return {tensor.name: tensor for tensor in sorted(found, key=lambda tensor: tensor.start)}


def fingerprint(folder: Path) -> str:
    """SHA-256 over name, type, shape and first row (4,096 numbers at most) of every tensor of a model folder.

    It tells models apart in seconds, even of 150 GB, and does not depend on how they were cut into shards.
    """
    found: dict[str, bytes] = {}
    for path in shards(folder):
        with open(path, "rb") as file:
            for name, tensor in stored(path).items():
                row = tensor.size // max(1, tensor.shape[0] if tensor.shape else 1)
                file.seek(tensor.start)
                facts = f"{name} {CODES[tensor.dtype]} {list(tensor.shape)}".encode()
                found[name] = facts + file.read(min(row, 4096 * tensor.dtype.itemsize))
    return hashlib.sha256(b"\n".join(found[name] for name in sorted(found))).hexdigest()


@dataclass(frozen=True)
class Written:
    """One tensor to be written: its name, type, shape, and its rows in order, whole or in pieces."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    rows: Callable[[], Iterator[Tensor]]

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return math.prod(self.shape) * self.dtype.itemsize


def write(path: Path, tensors: list[Written], progress: Callable[[int], object] = lambda _: None) -> None:
    """Write a safetensors file, whole or not at all, one piece of one tensor at a time.

    Args:
        progress: called with the number of bytes of each piece.

    Raises:
        UserError: a float tensor holds NaN or infinity: such a model answers nonsense, so it is not written.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for tensor in tensors:
        offsets = [place, place + tensor.size]
        header[tensor.name] = {"dtype": CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        place += tensor.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            _write_rows(file, tensor, progress)


def _write_rows(file: IO[bytes], tensor: Written, progress: Callable[[int], object]) -> None:
    left = tensor.size
    for rows in tensor.rows():
        if rows.is_floating_point() and not torch.isfinite(rows).all():
            raise UserError(f"{tensor.name}: holds NaN or infinity; fetch or train these weights again")
        data = rows.to(tensor.dtype).contiguous().flatten().view(torch.uint8).numpy()
        file.write(data.data)
        left -= data.nbytes
        progress(data.nbytes)
    if left:
        raise AssertionError(f"{tensor.name}: {left} bytes are missing of what was announced")


def write_model(folder: Path, plan: dict[str, list[Written]], progress: Callable[[int], object]) -> None:
    """Write the shards of a model (file name -> tensors), and an index, without which only one name is found.

    A shard that stands there under its own name is whole (a killed run wrote it) and is left as it is.
    """
    for name, tensors in plan.items():
        if (folder / name).is_file():
            progress(sum(tensor.size for tensor in tensors))
            continue
        write(folder / name, tensors, progress)
    if [*plan] != ["model.safetensors"]:
        total = sum(tensor.size for tensors in plan.values() for tensor in tensors)
        places = {tensor.name: name for name, tensors in plan.items() for tensor in tensors}
        write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": places})
