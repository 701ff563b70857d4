"""Answer a file of ShopBench questions with models.user_config.UserModel and score the answers.

The model is used as the hidden evaluator of the competition uses it; see evaluation/runner.py and
evaluation/suites/shopbench.py. A run that is interrupted goes on where it stopped when the same command is given again.
With --benchmark the questions are those of another benchmark, in its authors' files and with its own metrics; all the
rest is the same.
"""

from __future__ import annotations

from shopbench.errors import NOT_GOOD, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("local_evaluation")

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Item, Model, Options
from evaluation.journal import Journal, journal_key
from evaluation.report import render_report
from evaluation.results import Results, make_results
from evaluation.runner import answer_all
from evaluation.suites import BENCHMARKS
from evaluation.table import format_results
from models.weights import check_weights, find_weights
from shopbench.arguments import positive
from shopbench.files import ROOT, write_json, write_text
from shopbench.outputs import outputs
from shopbench.tracks import TRACKS


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        return evaluate(given)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("give the same command again to go on from here") from None


def evaluate(given: argparse.Namespace) -> int:
    """Questions -> answers -> scores, files and tables; returns the exit code."""
    benchmark = BENCHMARKS[given.benchmark]
    options = _options(given, benchmark)
    file = given.questions or benchmark.default_questions()
    if file is None:
        raise UserError(f"--benchmark {benchmark.name}: name {benchmark.questions} with --questions")
    weights = (given.weights or find_weights(ROOT)).absolute()
    kept = given.output.with_name(given.output.name + ".answers.part")
    read = file.rglob("*") if file.is_dir() else [file]
    with outputs(given.output, kept, given.report, inputs=[weights, *read]):
        items = benchmark.read(file, options)
        check_weights(weights)
        os.environ["SHOPBENCH_WEIGHTS"] = str(weights)
        print(f"{len(items)} questions of {benchmark.title}, {file}, weights {weights}", flush=True)
        results = _results(given, benchmark, options, str(file), items, weights, kept)
    print(f"\n{format_results(results)}\n")
    print(f"written: {' and '.join(str(path) for path in (given.output, given.report) if path)}", flush=True)
    for line in results["warnings"]:
        print("warning:", line, file=sys.stderr)
    return _report_missing(results["missing_metrics"], given.skip_missing_metrics)


def _results(
    given: argparse.Namespace,
    benchmark: Benchmark,
    options: Options,
    file: str,
    items: Sequence[Item],
    weights: Path,
    kept: Path,
) -> Results:
    """Answer, score and write; the answers so far are `kept` until the results are there."""
    is_other = kept.is_file()
    journal = Journal(kept, journal_key(items, weights))
    if journal.batches:
        print(f"going on with {kept}; delete it to start over", flush=True)
    elif is_other:
        print(f"{kept}: of other questions, weights, settings or code; starting anew", flush=True)
    answers = answer_all(benchmark, items, lambda: _user_model(benchmark, items), journal, options.enforce_limits)
    results = make_results(benchmark, file, items, answers, options, weights)
    write_json(given.output, results, indent=1)
    if given.report:
        write_text(given.report, render_report(results))
    journal.remove()
    return results


def _options(given: argparse.Namespace, benchmark: Benchmark) -> Options:
    """The benchmark's options; a UserError for one that it does not take."""
    named = {name: value for name in vars(Options()) if (value := getattr(given, name))}
    for name in named:
        if name not in ("limit", *benchmark.options):
            raise UserError(f"--{name.replace('_', '-')}: has no meaning for {benchmark.title}; leave it out")
    return Options(**named)


def _user_model(benchmark: Benchmark, items: Sequence[Item]) -> Model:
    """The model, ready; what scoring needs is loaded while its engine starts, if it lets us."""
    # Imported here, because it costs time that a bad question file need not.
    from models.user_config import UserModel

    if not hasattr(UserModel, "wait_until_ready"):  # all that the evaluator asks for is `UserModel()`
        return UserModel()
    model = UserModel(wait=False)
    benchmark.load_metrics(items)
    model.wait_until_ready()
    return model


def _report_missing(missing: dict[str, dict[str, object]], skip: bool) -> int:
    for name, what in missing.items():
        line = f"{what['questions']} questions of metric {name} are not scored: {what['remedy']}"
        print("skipped:" if skip else "error:", line, file=sys.stderr)
    return NOT_GOOD if missing and not skip else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="local_evaluation.py",
        description="Answer ShopBench questions with models.user_config.UserModel, score the answers as the "
        "competition's evaluator does, and print scores and times.",
        epilog="exit codes: 0 done; 1 done, but a metric's model is missing (see --skip-missing-metrics); 2 bad input; "
        "3 stopped by --enforce-limits; 130 interrupted (the same command goes on from there)",
    )
    add = parser.add_argument
    file: dict[str, Any] = {"type": Path, "metavar": "FILE"}
    add(
        "--questions",
        **file,
        help="questions as JSON lines, in the format of the competition's "
        "development file (default: data/development.json if it is there, else data/sample_questions.jsonl); with "
        "--benchmark, the file or folder of that benchmark",
    )
    add("--benchmark", choices=BENCHMARKS, default="shopbench", help="another benchmark, on its own terms")
    add(
        "--weights",
        type=Path,
        metavar="DIR",
        help="weights to use (default: SHOPBENCH_WEIGHTS, else the active "
        "track's folder if it holds weights, else weights/embedded)",
    )
    add("--output", **file, default=Path("results.json"), help="where all scores and answers go (default: %(default)s)")
    add("--report", **file, help="also write a page to look through in a browser")
    add("--limit", type=positive, metavar="N", help="only the first N questions (of each task of a --benchmark)")
    add("--track", type=int, choices=TRACKS, help="only the questions of one track (5: all)")
    add(
        "--enforce-limits",
        action="store_true",
        help="stop where the evaluator would kill the run: a "
        "batch over 10 s a question, or all answers over the questions' share of their tracks' minutes",
    )
    add("--split", choices=("test", "val", "train"), help="with --benchmark ecinstruct: which rows (default: test)")
    add(
        "--shots",
        type=int,
        choices=(0, 1),
        help="with --benchmark ecinstruct: worked examples before a question (default: 0)",
    )
    add(
        "--skip-missing-metrics",
        action="store_true",
        help="exit 0 even if a metric's model is not on this machine; its questions stay unscored",
    )
    return parser
