"""Does the order of a batch's questions change how many of their tokens come from the prefix cache?

    python -m benchmarks.prefix_order [--weights DIR] [--questions FILE]

Asks the same batches of 16, as the evaluator makes them, in three orders on one engine whose cache is emptied in
between: as they come; sorted by their tokens, which puts the longest common beginnings beside each other; shuffled. The
counts are vLLM's own (`num_cached_tokens`), beside those that the projection (tools/budget/workload.py) takes.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabulate import tabulate

from evaluation.runner import batches_of
from evaluation.suites.shopbench import SHOPBENCH, items_of
from models.engine.core import sampling, start_core
from models.engine.environment import engine_environment
from models.engine.requests import Request
from models.machine import machine
from models.planning import Plan, Planner
from models.settings import choose
from models.spaces.vocabulary import Vocabulary
from models.tokenizer import load_tokenizer
from models.weights import check_weights, find_weights
from shopbench.errors import DONE, run_command
from shopbench.files import ROOT, default_questions
from shopbench.sample import read_samples
from shopbench.tracks import MAX_BATCH_SIZE
from tools.budget.workload import loads

Batch = list[Plan]
ORDERS: dict[str, Callable[[Batch], Batch]] = {
    "as they come": list,
    "sorted by tokens": lambda batch: sorted(batch, key=lambda plan: plan.prompt),
    "shuffled": lambda batch: random.Random(0).sample(batch, len(batch)),
}


def cached_tokens(engine: Any, vocabulary: Vocabulary, batches: Sequence[Batch]) -> int:
    """Prompt tokens that vLLM took from its cache, which is empty at the start; each batch is one call."""
    engine.reset_prefix_cache()
    cached = 0
    for number, batch in enumerate(batches):
        for place, plan in enumerate(batch):
            parameters = sampling(Request(plan.prompt, plan.space), "exact", vocabulary)
            engine.add_request(f"{number}-{place}", {"prompt_token_ids": list(plan.prompt)}, parameters)
        while engine.has_unfinished_requests():
            cached += sum(output.num_cached_tokens or 0 for output in engine.step() if output.finished)
    return cached


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.prefix_order", description="Count cached tokens by order.")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="default: those that would be served")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="default: as local_evaluation.py")
    options = parser.parse_args(argv)
    samples = read_samples(options.questions or default_questions())
    weights = check_weights((options.weights or find_weights(ROOT)).absolute())
    settings = replace(choose(weights, machine()), sequences=MAX_BATCH_SIZE)
    tokenizer = load_tokenizer(weights.folder)
    planner = Planner(tokenizer, settings.context)
    plans = [planner.plan(sample.input_field, sample.is_multiple_choice) for sample in samples]
    batches = [
        [plans[place] for place in places] for places in batches_of(SHOPBENCH, items_of(samples), MAX_BATCH_SIZE)
    ]

    os.environ.update(engine_environment(settings))
    engine = start_core(settings, "exact")
    vocabulary = Vocabulary.of(tokenizer)
    tokens = sum(len(plan.prompt) for plan in plans)
    rows = []
    for name, order in ORDERS.items():
        cached = cached_tokens(engine, vocabulary, [order(batch) for batch in batches])
        rows.append([name, tokens, cached, tokens - cached])
    projected = sum(load.uncached_tokens for load in loads(samples, tokenizer, settings.block_size))
    rows.append(["projected", tokens, tokens - projected, projected])
    engine.engine_core.shutdown()
    print(f"{len(samples)} questions in {len(batches)} batches, blocks of {settings.block_size} tokens")
    print(tabulate(rows, ["order", "prompt tokens", "cached", "computed"], disable_numparse=True))
    return DONE


if __name__ == "__main__":
    run_command(main)
