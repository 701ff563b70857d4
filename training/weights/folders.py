"""Folders of weights: written whole or not at all, checked before the long work, described by a provenance.json.

And where base models are: by folder, or by Hub name, never downloaded here (download.py does that).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.files import ROOT, read_json, read_json_if_any, usual_modes, write_json
from shopbench.outputs import check_free, locked, room_for

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
    with locked(output), room_for(output), _staged(output, needed, resume) as folder:
        yield folder


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
        usual_modes(beside)
        if output.exists():
            output.rmdir()
        os.replace(beside, output)
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


def is_hub_name(given: str | Path) -> bool:
    """Whether this reads like a model's name on the Hub ("Qwen/Qwen2.5-7B-Instruct") and is no folder here."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", str(given)) is not None and not Path(given).is_dir()


def default_folder(name: str) -> Path:
    """Where a base model is kept: weights/base/<last part of its Hub name>."""
    return WEIGHTS / "base" / name.split("/")[-1].lower()


def base_folder(name: str, given: Path | None = None) -> Path:
    """Where the base model is; UserError if it is not whole.

    Args:
        name: its Hub name.
        given: a folder, or another Hub name. A name is looked up under weights/base, then in the Hugging Face cache.
    """
    if given is not None and not is_hub_name(given):
        folder, remedy = given, "give another --base"
    else:
        name = str(given or name)
        folder = default_folder(name)
        remedy = f"get it: python -m training.weights.download {name}, or give --base a folder"
        if name == "HuggingFaceTB/SmolLM2-135M-Instruct":
            remedy = "make it: python -m tools.embedded_model, or give --base a folder"
        if not (folder / "config.json").is_file() or base_name(folder) not in (None, name):
            folder = _cached(name) or folder
        if base_name(folder) not in (None, name):
            raise UserError(f"{folder}: holds {base_name(folder)}, not {name}; give --base the folder of {name}")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: holds no model; {remedy}")
    shards(folder)
    return folder


def _cached(name: str) -> Path | None:
    """The folder of a model in the Hugging Face cache, if it is there; nothing is downloaded."""
    from huggingface_hub import try_to_load_from_cache  # not needed where a folder is given

    config = try_to_load_from_cache(name, "config.json")
    return Path(config).parent if isinstance(config, str) else None


def base_name(folder: Path) -> str | None:
    """The Hub name of the model in a folder, as its provenance.json or its place in the Hugging Face cache tells."""
    snapshot = folder.resolve()
    if snapshot.parent.name == "snapshots" and snapshot.parent.parent.name.startswith("models--"):
        return snapshot.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return provenance(folder).get("model")


def base_revision(folder: Path) -> str | None:
    """The commit of a downloaded model: as its provenance.json, the cache, or huggingface_hub's own note tells."""
    if known := provenance(folder).get("revision"):
        return str(known)
    if folder.resolve().parent.name == "snapshots":
        return folder.resolve().name
    note = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
    return note.read_text(encoding="utf-8").split("\n")[0] if note.is_file() else None
