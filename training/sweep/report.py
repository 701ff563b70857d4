"""What a sweep or a study found, as numbers (results.json) and as tables (markdown).

Intervals are bootstraps (evaluation/intervals.py). For studies the questions and the seeds are both drawn: with two
or three seeds that still understates how much seeds differ, so every seed's own difference stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from evaluation.intervals import Draws, draws, interval
from evaluation.scoring import Outcome, mean_over_tasks
from shopbench.files import write_json, write_text
from training.sweep.studies import Claim

BySeed = dict[int, list[Outcome]]


def seed_draws(weights: Mapping[str, float], by_arm: Mapping[str, BySeed], seeds: Sequence[int]) -> Draws:
    """Draws of a weighted sum of arms, shape (draws,): questions alike for all arms, seeds alike for all arms."""
    each = np.stack([sum(w * draws(by_arm[arm][seed]) for arm, w in weights.items()) for seed in seeds])
    chosen = np.random.default_rng(0).integers(len(seeds), size=each.shape[::-1])
    return each[chosen.T, np.arange(each.shape[1])].mean(axis=0)


def arm_row(arm: str, by_arm: Mapping[str, BySeed]) -> dict[str, Any]:
    """The numbers of one arm: mean over seeds, interval, each seed, and the mean of each task type and task."""
    by_seed = dict(sorted(by_arm[arm].items()))

    def means(key: str) -> dict[str, float]:
        """The mean over seeds of each group of questions, by their value of `key`."""
        found: dict[str, float] = {}
        for name in dict.fromkeys(getattr(one, key) for one in next(iter(by_seed.values()))):
            groups = [[one for one in ones if getattr(one, key) == name] for ones in by_seed.values()]
            found[name] = float(np.mean([mean_over_tasks(group) for group in groups]))
        return found

    seeds = {str(seed): mean_over_tasks(ones) for seed, ones in by_seed.items()}
    return {
        "arm": arm,
        "score": float(np.mean(list(seeds.values()))),
        "interval": interval(seed_draws({arm: 1.0}, by_arm, list(by_seed))),
        "seeds": seeds,
        "per_type": means("task_type"),
        "per_task": means("task_name"),
    }


def claim_row(claim: Claim, by_arm: Mapping[str, BySeed]) -> dict[str, Any]:
    """A claim's difference, its interval, each seed's difference, and whether it is borne out."""
    seeds = sorted(set.intersection(*(set(by_arm[arm]) for arm in claim.weights)))
    low, high = interval(seed_draws(claim.weights, by_arm, seeds))
    each = {
        str(seed): sum(w * mean_over_tasks(by_arm[arm][seed]) for arm, w in claim.weights.items()) for seed in seeds
    }
    return {
        "claim": claim.text,
        "difference": float(np.mean(list(each.values()))),
        "interval": (low, high),
        "seeds": each,
        "verdict": verdict(low, high, len(seeds)),
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
    claims = [
        [
            row["claim"],
            _signed(row["difference"]),
            _range(row["interval"], "+"),
            ", ".join(map(_signed, row["seeds"].values())),
            row["verdict"],
        ]
        for row in results["claims"]
    ]
    return "\n\n".join(
        [
            f"# {results['study']}: {results['question']}",
            f"After {results['paper']}. {results['budget_tokens']} tokens an arm, seeds "
            f"{', '.join(map(str, results['seeds']))}; {results['questions']} held-out questions of "
            f"{len(results['tested_tasks'])} tasks; score: mean over tasks.",
            _table(["arm", "score", "95% interval", "seeds", *kinds], arms),
            _table(["claim", "difference", "95% interval", "seeds", "verdict"], claims),
            f"`{results['command']}`",
        ]
    )


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
    print(f"\n{table}\n\nwritten: {output}/results.json, table.md, plot.png")


def _table(headers: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _number(value: float) -> str:
    return f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _range(bounds: Sequence[float], sign: str = "") -> str:
    return f"{bounds[0]:{sign}.3f} to {bounds[1]:{sign}.3f}"
