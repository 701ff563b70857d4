"""Will a track end in time? Measured on this machine, and projected to GPUs that are not at hand.

    python -m tools.budget --track 2                              both, for the weights that would be served
    python -m tools.budget --track 2 --sample 32 --no-projection  a quick measurement
    python -m tools.budget --track 5 --no-run --config tools/model_configs/qwen2-72b-awq.json --gpu T4x4

The projection shows all five tracks; the exit code is about the one asked for: 0 if nothing says that it runs out
of time, 1 if something does, 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.runner import BadModel
from models.engine.core import load_tokenizer
from models.settings import SettingsError
from models.weights import WeightsError, check_weights, find_weights
from shopbench.errors import UserError
from shopbench.files import ROOT, default_questions
from shopbench.sample import BadSample, Sample, read_samples
from shopbench.tracks import TRACKS, Track
from tools.budget.devices import parse_gpus
from tools.budget.measure import measure
from tools.budget.report import Target, format_measured, format_projection, verdicts
from tools.budget.roofline import Shape, UnknownShape
from tools.budget.workload import BatchLoad, loads, questions_of

GPU_BLOCK = 16
"""Tokens in a block of the prefix cache on CUDA."""


class BadOption(UserError):
    """A command-line option that cannot be used; the message says which, why and the remedy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(argv)
    try:
        return _budget(options)
    except (BadSample, BadModel, BadOption, WeightsError, SettingsError, UnknownShape) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _budget(options: argparse.Namespace) -> int:
    track, target_gpu = TRACKS[options.track], _gpus(options.gpu)
    samples = read_samples(options.questions or default_questions())
    weights = check_weights((options.weights or find_weights(ROOT)).absolute())
    config = _read_config(options.config) if options.config else weights.config
    in_time = True
    if not options.no_run:
        measured = measure(draw(samples, track, options.sample), weights.folder)
        print(format_measured(measured, track), end="\n\n")
        in_time = measured.in_time(track)
    if not options.no_projection:
        target = Target(Shape.from_config(config), *target_gpu)
        batches = batches_of_tracks(samples, load_tokenizer(options.tokenizer or weights.folder))
        print(format_projection(target, batches), end="\n\n")
        in_time = in_time and verdicts(target, batches)[track.number] != "fail"
    print(f"track {track.number}: {'PASS' if in_time else 'FAIL'}")
    return 0 if in_time else 1


def draw(samples: Sequence[Sample], track: Track, count: int | None) -> list[Sample]:
    """`count` questions of a track, at most those there are: a question asked twice would come from the cache."""
    own = questions_of(samples, track)
    if not own:
        raise BadOption(f"the question file holds none of track {track.number}; give another with --questions")
    return random.Random(track.number).sample(own, min(count or track.questions, track.questions, len(own)))


def batches_of_tracks(samples: Sequence[Sample], tokenizer: Any) -> dict[int, list[BatchLoad]]:
    """Each track's batches in tokens; a track without questions of its own is taken to ask what the others ask."""
    return {
        number: loads(questions_of(samples, track) or samples, tokenizer, GPU_BLOCK) for number, track in TRACKS.items()
    }


def _gpus(text: str) -> tuple[Any, int]:
    try:
        return parse_gpus(text)
    except ValueError as error:
        raise BadOption(f"--gpu: {error}") from None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadOption(f"--config {path}: cannot be read ({error}); give a Hugging Face config.json") from None
    if not isinstance(config, dict):
        raise BadOption(f"--config {path}: is no JSON object; give a Hugging Face config.json")
    return config


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools.budget",
        description="Measure how long a track takes on this machine, and project it to GPUs.",
        epilog="exit codes: 0 in time; 1 not in time; 2 bad input",
    )
    parser.add_argument("--track", type=int, choices=TRACKS, required=True)
    parser.add_argument("--weights", type=Path, metavar="DIR", help="default: those that would be served")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="default: as local_evaluation.py")
    parser.add_argument(
        "--sample", type=int, metavar="K", help="measure K questions and scale; default: all in the file"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="config.json to project; default: the weights'")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="its tokenizer; default: the weights'")
    parser.add_argument("--gpu", default="T4x4", metavar="NAMExN", help="GPUs to project to (default: %(default)s)")
    parser.add_argument("--no-run", action="store_true", help="only project")
    parser.add_argument("--no-projection", action="store_true", help="only measure")
    return parser


if __name__ == "__main__":
    sys.exit(main())
