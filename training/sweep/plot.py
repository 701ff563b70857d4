"""The pictures of sweeps and studies, as PNG files that can be read without the text beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from shopbench.files import replacing

PAPER_BLUE, GREY, ORANGE = "#1f5f99", "#9a9a9a", "#d9731a"


def save(figure: Any, path: Path) -> None:
    """Write the picture, whole or not at all."""
    with replacing(path, "wb") as file:
        figure.savefig(file, dpi=150, format="png", bbox_inches="tight")
    plt.close(figure)


def alpha_curve(rows: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Score over alpha with its interval, and a thin line for each task type; the best point is marked."""
    alphas = [row["weights"][0] for row in rows]
    scores = [row["score"] for row in rows]
    figure, axes = plt.subplots(figsize=(8, 5))
    low, high = zip(*(row["interval"] for row in rows), strict=True)
    axes.fill_between(alphas, low, high, color=PAPER_BLUE, alpha=0.15, label="95% interval")
    for kind in rows[0]["per_type"]:
        axes.plot(alphas, [row["per_type"][kind] for row in rows], linewidth=1, marker=".", label=kind)
    axes.plot(alphas, scores, color=PAPER_BLUE, linewidth=2.5, marker="o", label="all tasks")
    score, alpha = max(zip(scores, alphas, strict=True), key=lambda point: point[0])
    box = {"fc": "white", "ec": "0.7", "boxstyle": "round"}
    label = f"{score:.3f} at {alpha:g}"
    axes.annotate(label, (alpha, score), (0, -22), textcoords="offset points", ha="center", bbox=box)
    axes.set(xlabel="alpha (0: the base model, 1: the adapter as trained)", ylabel="score (mean over tasks)")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    save(figure, path)


def ensemble_grid(rows: Sequence[dict[str, Any]], names: Sequence[str], title: str, path: Path) -> None:
    """Scores of pairs of weights as a grid of numbers; the best pair is framed."""
    first = sorted({row["weights"][0] for row in rows})
    second = sorted({row["weights"][1] for row in rows})
    places = {tuple(row["weights"]): row["score"] for row in rows}
    grid = [[places.get((x, y), float("nan")) for x in first] for y in second]
    figure, axes = plt.subplots(figsize=(1.5 + len(first), 1.5 + 0.7 * len(second)))
    image = axes.imshow(grid, origin="lower", cmap="viridis", aspect="auto")
    best = max(places, key=places.__getitem__)
    for (x, y), value in places.items():
        weight, edge = ("bold", ORANGE) if (x, y) == best else ("normal", "none")
        box = {"facecolor": "white", "edgecolor": edge, "pad": 1.5}
        axes.text(first.index(x), second.index(y), f"{value:.3f}", ha="center", va="center", weight=weight, bbox=box)
    axes.set_xticks(range(len(first)), [f"{x:g}" for x in first])
    axes.set_yticks(range(len(second)), [f"{y:g}" for y in second])
    axes.set(xlabel=f"weight of {names[0]}", ylabel=f"weight of {names[1]}")
    axes.set_title(title)
    figure.colorbar(image, label="score (mean over tasks)")
    save(figure, path)


def study_arms(rows: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """One line an arm: its mean with the interval over questions, and a dot for every seed."""
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.5 * len(rows)))
    for place, row in enumerate(reversed(rows)):
        colour = GREY if row["arm"] == "base" else PAPER_BLUE
        low, high = row["interval"]
        axes.plot([low, high], [place, place], color=colour, linewidth=3, alpha=0.4)
        axes.plot(row["score"], place, "o", color=colour, markersize=9)
        if len(row["seeds"]) > 1:
            axes.plot(list(row["seeds"].values()), [place] * len(row["seeds"]), "|", color=ORANGE, markersize=11)
        axes.annotate(f"{row['score']:.3f}", (row["score"], place), (0, 8), textcoords="offset points", ha="center")
    axes.set_yticks(range(len(rows)), [row["arm"] for row in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.2)
    axes.set_xlabel("score on held-out questions (dot: mean, bar: 95% interval, orange: single seeds)")
    axes.set_title(title, fontsize=11)
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)
