"""What a sweep or a study found, as numbers (results.json), tables (markdown) and pictures (PNG).

Intervals are bootstraps (evaluation/intervals.py). For studies the questions and the seeds are both drawn: with two
or three seeds that still understates how much seeds differ, so every seed's own difference stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from tabulate import tabulate

from evaluation.benchmark import grouped
from evaluation.intervals import Draws, draws, interval
from evaluation.scoring import Outcome, mean_over_tasks
from shopbench.files import replacing, write_json, write_text
from training.sweep.studies import Claim

matplotlib.use("Agg")

import matplotlib.pyplot as plt

POWER = (1.96 + 0.84) / 1.96
"""A difference of so many half-widths of a 95% interval is found, its interval without 0, in four of five runs."""
PAPER_BLUE, GREY, ORANGE = "#1f5f99", "#9a9a9a", "#d9731a"
BySeed = dict[int, list[Outcome]]


def seed_draws(weights: Mapping[str, float], by_arm: Mapping[str, BySeed], seeds: Sequence[int]) -> Draws:
    """Draws of a weighted sum of arms, shape (draws,): questions alike for all arms, seeds alike for all arms."""
    each = np.stack([sum(w * draws(by_arm[arm][seed]) for arm, w in weights.items()) for seed in seeds])
    chosen = np.random.default_rng(0).integers(len(seeds), size=each.shape[::-1])
    return each[chosen.T, np.arange(each.shape[1])].mean(axis=0)


def arm_row(arm: str, by_arm: Mapping[str, BySeed]) -> dict[str, Any]:
    """The numbers of one arm: mean over seeds, interval, each seed, and the mean of each task type and task."""
    by_seed = dict(sorted(by_arm[arm].items()))

    def over_seeds(key: str) -> dict[str, float]:
        """The mean over seeds of each group of questions, by their value of `key`."""
        each = [means(ones, key) for ones in by_seed.values()]
        return {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}

    seeds = {str(seed): mean_over_tasks(ones) for seed, ones in by_seed.items()}
    return {
        "arm": arm,
        "score": float(np.mean(list(seeds.values()))),
        "interval": interval(seed_draws({arm: 1.0}, by_arm, list(by_seed))),
        "seeds": seeds,
        "per_type": over_seeds("task_type"),
        "per_task": over_seeds("task_name"),
    }


def claim_row(claim: Claim, by_arm: Mapping[str, BySeed]) -> dict[str, Any]:
    """A claim's difference, its interval, each seed's difference, and whether it is borne out.

    Beside them `would_show`, the smallest difference that would mostly be found here, and for a claim whose effect
    the paper prints, how many times as many questions and seeds it takes to find one of that size (the interval is as
    wide as the root of their number is small).
    """
    seeds = sorted(set.intersection(*(set(by_arm[arm]) for arm in claim.weights)))
    low, high = interval(seed_draws(claim.weights, by_arm, seeds))
    each = {
        str(seed): sum(w * mean_over_tasks(by_arm[arm][seed]) for arm, w in claim.weights.items()) for seed in seeds
    }
    would_show = POWER * (high - low) / 2
    return {
        "claim": claim.text,
        "difference": float(np.mean(list(each.values()))),
        "interval": (low, high),
        "seeds": each,
        "verdict": verdict(low, high, len(seeds)),
        "would_show": would_show,
        "paper_effect": claim.effect,
        "paper_effect_of": claim.effect_of,
        "times_as_many": max(1.0, (would_show / claim.effect) ** 2) if claim.effect else None,
    }


def verdict(low: float, high: float, seeds: int) -> str:
    """What an interval of a claimed gain says; of one seed it says how sure the questions are, not the training."""
    if low <= 0 <= high:
        return "not decided at this size: the interval holds 0"
    side = "borne out" if low > 0 else "contradicted"
    return f"{side} at this size" if seeds > 1 else f"not decided: {side} with one seed, which may be chance"


def study_table(results: dict[str, Any]) -> str:
    """A study's results as markdown: arms, then claims."""
    kinds = list(results["arms"][0]["per_type"])
    arms = [
        [row["arm"], _number(row["score"]), _range(row["interval"]), ", ".join(map(_number, row["seeds"].values()))]
        + [_number(row["per_type"][kind]) for kind in kinds]
        for row in results["arms"]
    ]
    claims = []
    for row in results["claims"]:
        seeds = ", ".join(map(_signed, row["seeds"].values()))
        cells = [row["claim"], _signed(row["difference"]), _range(row["interval"], "+"), seeds, row["verdict"]]
        claims.append([*cells, _number(row["would_show"]), _paper_effect(row)])
    return "\n\n".join(
        [
            f"# {results['study']}: {results['question']}",
            f"After {results['paper']}. {results['budget_tokens']} tokens an arm, seeds "
            f"{', '.join(map(str, results['seeds']))}; {results['questions']} held-out questions of "
            f"{len(results['tested_tasks'])} tasks; score: mean over tasks.",
            f"Tasks of the study that the pool lacked: {', '.join(results['missing_tasks']) or 'none'}.",
            _table(["arm", "score", "95% interval", "seeds", *kinds], arms),
            _table(["claim", "difference", "95% interval", "seeds", "verdict", "would show", "the paper's"], claims),
            "Would show: the smallest difference that four of five such runs find, from the interval's width.",
            f"`{results['command']}`",
        ]
    )


def _paper_effect(row: Mapping[str, Any]) -> str:
    """What the paper found, and what it would take here."""
    if row["paper_effect"] is None:
        return "not printed"
    found, times = f"{_signed(row['paper_effect'])} ({row['paper_effect_of']})", row["times_as_many"]
    return found if times == 1 else f"{found}: takes {times:.2g} times as many questions and seeds"


def points_table(rows: Sequence[dict[str, Any]], names: Sequence[str], title: str, note: str) -> str:
    """Points of a sweep as markdown, the best score in bold."""
    kinds = list(rows[0]["per_type"])
    best = max(rows, key=lambda row: row["score"])
    lines = [
        [f"{weight:g}" for weight in row["weights"]]
        + [f"**{_number(row['score'])}**" if row is best else _number(row["score"]), _range(row["interval"])]
        + [_signed(row["gain"]), _range(row["gain_interval"], "+")]
        + [_number(row["per_type"][kind]) for kind in kinds]
        for row in rows
    ]
    headers = [*names, "score", "95% interval", "gain", "95% interval", *kinds]
    return "\n\n".join([f"# {title}", note, _table(headers, lines)])


def write_results(output: Path, results: dict[str, Any], table: str) -> None:
    """Write results.json and table.md, and print the table."""
    write_json(output / "results.json", results)
    write_text(output / "table.md", table + "\n")
    written = [name for name in ("results.json", "table.md", "plot.png") if (output / name).is_file()]
    print(f"\n{table}\n\nwritten: {output}/{', '.join(written)}")


def means(ones: Sequence[Outcome], key: str) -> dict[str, float]:
    """The mean over tasks of each group of questions, by their value of `key`."""
    return {name: mean_over_tasks(group) for name, group in grouped(ones, attrgetter(key)).items()}


def score_row(ones: Sequence[Outcome], before: Sequence[Outcome] | None) -> dict[str, Any]:
    """Score, by type, intervals, and the difference to what other weights made of the same questions (paired)."""
    score, drawn = mean_over_tasks(ones), draws(ones)
    row = {"score": score, "interval": interval(drawn), "per_type": means(ones, "task_type")}
    if before is None:
        return row
    return {**row, "gain": score - mean_over_tasks(before), "gain_interval": interval(drawn - draws(before))}


def held_out_table(results: Mapping[str, Any]) -> str:
    """The scores of seen and of unseen tasks as markdown, by weights; then by task type, then by task."""
    rows = results["weights"]
    kinds = list(results["questions"])
    headers = ["weights", *(f"{kind}{what}" for kind in kinds for what in ("", ", 95% interval", ", gain"))]
    lines = []
    for row in rows:
        cells = [row["weights"]]
        for kind in kinds:
            gain = row[kind].get("gain")
            more = "" if gain is None else f"{_signed(gain)} ({_range(row[kind]['gain_interval'], '+')})"
            cells += [_number(row[kind]["score"]), _range(row[kind]["interval"]), more]
        lines.append(cells)
    asked = " and ".join(f"{count} {kind}" for kind, count in results["questions"].items())
    parts = [f"# Held-out questions: {asked}"]
    parts += ["A gain is over the weights of the row above, question by question.", _table(headers, lines)]
    parts.append(f"`{results['command']}`")
    for kind in kinds:
        for what, title in (("per_type", "by task type"), ("per_task", "by task")):
            names = list(rows[0][kind][what])
            table = [[name, *(_number(row[kind][what][name]) for row in rows)] for name in sorted(names)]
            parts += [f"## {kind.capitalize()} tasks, {title}", _table(["", *(row["weights"] for row in rows)], table)]
    return "\n\n".join(parts)


def _table(headers: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _number(value: float) -> str:
    return f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _range(bounds: Sequence[float], sign: str = "") -> str:
    return f"{bounds[0]:{sign}.3f} to {bounds[1]:{sign}.3f}"


def _save(figure: Any, path: Path) -> None:
    """Write the picture, whole or not at all."""
    with replacing(path, "wb") as file:
        figure.savefig(file, dpi=150, format="png", bbox_inches="tight")
    plt.close(figure)


def plot_alpha(rows: Sequence[dict[str, Any]], title: str, path: Path) -> None:
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
    _save(figure, path)


def plot_grid(rows: Sequence[dict[str, Any]], names: Sequence[str], title: str, path: Path) -> None:
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
    _save(figure, path)


def plot_study(rows: Sequence[dict[str, Any]], title: str, path: Path) -> None:
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
    _save(figure, path)
