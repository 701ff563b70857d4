"""Weights of adapters, tried one after another on one engine: the alpha curve and the grid of an ensemble.

No point is merged. training.merge writes base-free copies of the adapters, weighted (several as one adapter, ranks
side by side), and the engine serves the base plus that copy. A point that is scored is kept and never asked again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation.intervals import draws, interval, of_type
from evaluation.journal import journal_key
from evaluation.scoring import Outcome, mean_over_tasks, outcomes
from evaluation.suites.shopbench import items_of
from shopbench.errors import UserError
from shopbench.files import file_hash, read_json, write_json
from shopbench.prompts import prompt_hash
from shopbench.sample import Sample
from training.sweep.engine import serving
from training.weights.adapters import Adapter, read_adapter
from training.weights.concatenated import merge_adapters
from training.weights.merged import Merge

Weights = tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """The weight of each adapter, and what became of every question."""

    weights: Weights
    outcomes: list[Outcome]

    @property
    def name(self) -> str:
        """The weights, as a file name."""
        return "_".join(f"{weight:.3f}" for weight in self.weights)

    def summary(self, reference: Point) -> dict[str, Any]:
        """Numbers for a table: score, by type, intervals, and the difference to another point (paired)."""
        drawn = draws(self.outcomes)
        kinds = list(dict.fromkeys(outcome.task_type for outcome in self.outcomes))
        return {
            "weights": list(self.weights),
            "score": mean_over_tasks(self.outcomes),
            "interval": interval(drawn),
            "gain": mean_over_tasks(self.outcomes) - mean_over_tasks(reference.outcomes),
            "gain_interval": interval(drawn - draws(reference.outcomes)),
            "per_type": {kind: mean_over_tasks(of_type(self.outcomes, kind)) for kind in kinds},
        }


@dataclass(frozen=True)
class Sweep:
    """What is swept: adapters of one base, on some questions, with a folder for what is known so far."""

    base_name: str
    base: Path
    adapters: tuple[Path, ...]
    samples: tuple[Sample, ...]
    output: Path

    def identity(self) -> str:
        """SHA-256 of what the outcomes depend on besides the weights: a kept point of another identity is not used."""
        facts = {
            "answers": journal_key(items_of(self.samples), self.base),
            "truths": [sample.to_dict() for sample in self.samples],
            "prompts": prompt_hash(),
            "adapters": [file_hash(path / "adapter_model.safetensors") for path in self.adapters],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def merge(self, weights: Weights) -> Merge:
        """The weighted sum that a point is."""
        read = [read_adapter(path, weight) for path, weight in zip(self.adapters, weights, strict=True)]
        return Merge("sweep", self.base_name, self.base, read)

    def read(self) -> list[Adapter]:
        """The adapters; UserError if one is missing, broken or of another base."""
        merge = self.merge((1.0,) * len(self.adapters))
        merge.base_fingerprint()
        return merge.adapters


def rank_of(adapters: Iterable[Adapter]) -> int:
    """The rank of the adapters side by side."""
    return sum(max(pair.rank for pair in adapter.pairs.values()) for adapter in adapters)


def measure(sweep: Sweep, points: Sequence[Weights]) -> list[Point]:
    """Score the base with the adapters at each of the weights, with one start of one engine (none if all are kept)."""
    folder = sweep.output / "points"
    folder.mkdir(parents=True, exist_ok=True)
    read, identity = sweep.read(), sweep.identity()
    answer_by = Merge("sweep", sweep.base_name, sweep.base, read).answer_by()
    found = {weights: kept_outcomes(folder, Point(weights, []).name, identity) for weights in points}
    todo = [weights for weights, known in found.items() if known is None]
    if todo:
        with serving(sweep.base, rank_of(read), answer_by) as served, tqdm(todo, desc="points", unit="point") as bar:
            for weights in bar:
                scaled = sweep.output / "scaled" / Point(weights, []).name
                shutil.rmtree(scaled, ignore_errors=True)
                merge_adapters(sweep.merge(weights), scaled)
                scored = served.answers(sweep.samples, scaled.absolute(), folder / "answers.part")
                found[weights] = outcomes(scored)
                keep_outcomes(folder, Point(weights, []).name, identity, found[weights] or [])
                shutil.rmtree(scaled)
        shutil.rmtree(sweep.output / "scaled", ignore_errors=True)
    return [Point(weights, found[weights] or []) for weights in points]


def keep_outcomes(folder: Path, name: str, identity: str, found: Sequence[Outcome]) -> None:
    """Write what became of the questions, without their texts."""
    write_json(folder / f"{name}.json", {"identity": identity, "outcomes": [asdict(outcome) for outcome in found]})


def kept_outcomes(folder: Path, name: str, identity: str) -> list[Outcome] | None:
    """What keep_outcomes wrote for the same questions, weights and code; None if there is nothing of the kind."""
    try:
        known = read_json(folder / f"{name}.json", "kept outcomes")
    except UserError:
        return None
    if known.get("identity") != identity:
        return None
    read = [Outcome(**fields) for fields in known["outcomes"]]
    return [
        replace(outcome, value=tuple(outcome.value)) if isinstance(outcome.value, list) else outcome for outcome in read
    ]


def no_evaluation_file(samples: Sequence[Sample], path: Path) -> None:
    """UserError for questions of the competition: weights are chosen on held-out training data only."""
    if any(sample.track for sample in samples):
        raise UserError(
            f"{path}: holds questions of the competition's tracks, which are a test; "
            "choose weights on the validation.jsonl of a training.data.build"
        )


def per_task(samples: Sequence[Sample], limit: int | None) -> tuple[Sample, ...]:
    """The first `limit` questions of each task."""
    counts: dict[str, int] = {}
    kept = []
    for sample in samples:
        counts[sample.task_name] = counts.get(sample.task_name, 0) + 1
        if limit is None or counts[sample.task_name] <= limit:
            kept.append(sample)
    return tuple(kept)
