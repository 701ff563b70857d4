"""Runs a study: the pool is built, every arm trained, all adapters served on one engine, the scores compared.

What is finished (an adapter, an adapter's answers) is kept under the output folder and not done again, so a study that
was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation.journal import journal_key
from evaluation.scoring import Outcome, outcomes
from evaluation.suites.shopbench import items_of
from shopbench.errors import UserError
from shopbench.files import file_hash, read_json, write_json
from shopbench.sample import Sample, write_samples
from training.recipes import training_of
from training.sweep import plot
from training.sweep.engine import serving
from training.sweep.points import keep_outcomes, kept_outcomes
from training.sweep.report import study_results, study_table, write_results
from training.sweep.studies import Study
from training.sweep.study_data import build_pool, pool_manifest, pool_tasks, questions, task_names
from training.sweep.study_training import Experiment, Trial, train_all, trials_of
from training.weights.folders import PROVENANCE, base_folder
from training.weights.tensors import fingerprint

BASE = "base"
"""The name of the untrained base beside the arms."""
WARMUP = 0.1
"""Of a study's steps: a recipe's fixed number may be half of a small budget."""


def run_study(given: argparse.Namespace, study: Study) -> None:
    """What the command line asks for: build the pool, train the arms, ask them, compare them."""
    training = replace(training_of(given.recipe), warmup=WARMUP)
    pool = given.data or given.output / "pool"
    if given.sources:
        build_pool(study, training, given.budget_tokens, given.sources, pool, tuple(given.exclude), given.workers)
    base = base_folder(training.base, given.base)
    experiment = Experiment(
        study, training, base, pool, given.output, given.budget_tokens, given.seeds, given.questions
    )
    claim_output(experiment)
    if missing := missing_tasks(experiment):
        print(f"{pool}: goes without {', '.join(missing)}", flush=True)
    trials = trials_of(study, given.seeds, pool_tasks(pool))
    train_all(experiment, [trial for trial in trials if given.arm in (None, trial.arm.name)])
    if given.arm:
        print(f"{given.output}: {given.arm} is trained; without --arm the arms are compared")
        return
    by_arm = answer_all(experiment, trials)
    results = {"command": given.line, **study_results(study, by_arm, study_facts(experiment, trials))}
    plot.study_arms(results["arms"], study.question, given.output / "plot.png")
    write_results(given.output, results, study_table(results))


def claim_output(experiment: Experiment) -> None:
    """UserError if the output folder holds a study that was trained otherwise; more seeds may be added."""
    wanted = {
        "study": experiment.study.name,
        "arms": [[arm.name, list(arm.tasks), dict(arm.training)] for arm in experiment.study.arms],
        "training": asdict(experiment.training),
        "budget_tokens": experiment.budget,
        "base": fingerprint(experiment.base),
        "pool": pool_manifest(experiment.pool)["sha256"],
    }
    kept = experiment.output / "study.json"
    if kept.is_file() and read_json(kept, "study") != wanted:
        raise UserError(f"{experiment.output}: holds another study, or other sizes; delete it or give another --output")
    write_json(kept, wanted)


def missing_tasks(experiment: Experiment) -> list[str]:
    """The tasks of a study that the pool lacks (their dataset is not there): arms and tests go without them."""
    return sorted(set(task_names(experiment.study.tasks)) - set(pool_tasks(experiment.pool)))


@dataclass(frozen=True)
class Asked:
    """What one adapter, or the base alone (None), is asked.

    Attributes:
        identity: SHA-256 of what the outcomes depend on.
    """

    name: str
    adapter: Path | None
    samples: tuple[Sample, ...]
    identity: str


def answer_all(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, dict[int, list[Outcome]]]:
    """Arm (and the base) -> seed -> what became of every question, in the questions' order."""
    everything = questions(experiment.study, experiment.pool, experiment.questions)
    write_samples(experiment.output / "questions.jsonl", everything)
    asked = [asked_of(BASE, None, everything, experiment.base)]
    for trial in trials:
        own = [sample for sample in everything if not trial.arm.apart or sample.task_name in trial.tasks]
        if own:
            asked.append(asked_of(trial.name, experiment.adapter(trial), own, experiment.base))
    found = outcomes_of(experiment, asked, max(experiment.hyperparameters(trial).rank for trial in trials))
    by_arm: dict[str, dict[int, list[Outcome]]] = {BASE: {0: found[BASE]}}
    for trial in trials:
        # Arms of several adapters answer task by task, as the questions are ordered.
        by_arm.setdefault(trial.arm.name, {}).setdefault(trial.seed, []).extend(found.get(trial.name, []))
    return by_arm


def outcomes_of(experiment: Experiment, asked: Sequence[Asked], rank: int) -> dict[str, list[Outcome]]:
    """The outcomes by name, with one start of one engine for adapters up to `rank` (none if all are kept)."""
    folder = experiment.output / "answers"
    folder.mkdir(exist_ok=True)
    kept = {one.name: kept_outcomes(folder, one.name, one.identity) for one in asked}
    found = {name: known for name, known in kept.items() if known is not None}
    missing = [one for one in asked if one.name not in found]
    if missing:
        with (
            serving(experiment.base, rank, experiment.training.answer_by) as served,
            tqdm(missing, desc="adapters asked", unit="adapter") as bar,
        ):
            for one in bar:
                adapter = one.adapter and one.adapter.absolute()
                found[one.name] = outcomes(served.answers(one.samples, adapter, folder / f"{one.name}.part"))
                keep_outcomes(folder, one.name, one.identity, found[one.name])
    return found


def asked_of(name: str, adapter: Path | None, samples: Sequence[Sample], base: Path) -> Asked:
    """What an adapter is asked, with the identity of its outcomes."""
    weights = file_hash(adapter / "adapter_model.safetensors") if adapter else ""
    facts = [journal_key(items_of(samples), base), [sample.to_dict() for sample in samples], weights]
    identity = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return Asked(name, adapter, tuple(samples), identity)


def study_facts(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, Any]:
    """What a reader must know beside the scores: sizes, hyperparameters, and what every adapter trained on."""
    trained = {}
    for trial in trials:
        made = read_json(experiment.adapter(trial) / PROVENANCE, "provenance")
        kept = ("samples", "tokens", "updates", "seconds")
        trained[trial.name] = {**{key: made[key] for key in kept if key in made}, "tasks": len(trial.tasks)}
    return {
        "study": experiment.study.name,
        "question": experiment.study.question,
        "paper": experiment.study.paper,
        "budget_tokens": experiment.budget,
        "seeds": list(experiment.seeds),
        "training": asdict(experiment.training),
        "pool_sha256": file_hash(experiment.pool / "manifest.json"),
        "missing_tasks": missing_tasks(experiment),
        "adapters": trained,
    }
