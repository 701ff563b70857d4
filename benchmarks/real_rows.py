"""Real questions through the real model: is every answer its own, and what do votes change?

    python -m benchmarks.real_rows [--source DIR] [--rows 1000] [--type TYPE] [--output results.json]

Draws as many rows of every file of EC-Guide (`fzp0424/EC-Guide-KDDUP-2024`, folder `ec_guide`) as give the number
wanted, by chance with a fixed seed, and answers and scores them as local_evaluation.py does: an interrupted run goes
on when the same command is given again, and variables such as SHOPBENCH_VOTES=3 hold. Exit code 1 if any answer was
repaired, cut short, shortened by a full context or given without the model.

Rows whose metric ShopBench does not know (yes or no, "bool") are left out.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from evaluation.scoring import check_sample
from local_evaluation import main as evaluate
from shopbench.errors import run_command
from shopbench.files import ROOT
from shopbench.sample import BadSample, Sample, read_json_lines, write_samples
from shopbench.tasks import TaskType

NOT_OWN = ("failed", "repaired", "unfinished", "restarts", "shortened")
"""Counters of models/shopbench_model.py that must stay 0."""


def draw(source: Path, count: int, task_type: TaskType | None = None, seed: int = 0) -> list[Sample]:
    """About `count` samples, as many of each file under `source` as there are and no more than fair.

    Raises:
        BadSample: no file there, or a broken one.
    """
    files = {file: samples for file in sorted(source.rglob("*.jsonl")) if (samples := _samples(file, task_type))}
    if not files:
        raise BadSample(f"{source}: holds no rows to draw from; give EC-Guide's folder")
    drawn: list[Sample] = []
    for done, (_, samples) in enumerate(sorted(files.items(), key=lambda item: (len(item[1]), item[0]))):
        share = round((count - len(drawn)) / (len(files) - done))  # what small files lack, larger ones give
        drawn += random.Random(f"{seed} {samples[0].task_name}").sample(samples, min(share, len(samples)))
    return drawn


def _samples(file: Path, task_type: TaskType | None) -> list[Sample]:
    found = []
    for _, row in read_json_lines(file):
        try:
            sample = Sample.from_dict({**row, "task_name": f"{file.parent.name}/{file.stem}"})
            check_sample(sample)
        except ValueError:
            continue  # a row that ShopBench could not ask
        if task_type in (None, sample.task_type):
            found.append(sample)
    return found


def main() -> int:
    """Draw, answer, score, count."""
    parser = argparse.ArgumentParser(prog="benchmarks.real_rows", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--source", type=Path, default=ROOT.parent / "shared/data/ec_guide", metavar="DIR")
    parser.add_argument("--rows", type=int, default=1000, metavar="N")
    parser.add_argument("--type", type=TaskType, choices=list(TaskType), help="only questions of this type")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("results.json"), metavar="FILE")
    options = parser.parse_args()
    questions = options.output.with_name(options.output.name + ".questions.jsonl")
    write_samples(questions, draw(options.source, options.rows, options.type, options.seed))
    status = evaluate(["--questions", str(questions), "--output", str(options.output), "--skip-missing-metrics"])
    if status:
        return status
    counts = json.loads(options.output.read_text(encoding="utf-8"))["model_counts"]
    print(", ".join(f"{name} {counts.get(name, 0)}" for name in ("questions", *NOT_OWN)))
    return 1 if any(counts.get(name) for name in NOT_OWN) else 0


if __name__ == "__main__":  # vLLM's worker processes import this file again
    run_command(main)
