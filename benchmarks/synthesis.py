"""Synthesis with many requests at once against one at a time, on a server that is up.

    python -m benchmarks.synthesis --model NAME --endpoint URL --input ROWS [--task TASK] [--rows N] [--rounds N]

Each measurement is a whole run of a task (answers, second asks, validation) into an empty folder, on rows of its own,
so that neither the journal nor the server's prefix cache helps the later one. A run before the first round warms the
server up (prompts' common beginnings, grammars). Rounds take turns in which way goes first. The ratio is that of answer
tokens a second, as the rows of the two ways are not the same.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.synthesis")

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shopbench.arguments import positive
from training.data.formats import Row
from training.synthesize.client import Server
from training.synthesize.command import input_rows
from training.synthesize.reply_cache import ReplyCache, Spending
from training.synthesize.run import SynthesisRun, ask_server
from training.synthesize.tasks.catalogue import synthesis_task_named
from training.synthesize.tasks.task import Settings, SynthesisTask

WARM_UP = 2  # rows before the first measurement


def measure(task: SynthesisTask, rows: list[Row], endpoint: str, model: str, concurrency: int) -> dict[str, Any]:
    """Seconds, requests and tokens of one run, and how many rows were accepted."""
    spending = Spending()
    run = SynthesisRun(task, rows, Settings(), spending)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(ReplyCache(Path(folder) / "journal", model, spending)) as cache,
        run.bar,
    ):
        started = time.perf_counter()
        asyncio.run(ask_server(run, Server(endpoint, model, cache, concurrency, timeout=1800.0)))
        seconds = time.perf_counter() - started
    return {
        "at_once": concurrency,
        "rows": len(rows),
        "accepted": len(run.accepted().rows),
        "seconds": round(seconds, 2),
        "requests": spending.requests,
        "answer_tokens": spending.answer_tokens,
        "prompt_tokens": spending.prompt_tokens,
        "requests_per_s": round(spending.requests / seconds, 3),
        "answer_tokens_per_s": round(spending.answer_tokens / seconds, 3),
    }


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds, the median rate of each way, and their ratio."""
    task = synthesis_task_named(options.task)
    ways = {1: options.rows_alone, options.concurrency: options.rows}
    needed = WARM_UP + sum(ways.values()) * options.rounds
    rows = input_rows(task, options.input, needed)
    if len(rows) < needed:
        raise UserError(f"{options.input}: {len(rows)} rows, {needed} are needed; give more or fewer --rows")
    remaining = iter(rows)
    measure(task, list(itertools.islice(remaining, WARM_UP)), options.endpoint, options.model, WARM_UP)
    runs = []
    for number in range(options.rounds):
        for way in list(ways)[:: 1 if number % 2 == 0 else -1]:
            portion = list(itertools.islice(remaining, ways[way]))
            runs.append(measure(task, portion, options.endpoint, options.model, way))
            tqdm.write(json.dumps(runs[-1]), file=sys.stderr)
    rate = {way: statistics.median(run["answer_tokens_per_s"] for run in runs if run["at_once"] == way) for way in ways}
    return {
        "task": task.name,
        "model": options.model,
        "runs": runs,
        "answer_tokens_per_s": {str(way): round(tokens, 3) for way, tokens in rate.items()},
        "ratio": round(rate[options.concurrency] / rate[1], 2),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the comparison as JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.synthesis", description="Many requests at once against one")
    parser.add_argument("--model", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--input", type=Path, required=True, help="JSON lines, or the sources folder")
    parser.add_argument("--task", default="amazon_reviews_covered_aspects")
    parser.add_argument("--rows", type=positive, default=16, help="rows of each run at once")
    parser.add_argument("--rows-alone", type=positive, default=4, help="rows of each run one at a time")
    parser.add_argument("--rounds", type=positive, default=2)
    parser.add_argument("--concurrency", type=positive, default=16)
    print(json.dumps(compare(parser.parse_args(argv)), indent=2))
    return DONE
