"""Answer a file of ShopBench questions with models.user_config.UserModel and score the answers.

The model is used as the hidden evaluator of the competition uses it; see evaluation/runner.py. A run that is
interrupted goes on where it stopped when the same command is given again. With --benchmark the questions are those
of another benchmark, in its authors' files and with its own metrics; all the rest is the same.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from evaluation.benchmark import Benchmark, Options
from evaluation.benchmark_results import make_benchmark_results
from evaluation.journal import Journal, benchmark_key, journal_key
from evaluation.report import render_report
from evaluation.results import Results, make_results, write_results, write_text
from evaluation.runner import AskableModel, BadModel, LimitExceeded, run, run_questions
from evaluation.scoring import check_sample
from evaluation.table import format_results
from models.engine.requests import EngineDied
from models.settings import SettingsError
from models.weights import WeightsError, check_weights, find_weights
from shopbench.errors import UserError
from shopbench.files import ROOT, default_questions
from shopbench.sample import BadSample, Sample, read_samples
from shopbench.tracks import TRACKS

BENCHMARKS = {
    "ecinstruct": "evaluation.suites.ecinstruct.suite",
    "ecominstruct": "evaluation.suites.ecominstruct.suite",
    "shopping_mmlu": "evaluation.suites.shopping_mmlu.suite",
}
"""Benchmarks besides ShopBench: the modules that hold them, each as BENCHMARK (see evaluation/benchmark.py)."""

BENCHMARK_OPTIONS = ("split", "shots", "drop_failed")
METRIC_MISSING, BAD_INPUT, KILLED, INTERRUPTED = 1, 2, 3, 130
"""Exit codes besides 0."""


class BadOption(UserError):
    """A command-line option that cannot be used; the message says which, why and the remedy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(argv)
    try:
        return evaluate(options)
    except (BadSample, BadOption, BadModel, WeightsError, SettingsError, EngineDied) as error:
        return _fail(f"error: {error}", BAD_INPUT)
    except LimitExceeded as error:
        return _fail(f"killed: {error}", KILLED)
    except KeyboardInterrupt:
        return _fail("interrupted: give the same command again to go on from here", INTERRUPTED)


def evaluate(options: argparse.Namespace) -> int:
    """Questions -> answers -> scores, files and tables; returns the exit code."""
    output: Path = options.output
    for path in filter(None, (output, options.report)):
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise BadOption(f"{path}: cannot be written; name a file in a folder that exists")
    answer = _answer_benchmark if options.benchmark else _answer_shopbench
    journal, results = answer(options)
    write_results(output, results)
    if options.report:
        write_text(options.report, render_report(results))
    journal.remove()

    print(f"\n{format_results(results)}\n")
    print(f"written: {' and '.join(str(path) for path in (output, options.report) if path)}")
    return _report_missing(results["missing_metrics"], options.skip_missing_metrics)


def _answer_shopbench(options: argparse.Namespace) -> tuple[Journal, Results]:
    _refuse(options, BENCHMARK_OPTIONS, "ShopBench")
    file = options.questions or default_questions()
    samples = _samples(file, options.track, options.limit)
    weights = _weights(options)
    journal = _journal(options, journal_key(samples, weights), f"{len(samples)} questions of {file}", weights)
    answers = run(samples, _user_model, journal, options.enforce_limits)
    return journal, make_results(str(file), samples, answers, weights)


def _answer_benchmark(options: argparse.Namespace) -> tuple[Journal, Results]:
    benchmark: Benchmark = importlib.import_module(BENCHMARKS[options.benchmark]).BENCHMARK
    unheeded = [name for name in BENCHMARK_OPTIONS if name not in benchmark.heeds]
    _refuse(options, ("track", "enforce_limits", *unheeded), benchmark.name)
    if not options.questions:
        raise BadOption(f"--benchmark {benchmark.name}: name {benchmark.wanted} with --questions")
    wanted = Options(options.limit, options.split or "test", options.shots or 0, options.drop_failed)
    questions = benchmark.read(options.questions, wanted)
    weights = _weights(options)
    about = f"{len(questions)} questions of {benchmark.name}, {options.questions}"
    journal = _journal(options, benchmark_key(questions, weights), about, weights)
    answers = run_questions(questions, _user_model, journal)
    return journal, make_benchmark_results(benchmark, str(options.questions), questions, answers, wanted, weights)


def _refuse(options: argparse.Namespace, names: Sequence[str], benchmark: str) -> None:
    for name in names:
        if getattr(options, name):
            raise BadOption(f"--{name.replace('_', '-')}: has no meaning for {benchmark}; leave it out")


def _weights(options: argparse.Namespace) -> Path:
    weights: Path = (options.weights or find_weights(ROOT)).absolute()
    check_weights(weights)
    os.environ["SHOPBENCH_WEIGHTS"] = str(weights)
    return weights


def _journal(options: argparse.Namespace, key: str, about: str, weights: Path) -> Journal:
    print(f"{about}, weights {weights}", flush=True)
    journal = Journal(options.output.with_name(options.output.name + ".answers.part"), key)
    if journal.batches:
        print(f"going on with {journal.path}; delete it to start over", flush=True)
    return journal


def _samples(path: Path, track: int | None, limit: int | None) -> list[Sample]:
    samples = read_samples(path, check_sample)
    if track in (1, 2, 3, 4):  # All-Around is all of them
        samples = [sample for sample in samples if sample.track == TRACKS[track].challenge_id]
        if not samples:
            raise BadOption(f"{path}: holds no questions of track {track}; leave out --track or give another file")
    return samples[:limit]


def _user_model() -> AskableModel:
    # Imported here, because the engine costs seconds and memory that a bad question file need not.
    from models.user_config import UserModel

    return UserModel()


def _report_missing(missing: dict[str, dict[str, object]], skip: bool) -> int:
    for name, what in missing.items():
        how = "skipped" if skip else "error"
        print(
            f"{how}: {what['questions']} questions of metric {name} are not scored: {what['remedy']}", file=sys.stderr
        )
    return METRIC_MISSING if missing and not skip else 0


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="local_evaluation.py",
        description="Answer ShopBench questions with models.user_config.UserModel, score the answers as the "
        "competition's evaluator does, and print scores and times.",
        epilog="exit codes: 0 done; 1 done, but a metric's model is missing (see --skip-missing-metrics); 2 bad input; "
        "3 stopped by --enforce-limits; 130 interrupted (the same command goes on from there)",
    )
    parser.add_argument(
        "--questions",
        type=Path,
        metavar="FILE",
        help="questions as JSON lines, in the format of the competition's "
        "development file (default: data/development.json if it is there, else data/sample_questions.jsonl); with "
        "--benchmark, the file or folder of that benchmark",
    )
    parser.add_argument("--benchmark", choices=BENCHMARKS, help="another benchmark than ShopBench, on its own terms")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="weights to use (default: SHOPBENCH_WEIGHTS, else the active "
        "track's folder if it holds weights, else weights/embedded)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        default=Path("results.json"),
        help="where all scores and answers go (default: %(default)s)",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write a page to look through in a browser")
    parser.add_argument(
        "--limit", type=_positive, metavar="N", help="only the first N questions (of each test of a --benchmark)"
    )
    parser.add_argument("--track", type=int, choices=TRACKS, help="only the questions of one track (5: all)")
    parser.add_argument(
        "--enforce-limits",
        action="store_true",
        help="stop where the evaluator would kill the run: a "
        "batch over 10 s a question, or all answers over the questions' share of their tracks' minutes",
    )
    parser.add_argument(
        "--split", choices=("test", "val", "train"), help="with --benchmark ecinstruct: which rows (default: test)"
    )
    parser.add_argument(
        "--shots",
        type=int,
        choices=(0, 1),
        help="with --benchmark ecinstruct: worked examples before a question (default: 0)",
    )
    parser.add_argument(
        "--drop-failed",
        action="store_true",
        help="with --benchmark ecinstruct or ecominstruct: leave answers that cannot be read out of the scores, as the "
        "published scripts do, instead of counting them wrong as the papers do",
    )
    parser.add_argument(
        "--skip-missing-metrics",
        action="store_true",
        help="exit 0 even if a metric's model is not on this machine; its questions stay unscored",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


if __name__ == "__main__":  # vLLM's worker processes import this file again
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends the engine's processes too, as Ctrl-C does
    sys.exit(main())
