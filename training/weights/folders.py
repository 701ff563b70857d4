"""Files of the offline stages: whole or not at all, checked before the long work, described by a provenance.json.

Used by finetune, merge, pad and quantize.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.files import ROOT, read_json, write_json

PROVENANCE = "provenance.json"
WEIGHTS = ROOT / "weights"


class TrainingError(UserError):
    """Bad input or a failed run; the message says what, where and the remedy, in one line."""


@contextmanager
def staged(output: Path, needed: int = 0, resume: dict[str, Any] | None = None) -> Iterator[Path]:
    """A folder to write into, renamed to `output` when the block ends well and deleted when it does not.

    Args:
        needed: bytes that will be written; TrainingError at once if the disk has fewer.
        resume: what the content follows from; what a killed run with the same facts has written is then found again.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingError(f"{output}: exists; delete it or give another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f".{output.name}.part")
    facts = beside / "facts.json"
    if resume is None or not facts.is_file() or json.loads(facts.read_text(encoding="utf-8") or "0") != resume:
        shutil.rmtree(beside, ignore_errors=True)
    free = shutil.disk_usage(output.parent).free
    written = sum(file.stat().st_size for file in beside.glob("*"))
    if free + written < needed:
        raise TrainingError(f"{output}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; make room")
    beside.mkdir(exist_ok=True)
    try:
        write_json(facts, resume)
        yield beside
        facts.unlink()
        if output.exists():
            output.rmdir()
        os.replace(beside, output)
    except OSError as error:
        problem = f"{output}: cannot be written ({error.strerror or error}); make room or choose another"
        raise TrainingError(problem) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


NOT_COPIED = (".safetensors", ".bin", ".index.json", ".gguf", PROVENANCE)


def copy_beside(source: Path, folder: Path) -> None:
    """Copy what stands beside the weights: configuration, tokenizer, licence, model card."""
    for file in source.iterdir():
        if file.is_file() and not file.name.endswith(NOT_COPIED) and not file.name.startswith("."):
            shutil.copyfile(file, folder / file.name)


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


def base_folder(name: str, given: Path | None) -> Path:
    """Where the base model is: `given`, else weights/base/<last part of its Hub name, lower case>.

    Raises:
        TrainingError: the folder is missing or holds no complete model.
    """
    folder = given or WEIGHTS / "base" / name.split("/")[-1].lower()
    if not (folder / "config.json").is_file():
        remedy = f"download {name} into it (huggingface-cli download {name} --local-dir {folder})"
        if name == "HuggingFaceTB/SmolLM2-135M-Instruct":
            remedy = "make it: python -m tools.embedded_model"
        raise TrainingError(f"{folder}: holds no model; {remedy}, or give --base")
    shards(folder)
    return folder


def versions(*packages: str) -> dict[str, str]:
    """Versions of the installed ones among `packages`."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
