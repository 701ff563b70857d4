"""Real questions through the real model: is every answer its own?

    python -m benchmarks.real_rows --source DIR [--rows 1000] [--type TYPE] [--output results.json]

Draws as many rows of every file of EC-Guide (`fzp0424/EC-Guide-KDDUP-2024`, folder `ec_guide`) as give the number
wanted, by chance with a fixed seed, and answers and scores them as local_evaluation.py does: an interrupted run goes
on when the same command is given again. Exit code 1 if any answer was repaired, cut short, shortened by a full context
or given without the model.
"""

from __future__ import annotations

from shopbench.errors import DONE, NOT_GOOD, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.real_rows")

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from evaluation.scoring import check_sample
from local_evaluation import main as evaluate
from shopbench.arguments import positive
from shopbench.files import read_json
from shopbench.outputs import outputs
from shopbench.sample import BadSample, Sample, write_samples
from shopbench.tasks import TaskType
from shopbench.text_files import json_objects

NOT_OWN = ("failed", "repaired", "unfinished", "restarts", "shortened")
"""Counters of models/shopbench_model.py that must stay 0."""


def askable_samples(file: Path) -> list[Sample]:
    """A file's rows, their task named after it; those that ShopBench could not ask are left out (metric "bool")."""
    samples = []
    for _, row in json_objects(file):
        try:
            sample = Sample.from_dict({**row, "task_name": f"{file.parent.name}/{file.stem}"})
            check_sample(sample)
        except ValueError:
            continue
        samples.append(sample)
    return samples


def draw(source: Path, count: int, task_type: TaskType | None = None, seed: int = 0) -> list[Sample]:
    """About `count` samples, as many of each file under `source` as there are and no more than fair; or BadSample."""
    by_file = [askable_samples(file) for file in sorted(source.rglob("*.jsonl"))]
    by_file = [[sample for sample in samples if task_type in (None, sample.task_type)] for samples in by_file]
    by_file = sorted(filter(None, by_file), key=len)
    if not by_file:
        raise BadSample(f"{source}: holds no rows to draw from; give EC-Guide's folder")
    drawn: list[Sample] = []
    for done, samples in enumerate(by_file):
        share = round((count - len(drawn)) / (len(by_file) - done))  # what small files lack, larger ones give
        drawn += random.Random(f"{seed} {samples[0].task_name}").sample(samples, min(share, len(samples)))
    return drawn


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.real_rows", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, metavar="DIR", help="EC-Guide's folder")
    parser.add_argument("--rows", type=positive, default=1000, metavar="N")
    parser.add_argument("--type", type=TaskType, choices=list(TaskType), help="only questions of this type")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("results.json"), metavar="FILE")
    options = parser.parse_args(argv)
    questions = options.output.with_name(options.output.name + ".questions.jsonl")
    with outputs(questions):
        write_samples(questions, draw(options.source, options.rows, options.type, options.seed))
    status = evaluate(["--questions", str(questions), "--output", str(options.output), "--skip-missing-metrics"])
    if status:
        return status
    counts = read_json(options.output, "the results")["model_counts"]
    print(", ".join(f"{name} {counts.get(name, 0)}" for name in ("questions", *NOT_OWN)))
    return NOT_GOOD if any(counts.get(name) for name in NOT_OWN) else DONE
