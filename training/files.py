"""Files of the offline stages: whole or not at all, checked before the long work, described by a provenance.json.

Used by finetune, merge, pad and quantize. Weights are compared by `fingerprint`, which reads a little of every
tensor: a 150 GB model is known in seconds, however it was cut into shards.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

PROVENANCE = "provenance.json"


class TrainingError(Exception):
    """Bad input or a failed run; the message says what, where and the remedy, in one line."""


@contextmanager
def staged(output: Path, needed: int = 0) -> Iterator[Path]:
    """A folder to write into, renamed to `output` when the block ends well and deleted when it does not.

    Args:
        needed: bytes that will be written; TrainingError at once if the disk has fewer.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingError(f"{output}: exists; delete it or give another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(output.parent).free
    if free < needed:
        raise TrainingError(f"{output}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; make room")
    beside = output.with_name(f".{output.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        if output.exists():
            output.rmdir()
        os.replace(beside, output)
    except OSError as error:
        raise TrainingError(f"{output}: cannot be written ({error.strerror or error}); make room or choose another")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON beside and then rename."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, path)


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object; TrainingError that names `what` if it is missing or broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: {what} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise TrainingError(f"{path}: {what} is broken JSON ({error}); make it again") from None
    if not isinstance(value, dict):
        raise TrainingError(f"{path}: {what} must be a JSON object; make it again")
    return value


def shards(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, in order; TrainingError if there are none or one is missing."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(read_json(index, "shard index")["weight_map"].values()))
        files = [folder / name for name in names]
    else:
        files = sorted(folder.glob("model*.safetensors"))
    missing = [file.name for file in files if not file.is_file()]
    if not files or missing:
        what = f"lacks {', '.join(missing)}" if missing else "holds no model*.safetensors"
        raise TrainingError(f"{folder}: {what}; give a complete model folder (safetensors only)")
    return files


def fingerprint(folder: Path) -> str:
    """SHA-256 over name, type, shape and first row of every tensor of a model folder."""
    rows: dict[str, bytes] = {}
    for path in shards(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                    tensor = file.get_slice(name)
                    first = tensor[:1].contiguous().flatten()[:4096]
                    facts = f"{name} {tensor.get_dtype()} {tensor.get_shape()}".encode()
                    rows[name] = facts + first.view(dtype=_bytes()).numpy().tobytes()
        except SafetensorError as error:
            raise TrainingError(f"{path}: no readable safetensors file ({error}); fetch it again") from None
    return hashlib.sha256(b"\n".join(rows[name] for name in sorted(rows))).hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """Versions of the installed ones among `packages`."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
