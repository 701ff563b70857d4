"""`python -m training.sweep held_out|alpha|ensemble|STUDY`: weights, adapters and ways to train them, compared.

A STUDY (training/sweep/studies.py) trains arms of equal token budgets. No point is merged: vLLM serves the base and the
(scaled) adapters. Each command writes results.json, table.md and plot.png under --output; what is finished is kept, so
the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from shopbench.arguments import finite, positive
from shopbench.outputs import outputs
from training.sweep.studies import STUDIES

ALPHAS = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1"
HELD_OUT = "held_out"
HELD_OUT_SHOWS = "Weights on held-out questions: of the tasks that they were trained on, and of tasks that are new."
WRITTEN = ("results.json", "table.md", "plot.png", "questions.jsonl", "study.json")
"""Files of the output folder; what is finished stands in folders beside them."""
GRID = "0,0.25,0.5,0.75,1"
WEIGHT_SWEEPS = {
    "alpha": "Base + alpha x adapter: the score over alpha (the winning solution's Figure 3).",
    "ensemble": "Base + w1 x first + w2 x second: which pair of weights to merge with, on held-out training data only.",
}
"""The commands that are no study, and what they show."""


def command_line(arguments: Sequence[str]) -> str:
    """The command as it was given, for tables: with the last two parts of absolute paths only."""
    words = [str(Path(*Path(word).parts[-2:])) if Path(word).is_absolute() else word for word in arguments]
    return f"python -m training.sweep {shlex.join(words)}"


def _parser() -> argparse.ArgumentParser:
    about = "Compare weights of adapters, or ways to train."
    whole = argparse.ArgumentParser(prog="python -m training.sweep", description=about)
    commands = whole.add_subparsers(dest="command", required=True, metavar="held_out|alpha|ensemble|STUDY")
    _held_out_options(commands.add_parser(HELD_OUT, help=HELD_OUT_SHOWS, description=HELD_OUT_SHOWS))
    for name in (*WEIGHT_SWEEPS, *STUDIES):
        about = STUDIES[name].question if name in STUDIES else WEIGHT_SWEEPS[name]
        one = commands.add_parser(name, help=about, description=about)
        one.add_argument("--recipe", required=True, help="whose base and hyperparameters: a recipe or an ensemble")
        one.add_argument("--base", type=Path, help="local folder of the base model (default: weights/base/<name>)")
        one.add_argument("--output", required=True, type=Path, help="folder for results, tables, pictures")
        (_study_options if name in STUDIES else _weight_options)(one, name)
    return whole


def _held_out_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("--sources", required=True, type=Path, help="folder of datasets to build the questions from")
    one.add_argument(
        "--weights", required=True, nargs="+", type=Path, metavar="DIR", help="each is compared with the last"
    )
    one.add_argument("--output", required=True, type=Path, help="folder for questions, results and table")
    _build_options(one, "questions")


def _build_options(one: argparse.ArgumentParser, what: str) -> None:
    one.add_argument("--exclude", action="append", default=[], help=f"evaluation file to keep out of the {what}")
    one.add_argument("--workers", type=positive, default=os.cpu_count() or 1, help=f"processes that build the {what}")


def _weight_options(one: argparse.ArgumentParser, name: str) -> None:
    one.add_argument("--questions", required=True, type=Path, help="JSON lines (a build's validation.jsonl)")
    one.add_argument("--per-task", type=positive, help="only the first so many questions of each task")
    if name == "alpha":
        one.add_argument("--adapter", required=True, help="adapter folder, or its name under weights/adapters")
        one.add_argument("--points", type=_numbers, default=_numbers(ALPHAS), help=f"default: {ALPHAS}")
        return
    one.add_argument("--adapters", required=True, nargs=2, metavar="ADAPTER", help="two folders or names")
    one.add_argument("--first", type=_numbers, default=_numbers(GRID), help=f"weights of the first (default: {GRID})")
    one.add_argument("--second", type=_numbers, default=_numbers(GRID), help="weights of the second")


def _study_options(one: argparse.ArgumentParser, name: str) -> None:
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, help="folder of a training.data.build with held-out samples")
    where.add_argument("--sources", type=Path, help="folder of datasets: the pool is built from them")
    one.add_argument("--budget-tokens", required=True, type=positive, help="tokens that every arm trains on")
    one.add_argument("--seeds", type=_whole_numbers, default=(1, 2, 3), help="default: 1,2,3")
    one.add_argument("--questions", type=positive, default=200, help="held-out questions at most (default: 200)")
    arms = [arm.name for arm in STUDIES[name].arms]
    one.add_argument("--arm", choices=arms, metavar="ARM", help=f"only train one arm, of: {'; '.join(arms)}")
    _build_options(one, "pool")


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(dict.fromkeys(map(finite, text.split(","))))


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(int, text.split(","))))


def main(argv: Sequence[str] | None = None) -> int:
    """Command line. The heavy packages are imported when they are needed, so that --help needs none."""
    given = _parser().parse_args(argv)
    given.line = command_line(sys.argv[1:] if argv is None else argv)
    given.output.mkdir(parents=True, exist_ok=True)
    # Arms may be trained side by side: each of their adapters has a lock of its own.
    written = [] if vars(given).get("arm") else [given.output / name for name in WRITTEN]
    with outputs(*written, inputs=inputs_of(given)):
        if given.command == HELD_OUT:
            from training.sweep.held_out import measure_held_out

            measure_held_out(given)
        elif given.command in STUDIES:
            from training.sweep.study_run import run_study

            run_study(given, STUDIES[given.command])
        else:
            from training.sweep.weight_sweep import sweep_weights

            sweep_weights(given)
    return 0


def inputs_of(given: argparse.Namespace) -> list[Path]:
    """The files and folders that a command line names for reading."""
    named = [vars(given).get(name) for name in ("base", "questions", "data", "sources", "adapter")]
    named += [name for several in ("adapters", "exclude", "weights") for name in vars(given).get(several, ())]
    return [Path(name) for name in named if isinstance(name, str | Path)]
