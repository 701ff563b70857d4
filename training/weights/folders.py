"""Folders of weights: written whole or not at all, checked before the long work, described by a provenance.json."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.files import DISK_FULL, ROOT, read_json, read_json_if_any, write_json
from shopbench.outputs import locked

PROVENANCE = "provenance.json"
WEIGHTS = ROOT / "weights"
_RESUMED = "facts.json"


@contextmanager
def staged(output: Path, needed: int = 0, resume: dict[str, Any] | None = None) -> Iterator[Path]:
    """A folder to write into, renamed to `output` when the block ends well and deleted when it does not.

    Args:
        needed: bytes that will be written.
        resume: what the content follows from; what a killed run with the same facts has written is then found again.

    Raises:
        UserError: `output` holds something, another run is writing it, or the disk is too small (found out at once) or
            full.
    """
    check_free(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with locked(output), _staged(output, needed, resume) as folder:
        yield folder


def check_free(output: Path) -> None:
    """UserError unless a folder can be made at `output`: nothing is there, or an empty one."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output}: exists; delete it or give another --output")


@contextmanager
def _staged(output: Path, needed: int, resume: dict[str, Any] | None) -> Iterator[Path]:
    check_free(output)  # now that no other run can fill it
    beside = output.absolute().with_name(f".{output.absolute().name}.part")
    facts = beside / _RESUMED
    if resume is None or read_json_if_any(facts) != resume:
        shutil.rmtree(beside, ignore_errors=True)
    free = shutil.disk_usage(output.parent).free
    written = sum(file.stat().st_size for file in beside.glob("*"))
    if free + written < needed:
        raise UserError(f"{output}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; make room")
    try:
        beside.mkdir(exist_ok=True)
        if resume is not None:
            write_json(facts, resume)
        yield beside
        facts.unlink(missing_ok=True)
        if output.exists():
            output.rmdir()
        os.replace(beside, output)
    except OSError as error:
        # A write to an open file fails without a path, so run_command could not say where.
        if error.errno not in DISK_FULL:
            raise
        raise UserError(f"{output}: cannot be written ({error.strerror}); make room or choose another disk") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


NOT_COPIED = (".safetensors", ".bin", ".index.json", ".gguf", PROVENANCE)


def copy_beside(source: Path, folder: Path) -> None:
    """Copy what stands beside the weights: configuration, tokenizer, licence, model card."""
    for file in source.iterdir():
        if file.is_file() and not file.name.endswith(NOT_COPIED) and not file.name.startswith("."):
            shutil.copyfile(file, folder / file.name)


def shards(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, in order; UserError if there are none or one is missing."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        places = read_json(index, "shard index").get("weight_map")
        if not isinstance(places, dict):
            raise UserError(f"{index}: has no weight_map; fetch it again")
        files = [folder / name for name in sorted(set(places.values()))]
    else:
        files = sorted(folder.glob("model*.safetensors"))
    missing = [file.name for file in files if not file.is_file()]
    if not files or missing:
        what = f"lacks {', '.join(missing)}" if missing else "holds no model*.safetensors"
        raise UserError(f"{folder}: {what}; give a complete model folder (safetensors only)")
    return files


def provenance(folder: Path) -> dict[str, Any]:
    """What made the weights or the adapter in a folder; nothing where it does not say."""
    path = folder / PROVENANCE
    return read_json(path, "provenance") if path.is_file() else {}


def base_folder(name: str, given: Path | None) -> Path:
    """Where the base model is: `given`, else weights/base/<last part of its Hub name>; UserError if it is not whole."""
    folder = given or WEIGHTS / "base" / name.split("/")[-1].lower()
    if not (folder / "config.json").is_file():
        remedy = f"download {name} into it (huggingface-cli download {name} --local-dir {folder})"
        if name == "HuggingFaceTB/SmolLM2-135M-Instruct":
            remedy = "make it: python -m tools.embedded_model"
        raise UserError(f"{folder}: holds no model; {remedy}, or give --base")
    shards(folder)
    return folder
