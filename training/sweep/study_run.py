"""Runs a study: the pool is built, every arm trained, all adapters served on one engine, the scores compared.

What is finished (an adapter, an adapter's answers) is kept under the output folder and not done again, so a study that
was killed goes on where it was. Each adapter is trained in a process of its own, which gives its memory back.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation.scoring import Outcome
from shopbench.errors import DONE, UserError, exit_code_of
from shopbench.files import file_hash, read_json, write_json
from shopbench.sample import write_samples
from training.processes import end_with_parent
from training.recipes import Recipe, Training, training_of
from training.sweep.engine import Candidate, ask_all
from training.sweep.report import arm_row, claim_row, plot_study, study_table, write_results
from training.sweep.studies import Arm, Study
from training.sweep.study_data import (
    build_pool,
    distinguishing_tasks,
    pool_manifest,
    questions,
    task_names,
    tasks_with_samples,
    write_arm,
)
from training.weights.base import load_tokenizer
from training.weights.folders import PROVENANCE, base_folder
from training.weights.tensors import fingerprint

BASE = "base"
"""The name of the untrained base beside the arms."""
WARMUP = 0.1
"""Of a study's steps: a recipe's fixed number may be half of a small budget."""


@dataclass(frozen=True)
class Experiment:
    """A study at one size: the pool of all arms, the tokens that each trains on, the most held-out questions."""

    study: Study
    training: Training
    base: Path
    pool: Path
    output: Path
    budget: int
    seeds: tuple[int, ...]
    questions: int

    def adapter(self, trial: Trial) -> Path:
        """Where the adapter of a trial is, or will be."""
        return self.output / "adapters" / trial.name

    def hyperparameters(self, trial: Trial) -> Training:
        """The experiment's, with what the trial's arm changes."""
        return replace(self.training, **trial.arm.training)


@dataclass(frozen=True)
class Trial:
    """One adapter of an arm: its seed, what it trains on and its share of the arm's tokens."""

    arm: Arm
    seed: int
    tasks: tuple[str, ...]
    share: float

    @property
    def name(self) -> str:
        """A folder's name that no other trial of the study has."""
        part = f" {self.tasks[0]}" if self.arm.apart else ""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.arm.name}{part}".lower()).strip("-") + f"-s{self.seed}"


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
    trained = tasks_with_samples(pool, "train")
    wanted = {task for arm in study.arms for task in task_names(arm.tasks)}
    missing = sorted((wanted - trained) | (set(task_names(study.tested)) - tasks_with_samples(pool, "validation")))
    if missing:
        print(f"{pool}: goes without {', '.join(missing)}", flush=True)
    trials = trials_of(study, given.seeds, trained)
    train_all(experiment, [trial for trial in trials if given.arm in (None, trial.arm.name)])
    if given.arm:
        print(f"{given.output}: {given.arm} is trained; without --arm the arms are compared")
        return
    results = {"command": given.line, **study_results(experiment, trials, missing)}
    plot_study(results["arms"], study.question, given.output / "plot.png")
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


def trials_of(study: Study, seeds: Sequence[int], known: Collection[str]) -> list[Trial]:
    """Every trial of a study on the `known` tasks, seed by seed: one that is cut short has whole comparisons.

    UserError if an arm would be trained without a task that tells it from another arm: the study would not be about
    what its table says.
    """
    for arm in study.arms:
        if lost := sorted(distinguishing_tasks(study, arm) - set(known)):
            raise UserError(
                f"study {study.name}: arm {arm.name!r} is about {', '.join(lost)}, of which the pool holds no "
                "sample to train on; give their datasets under --sources, or a --data that was built with them"
            )
    found = []
    for seed in seeds:
        for arm in study.arms:
            tasks = tuple(task for task in task_names(arm.tasks) if task in known)
            if not tasks:
                raise UserError(f"arm {arm.name!r}: none of its tasks is in the pool; give more sources")
            parts = [(task,) for task in tasks] if arm.apart else [tasks]
            found += [Trial(arm, seed, part, 1 / len(parts)) for part in parts]
    return found


def train_all(experiment: Experiment, trials: Sequence[Trial]) -> None:
    """Train what is not trained yet, each in a process of its own; UserError if one fails."""
    missing = [trial for trial in trials if not (experiment.adapter(trial) / PROVENANCE).is_file()]
    for trial in tqdm(missing, desc=f"{experiment.study.name}: adapters", unit="adapter"):
        process = multiprocessing.get_context("spawn").Process(target=train, args=(trial, experiment))
        process.start()
        process.join()
        if process.exitcode:
            raise UserError(f"{trial.name}: training ended with status {process.exitcode}; see above, then run again")


def train(trial: Trial, experiment: Experiment) -> None:
    """Train one adapter, or go on with it, and end the process as a command would if there is a problem."""
    end_with_parent()
    if code := exit_code_of(lambda: _train(trial, experiment)):
        sys.exit(code)


def _train(trial: Trial, experiment: Experiment) -> int:
    from training.finetune.run import TrainingRun, finetune

    folder, training = experiment.output / "data" / trial.name, experiment.hyperparameters(trial)
    budget = round(experiment.budget * trial.share)
    tokenizer = load_tokenizer(experiment.base)
    epochs, counts = write_arm(trial.arm, trial.tasks, budget, trial.seed, experiment.pool, folder, training, tokenizer)
    recipe = Recipe(trial.name, dict.fromkeys(trial.tasks), replace(training, epochs=epochs), trial.seed)
    print(f"{trial.name}: {counts}, {epochs:.2f} epochs", flush=True)
    finetune(TrainingRun(recipe, folder, experiment.adapter(trial), experiment.base))
    return DONE


def answer_all(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, dict[int, list[Outcome]]]:
    """Arm (and the base) -> seed -> what became of every question, in the questions' order."""
    everything = questions(experiment.study, experiment.pool, experiment.questions)
    write_samples(experiment.output / "questions.jsonl", everything)
    candidates = [Candidate(BASE, everything, None, ())]
    for trial in trials:
        own = [sample for sample in everything if not trial.arm.apart or sample.task_name in trial.tasks]
        if own:
            weights = experiment.adapter(trial) / "adapter_model.safetensors"
            candidates.append(Candidate(trial.name, own, partial(experiment.adapter, trial), [weights]))
    rank = max(experiment.hyperparameters(trial).rank for trial in trials)
    folder = experiment.output / "answers"
    found = ask_all(experiment.base, candidates, rank, experiment.training.answer_by, folder)
    by_arm: dict[str, dict[int, list[Outcome]]] = {BASE: {0: found[BASE]}}
    for trial in trials:
        # Arms of several adapters answer task by task, as the questions are ordered.
        by_arm.setdefault(trial.arm.name, {}).setdefault(trial.seed, []).extend(found.get(trial.name, []))
    return by_arm


def study_results(experiment: Experiment, trials: Sequence[Trial], missing: Sequence[str]) -> dict[str, Any]:
    """All of results.json but the command: sizes, hyperparameters, scores and claims; no question and no answer."""
    by_arm = answer_all(experiment, trials)
    tested = by_arm[BASE][0]
    kept = ("samples", "tokens", "updates", "seconds")
    adapters = {}
    for trial in trials:
        made = read_json(experiment.adapter(trial) / PROVENANCE, "provenance")
        adapters[trial.name] = {**{key: made[key] for key in kept if key in made}, "tasks": len(trial.tasks)}
    return {
        "study": experiment.study.name,
        "question": experiment.study.question,
        "paper": experiment.study.paper,
        "budget_tokens": experiment.budget,
        "seeds": list(experiment.seeds),
        "training": asdict(experiment.training),
        "pool_sha256": file_hash(experiment.pool / "manifest.json"),
        "missing_tasks": missing,
        "adapters": adapters,
        "questions": len(tested),
        "tested_tasks": sorted({one.task_name for one in tested}),
        "arms": [arm_row(arm, by_arm) for arm in by_arm],
        "claims": [claim_row(claim, by_arm) for claim in experiment.study.claims],
    }
