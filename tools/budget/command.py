"""Will a track end in time? Measured on this machine, and projected to GPUs that are not at hand.

    python -m tools.budget --track 2                              both, for the weights that would be served
    python -m tools.budget --track 2 --sample 32 --no-projection  a quick measurement
    python -m tools.budget --track 5 --no-run --config tools/model_configs/qwen2-72b-awq.json --gpu T4x4
    python -m tools.budget --recipe v8 --gpu A100-80GBx8 --data build/v8   memory and hours of a training

The projection shows all five tracks, and says what to cut from the one asked for if that is not certain to end in time.
The exit code is about this one: 0 if nothing says that it runs out of time, 1 if something does, 2 for bad input; for a
training 0 if it fits the GPUs, 1 if not.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.settings import CONTEXT, behaviour
from models.tokenizer import load_tokenizer
from models.weights import answer_by as trained_for
from models.weights import check_weights, find_weights
from shopbench.arguments import positive
from shopbench.errors import DONE, NOT_GOOD, UserError
from shopbench.files import ROOT, default_questions, read_json
from shopbench.naming import AnswerBy
from shopbench.sample import read_samples
from shopbench.tracks import MAX_BATCH_SIZE, MIN_BATCH_SIZE, TRACKS
from tools.budget.cuts import SHORTEST, cuts_text
from tools.budget.devices import parse_gpus
from tools.budget.measure import measure
from tools.budget.projection import Target, projection_text, verdicts
from tools.budget.roofline import Shape
from tools.budget.training import Tokens, base_config, base_folder, target_of, training_text
from tools.budget.workload import GPU_BLOCK, Asking, batches_of_track, draw
from training.recipes import recipe_named


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and project a track, or project a training; the exit code says whether it ends in time, or fits."""
    options = _parser().parse_args(argv)
    if options.context < SHORTEST:
        raise UserError(f"--context {options.context}: must be at least {SHORTEST}")
    if options.data and options.recipe is None:
        raise UserError("--data is what a training reads: give it with --recipe")
    return _track(options) if options.recipe is None else _training(options)


def _training(options: argparse.Namespace) -> int:
    training = recipe_named(options.recipe).training
    gpus = parse_gpus(options.gpu or "A100-80GB")
    target = target_of(training, base_config(training, options.config), *gpus)
    tokens = None
    if options.data:
        samples = read_samples(options.data / "train.jsonl")
        tokenizer = load_tokenizer(options.tokenizer or base_folder(training))
        tokens = Tokens.of(samples, tokenizer, training.max_length)
    base = str(options.config) if options.config else training.base
    print(training_text(options.recipe, base, target, tokens))
    return DONE if target.fits else NOT_GOOD


def _track(options: argparse.Namespace) -> int:
    track, gpus = TRACKS[options.track], parse_gpus(options.gpu or "T4x4")
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
        tokenizer = load_tokenizer(options.tokenizer or weights.folder)
        answer_by = options.answer_by
        if answer_by is None and options.config is None:  # the weights that --config stands for are other ones
            answer_by = behaviour({}, trained_for(weights.folder)).answer_by
        asking = Asking(options.context, options.block_size, options.batch_size, AnswerBy(answer_by or AnswerBy.NUMBER))
        batches = {number: batches_of_track(samples, tokenizer, one, asking) for number, one in TRACKS.items()}
        print(projection_text(target, batches), end="\n\n")
        verdict = verdicts(target, batches)[track.number]
        if verdict != "pass" and target.memory().cache > 0:
            print(cuts_text(target, samples, tokenizer, track, asking), end="\n\n")
        in_time = in_time and verdict != "fail"
    print(f"track {track.number}: {'PASS' if in_time else 'FAIL'}")
    return DONE if in_time else NOT_GOOD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools.budget",
        description="Measure how long a track takes on this machine, and project it, or a training, to GPUs.",
        epilog="exit codes: 0 in time (a training: it fits); 1 not; 2 bad input",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--track", type=int, choices=TRACKS)
    what.add_argument("--recipe", metavar="R", help="of a training; --gpu, --config and --data go with it")
    parser.add_argument("--data", type=Path, metavar="DIR", help="what training.data.build wrote, to count its tokens")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="default: those that would be served")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="default: as local_evaluation.py")
    sample = "measure K questions and scale; default: all in the file"
    parser.add_argument("--sample", type=positive, metavar="K", help=sample)
    parser.add_argument("--config", type=Path, metavar="FILE", help="config.json to project; default: the weights'")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="its tokenizer; default: the weights'")
    context = "most tokens of prompt and answer to project with, as SHOPBENCH_CONTEXT (default: %(default)s)"
    parser.add_argument("--context", type=positive, default=CONTEXT, metavar="N", help=context)
    size = "questions in a batch to project with, as SHOPBENCH_BATCH_SIZE (default: %(default)s)"
    sizes = range(MIN_BATCH_SIZE, MAX_BATCH_SIZE + 1)
    parser.add_argument("--batch-size", type=int, choices=sizes, default=MAX_BATCH_SIZE, metavar="N", help=size)
    block = "tokens in a block of the prefix cache, as SHOPBENCH_BLOCK_SIZE (default: %(default)s)"
    parser.add_argument("--block-size", type=positive, default=GPU_BLOCK, metavar="N", help=block)
    named_by = "what options are named by (default: as the weights were trained; with --config, number)"
    parser.add_argument("--answer-by", choices=list(AnswerBy), help=named_by)
    gpus = "GPUs to project to (default: T4x4; for a training A100-80GB)"
    parser.add_argument("--gpu", metavar="NAMExN", help=gpus)
    parser.add_argument("--no-run", action="store_true", help="only project")
    parser.add_argument("--no-projection", action="store_true", help="only measure")
    return parser
