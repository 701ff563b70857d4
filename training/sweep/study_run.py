"""Runs a study: trains every arm with training.finetune, serves all adapters on one engine, compares the scores.

Each adapter trains in a process of its own, which gives its memory back. What is finished (an adapter, an adapter's
answers) is kept under the output folder and not done again, so a study that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation.journal import journal_key
from evaluation.scoring import Outcome, outcomes
from evaluation.suites.shopbench import items_of
from shopbench.files import file_hash, read_json, write_json
from shopbench.sample import Sample, write_samples
from training.recipes import Recipe, Training
from training.sweep.engine import serving
from training.sweep.points import keep_outcomes, kept_outcomes
from training.sweep.studies import Arm, Study
from training.sweep.study_data import names, questions, write_arm
from training.weights.base import load_tokenizer
from training.weights.folders import PROVENANCE, TrainingError
from training.weights.tensors import fingerprint

BASE = "base"
"""The name of the untrained base beside the arms."""


@dataclass(frozen=True)
class Order:
    """A study at one size: what every result depends on."""

    study: Study
    training: Training
    base: Path
    pool: Path
    output: Path
    budget: int
    seeds: tuple[int, ...]
    questions: int


@dataclass(frozen=True)
class One:
    """One adapter of an arm: its seed, what it trains on and its share of the arm's tokens."""

    arm: Arm
    seed: int
    tasks: tuple[str, ...]
    share: float

    @property
    def name(self) -> str:
        """A folder's name that no other adapter of the study has."""
        part = f" {self.tasks[0]}" if self.arm.apart else ""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.arm.name}{part}".lower()).strip("-") + f"-s{self.seed}"


def adapters_of(study: Study, seeds: Sequence[int], known: Sequence[str]) -> list[One]:
    """Every adapter of a study, seed by seed, so that a study that is cut short has whole comparisons.

    Args:
        known: the tasks that the pool holds.
    """
    found = []
    for seed in seeds:
        for arm in study.arms:
            tasks = tuple(task for task in names(arm.tasks) if task in known)
            if not tasks:
                raise TrainingError(f"arm {arm.name!r}: none of its tasks is in the pool; give more sources")
            parts = [(task,) for task in tasks] if arm.apart else [tasks]
            found += [One(arm, seed, part, 1 / len(parts)) for part in parts]
    return found


def claim_output(order: Order) -> None:
    """TrainingError if the output folder holds a study that was trained otherwise; more seeds may be added."""
    wanted = {
        "study": order.study.name,
        "arms": [[arm.name, list(arm.tasks), dict(arm.training)] for arm in order.study.arms],
        "training": asdict(order.training),
        "budget_tokens": order.budget,
        "base": fingerprint(order.base),
        "pool": read_json(order.pool / "manifest.json", "manifest of the pool (training.data.build writes it)")[
            "sha256"
        ],
    }
    kept = order.output / "study.json"
    if kept.is_file() and read_json(kept, "study") != wanted:
        raise TrainingError(f"{order.output}: holds another study, or other sizes; delete it or give another --output")
    write_json(kept, wanted)


def train(one: One, order: Order) -> None:
    """Train one adapter, or go on with it; nothing is done if it is there. A problem ends the process in one line."""
    end_with_parent()
    try:
        _train(one, order)
    except TrainingError as error:
        sys.exit(f"sweep: {one.name}: {error}")


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, even by kill -9: two must not train one adapter."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _train(one: One, order: Order) -> None:
    from training.finetune.command import Run, finetune

    folder = order.output / "data" / one.name
    changed = replace(order.training, **one.arm.training)
    tokenizer = load_tokenizer(order.base)
    budget = round(order.budget * one.share)
    epochs, counts = write_arm(one.arm, one.tasks, budget, one.seed, order.pool, folder, changed, tokenizer)
    recipe = Recipe(one.name, dict.fromkeys(one.tasks), replace(changed, epochs=epochs), one.seed)
    print(f"{one.name}: {counts}, {epochs:.2f} epochs", flush=True)
    finetune(Run(recipe, folder, order.output / "adapters" / one.name, order.base))


def train_all(order: Order, ones: Sequence[One]) -> None:
    """Train what is not trained yet, each in a process of its own.

    Raises:
        TrainingError: a training failed; its own message stands above.
    """
    todo = [one for one in ones if not (order.output / "adapters" / one.name / PROVENANCE).is_file()]
    for one in tqdm(todo, desc=f"{order.study.name}: adapters", unit="adapter"):
        process = multiprocessing.get_context("spawn").Process(target=train, args=(one, order))
        process.start()
        process.join()
        if process.exitcode:
            raise TrainingError(f"{one.name}: training ended with status {process.exitcode}; see above, then run again")


def answer_all(order: Order, ones: Sequence[One]) -> dict[str, dict[int, list[Outcome]]]:
    """Arm (and the base) -> seed -> what became of every question, in the questions' order."""
    asked = questions(order.study, order.pool, order.questions)
    write_samples(order.output / "questions.jsonl", asked)
    folder = order.output / "answers"
    folder.mkdir(exist_ok=True)
    jobs: list[tuple[str, Path | None, list[int]]] = [(BASE, None, list(range(len(asked))))]
    for one in ones:
        own = [place for place, sample in enumerate(asked) if not one.arm.apart or sample.task_name in one.tasks]
        if own:
            jobs.append((one.name, order.output / "adapters" / one.name, own))
    found = {
        name: kept_outcomes(folder, name, identity(asked, places, order.base, adapter))
        for name, adapter, places in jobs
    }
    todo = [job for job in jobs if found[job[0]] is None]
    if todo:
        rank = max(replace(order.training, **dict(one.arm.training)).rank for one in ones)
        with (
            serving(order.base, rank, order.training.answer_by) as served,
            tqdm(todo, desc="adapters asked", unit="adapter") as bar,
        ):
            for name, adapter, places in bar:
                scored = served.answers(
                    [asked[place] for place in places], adapter and adapter.absolute(), folder / f"{name}.part"
                )
                found[name] = outcomes(scored)
                keep_outcomes(folder, name, identity(asked, places, order.base, adapter), found[name] or [])
    by_arm: dict[str, dict[int, list[Outcome]]] = {BASE: {0: found[BASE] or []}}
    for one in ones:
        # Arms of several adapters answer task by task, as the questions are ordered.
        by_arm.setdefault(one.arm.name, {}).setdefault(one.seed, []).extend(found.get(one.name) or [])
    return by_arm


def identity(asked: Sequence[Sample], places: Sequence[int], base: Path, adapter: Path | None) -> str:
    """SHA-256 of what an adapter's outcomes depend on."""
    samples = [asked[place] for place in places]
    weights = file_hash(adapter / "adapter_model.safetensors") if adapter else ""
    facts = [journal_key(items_of(samples), base), [sample.to_dict() for sample in samples], weights]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def known_tasks(pool: Path) -> list[str]:
    """The tasks that a build holds."""
    return sorted(read_json(pool / "manifest.json", "manifest of the pool (training.data.build writes it)")["tasks"])


def missing_tasks(order: Order) -> list[str]:
    """The tasks of a study that the pool lacks (their dataset is not there): arms and tests go without them."""
    return sorted(set(names(order.study.tasks)) - set(known_tasks(order.pool)))


def facts(order: Order, ones: Sequence[One]) -> dict[str, Any]:
    """What a reader must know beside the scores: sizes, hyperparameters, and what every adapter trained on."""
    trained = {}
    for one in ones:
        made = read_json(order.output / "adapters" / one.name / PROVENANCE, "provenance")
        kept = ("samples", "tokens", "updates", "seconds")
        trained[one.name] = {**{key: made[key] for key in kept if key in made}, "tasks": len(one.tasks)}
    return {
        "study": order.study.name,
        "question": order.study.question,
        "paper": order.study.paper,
        "budget_tokens": order.budget,
        "seeds": list(order.seeds),
        "training": asdict(order.training),
        "pool_sha256": file_hash(order.pool / "manifest.json"),
        "missing_tasks": missing_tasks(order),
        "adapters": trained,
    }
