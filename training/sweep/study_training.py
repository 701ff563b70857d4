"""The adapters of a study and their training: each in a process of its own, which gives its memory back.

What is trained is kept under the output folder and not trained again, so a study that was killed goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from shopbench.errors import DONE, UserError, exit_code_of
from training.recipes import Recipe, Training
from training.sweep.studies import Arm, Study
from training.sweep.study_data import task_names, write_arm
from training.weights.base import load_tokenizer
from training.weights.folders import PROVENANCE


@dataclass(frozen=True)
class Experiment:
    """A study at one size: what every result depends on.

    Attributes:
        training: hyperparameters; an arm may change some.
        pool: folder of built samples that all arms take theirs from.
        budget: tokens that every arm trains on.
        questions: held-out questions at most.
    """

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
        """The hyperparameters of a trial."""
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


def trials_of(study: Study, seeds: Sequence[int], known: Collection[str]) -> list[Trial]:
    """Every trial of a study on the `known` tasks, seed by seed: one that is cut short has whole comparisons."""
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


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, even by kill -9: two must not train one adapter."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _train(trial: Trial, experiment: Experiment) -> int:
    from training.finetune.command import finetune
    from training.finetune.training_run import TrainingRun

    folder, training = experiment.output / "data" / trial.name, experiment.hyperparameters(trial)
    budget = round(experiment.budget * trial.share)
    tokenizer = load_tokenizer(experiment.base)
    epochs, counts = write_arm(trial.arm, trial.tasks, budget, trial.seed, experiment.pool, folder, training, tokenizer)
    recipe = Recipe(trial.name, dict.fromkeys(trial.tasks), replace(training, epochs=epochs), trial.seed)
    print(f"{trial.name}: {counts}, {epochs:.2f} epochs", flush=True)
    finetune(TrainingRun(recipe, folder, experiment.adapter(trial), experiment.base))
    return DONE
