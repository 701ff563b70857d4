"""The parts of a build, mixed in an order that a hash gives: train.jsonl, validation.jsonl, manifest.json.

The same seed gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shopbench.files import replacing, write_json
from training.data.build.parts import PartSpec, code_hash, finished_part
from training.data.formats import SourceError
from training.data.hashes import digest, source_hash
from training.data.options import same_key
from training.recipes import Recipe

SPLITS = ("train", "validation")

Place = tuple[str, str, int, str]
"""Where a sample stands: (its place in the mixed order, its task, its byte in the task's part, its split)."""


@dataclass
class _Index:
    """The samples of all parts in their mixed order, without what two tasks have in common."""

    places: list[Place] = field(default_factory=list)
    tasks: dict[str, Any] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


def mix(recipe: Recipe, specs: list[PartSpec], folder: Path, output: Path, missing: dict[str, str]) -> dict[str, Any]:
    """Mix the parts into train.jsonl and validation.jsonl, without what two tasks have in common; the manifest."""
    index = _index(recipe, specs, folder)
    (output / "manifest.json").unlink(missing_ok=True)  # no manifest beside data it does not describe
    hashes = {split: _write_split(split, index.places, folder, output) for split in SPLITS}
    manifest = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "code": code_hash(),
        "samples": {split: sum(place[3] == split for place in index.places) for split in SPLITS},
        "sha256": hashes,
        "tokens": sum(task["counts"].get("tokens", 0) for task in index.tasks.values()),
        "excluded": {path: source_hash(Path(path)) for path in (specs[0].exclude if specs else ())},
        "missing": missing,
        "sources": {path: source_hash(Path(path)) for path in sorted(index.files)},
        "tasks": index.tasks,
    }
    write_json(output / "manifest.json", manifest, indent=1)
    return manifest


def _index(recipe: Recipe, specs: list[PartSpec], folder: Path) -> _Index:
    index = _Index()
    seen: set[str] = set()
    for spec in specs:
        known = finished_part(spec, folder)
        if known is None:
            raise SourceError(f"{spec.task}: its files changed while the build ran; run it again")
        start = repeats = 0
        with open(folder / f"{spec.task}.jsonl", "rb") as file:
            for line in file:
                row = json.loads(line)
                key = digest(same_key(row["input_field"]))
                if key in seen:
                    repeats += 1
                else:
                    seen.add(key)
                    index.places.append((digest(recipe.seed, key), spec.task, start, row["split"]))
                start += len(line)
        if repeats:
            known["facts"]["dropped"]["repeat of another task"] = repeats
        index.tasks[spec.task] = known["facts"]
        index.files.update(known["files"])
    index.places.sort()
    return index


def _write_split(split: str, places: list[Place], folder: Path, output: Path) -> str:
    """Write the samples of one split in their mixed order; the file's SHA-256."""
    hashed = hashlib.sha256()
    with ExitStack() as opened, replacing(output / f"{split}.jsonl", "wb") as target:
        tasks = {place[1] for place in places}
        parts = {task: opened.enter_context(open(folder / f"{task}.jsonl", "rb")) for task in tasks}
        for _, task, start, in_split in places:
            if in_split == split:
                parts[task].seek(start)
                row = json.loads(parts[task].readline())
                del row["split"]
                line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
                hashed.update(line)
                target.write(line)
    return hashed.hexdigest()
