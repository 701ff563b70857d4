"""Will a track end in time? Measured on this machine, and projected to GPUs that are not at hand.

    python -m tools.budget --track 2                              both, for the weights that would be served
    python -m tools.budget --track 2 --sample 32 --no-projection  a quick measurement
    python -m tools.budget --track 5 --no-run --config tools/model_configs/qwen2-72b-awq.json --gpu T4x4

The projection shows all five tracks; the exit code is about the one asked for: 0 if nothing says that it runs out
of time, 1 if something does, 2 for bad input.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.tokenizer import load_tokenizer
from models.weights import check_weights, find_weights
from shopbench.errors import DONE, NOT_GOOD
from shopbench.files import ROOT, default_questions, read_json
from shopbench.sample import read_samples
from shopbench.tracks import TRACKS
from tools.budget.devices import parse_gpus
from tools.budget.measure import measure
from tools.budget.projection import Target, projection_text, verdicts
from tools.budget.roofline import Shape
from tools.budget.workload import batches_of_tracks, draw


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, project, and print both; the exit code says whether the track ends in time."""
    options = _parser().parse_args(argv)
    track, gpus = TRACKS[options.track], parse_gpus(options.gpu)
    samples = read_samples(options.questions or default_questions())
    weights = check_weights((options.weights or find_weights(ROOT)).absolute())
    config = weights.config
    if options.config:
        config = read_json(options.config, "what --config names", "give a Hugging Face config.json")
    in_time = True
    if not options.no_run:
        measured = measure(draw(samples, track, options.sample), weights.folder)
        print(measured.text(track), end="\n\n")
        in_time = measured.in_time(track)
    if not options.no_projection:
        target = Target(Shape.from_config(config), *gpus)
        batches = batches_of_tracks(samples, load_tokenizer(options.tokenizer or weights.folder))
        print(projection_text(target, batches), end="\n\n")
        in_time = in_time and verdicts(target, batches)[track.number] != "fail"
    print(f"track {track.number}: {'PASS' if in_time else 'FAIL'}")
    return DONE if in_time else NOT_GOOD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools.budget",
        description="Measure how long a track takes on this machine, and project it to GPUs.",
        epilog="exit codes: 0 in time; 1 not in time; 2 bad input",
    )
    parser.add_argument("--track", type=int, choices=TRACKS, required=True)
    parser.add_argument("--weights", type=Path, metavar="DIR", help="default: those that would be served")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="default: as local_evaluation.py")
    sample = "measure K questions and scale; default: all in the file"
    parser.add_argument("--sample", type=int, metavar="K", help=sample)
    parser.add_argument("--config", type=Path, metavar="FILE", help="config.json to project; default: the weights'")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="its tokenizer; default: the weights'")
    parser.add_argument("--gpu", default="T4x4", metavar="NAMExN", help="GPUs to project to (default: %(default)s)")
    parser.add_argument("--no-run", action="store_true", help="only project")
    parser.add_argument("--no-projection", action="store_true", help="only measure")
    return parser
