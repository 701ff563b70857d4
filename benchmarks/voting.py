"""What votes change: multiple-choice questions answered once, and by several orders of their options.

    python -m benchmarks.voting --questions FILE [--votes 3] [--count N]

The file holds ShopBench questions; `benchmarks.real_rows` leaves one beside its results. Every question is asked in
all orders; its answer without votes is that of the first order, so both scores are of the same questions, and the
difference is counted question by question.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from evaluation.runner import batches_of
from evaluation.suites.shopbench import SHOPBENCH, items_of
from shopbench.answers import parse
from shopbench.metrics import METRICS, mean
from shopbench.sample import BadSample, Sample, read_samples
from shopbench.tasks import TaskType


def answer(model: Any, samples: list[Sample]) -> tuple[list[str], list[str], float]:
    """The answers of the first order, those after the vote, and the seconds taken."""
    before: list[str] = []
    vote = model._vote

    def watched(plans: Any, completions: Any, answers: list[str], *rest: Any) -> None:
        before.extend(answers)
        vote(plans, completions, answers, *rest)

    model._vote = watched
    after: list[str] = []
    started = time.perf_counter()
    batches = list(batches_of(SHOPBENCH, items_of(samples), model.get_batch_size()))
    for places in tqdm(batches, desc="batches", unit=" batches"):
        after += model.batch_predict({"prompt": [samples[place].input_field for place in places]}, True)
    return before, after, time.perf_counter() - started


def compare(samples: list[Sample], before: list[str], after: list[str]) -> list[list[Any]]:
    """A row a task and one for all: questions, both scores, how many votes mended and how many they spoilt."""
    score = METRICS["accuracy"].score
    right = [
        tuple(score(parse(TaskType.MULTIPLE_CHOICE, text), sample.output_field) for text in (one, other))
        for sample, one, other in zip(samples, before, after, strict=True)
    ]
    rows = []
    for name in [*dict.fromkeys(sample.task_name for sample in samples), "all"]:
        own = [pair for sample, pair in zip(samples, right, strict=True) if name in ("all", sample.task_name)]
        mended, spoilt = sum(one < other for one, other in own), sum(one > other for one, other in own)
        first, voted = (mean(pair[place] for pair in own) for place in (0, 1))
        rows.append([name, len(own), f"{first:.3f}", f"{voted:.3f}", mended, spoilt])
    return rows


def by_chance(mended: int, spoilt: int) -> float:
    """How likely a difference at least so large is if votes change nothing (two-sided sign test)."""
    changed, less = mended + spoilt, min(mended, spoilt)
    return min(1.0, 2 * sum(math.comb(changed, k) for k in range(less + 1)) / 2**changed)


def main() -> int:
    """Answer, vote, compare."""
    parser = argparse.ArgumentParser(prog="benchmarks.voting", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--questions", type=Path, required=True, metavar="FILE")
    parser.add_argument("--votes", type=int, default=3)
    parser.add_argument("--count", type=int, metavar="N", help="only so many of the questions, drawn by chance")
    options = parser.parse_args()
    try:
        samples = [sample for sample in read_samples(options.questions) if sample.is_multiple_choice]
    except BadSample as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    samples = random.Random(0).sample(samples, min(options.count or len(samples), len(samples)))
    os.environ["SHOPBENCH_VOTES"] = str(options.votes)
    from models.user_config import UserModel

    model = UserModel()
    before, after, seconds = answer(model, samples)
    rows = compare(samples, before, after)
    print(tabulate(rows, ["task", "questions", "one order", f"{options.votes} orders", "mended", "spoilt"]))
    chance = by_chance(*rows[-1][-2:])
    print(
        f"{model.stats['votes']} further votes, {seconds:.0f} s; as large a difference comes by chance in {chance:.0%}"
    )
    model.close()
    return 0


if __name__ == "__main__":  # vLLM's worker processes import this file again
    sys.exit(main())
