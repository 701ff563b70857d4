"""Checks of what the evaluator's four T4s make of a submission: its settings, its memory, its time."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from models.settings import EngineSettings, Machine, behaviour, choose
from models.tokenizer import load_tokenizer
from models.weights import Weights, answer_by, check_weights
from shopbench.sample import read_samples
from shopbench.tracks import SECONDS_PER_SAMPLE
from tools.budget.devices import CASES, GIB, GPUS
from tools.budget.projection import Projection, Target, project_cases, verdict
from tools.budget.roofline import Shape, plan_memory
from tools.budget.workload import Asking, batches_of_track
from tools.submit.submission import Submission, Warned

EVALUATOR_GPU, EVALUATOR_GPUS = GPUS["T4"], 4
EVALUATOR = Machine((int(EVALUATOR_GPU.memory_gib * GIB),) * EVALUATOR_GPUS, EVALUATOR_GPU.capability)
_WHERE = "set by Dockerfile or models/user_config.py"


def engine_of(submission: Submission, weights: Weights) -> EngineSettings:
    """How the evaluator's engine will be set up, by the submission's own settings."""
    return choose(weights, EVALUATOR, submission.settings)


def settings(submission: Submission) -> Iterator[str]:
    """the submission's own settings suit the evaluator."""
    found, track = submission.settings, submission.track
    if "SHOPBENCH_WEIGHTS" in found:
        yield f"SHOPBENCH_WEIGHTS: {_WHERE}, so {submission.weights} would not be served; take it out"
    how, engine = behaviour(found), engine_of(submission, check_weights(submission.weights))
    if engine.tensor_parallel > EVALUATOR_GPUS:
        yield f"SHOPBENCH_TENSOR_PARALLEL={engine.tensor_parallel}: {_WHERE}, the evaluator has 4 GPUs; take it out"
    if engine.dtype != "float16":
        yield f"SHOPBENCH_DTYPE={engine.dtype}: {_WHERE}, T4s compute in float16; take it out"
    if (how.question_seconds or 0) > SECONDS_PER_SAMPLE:
        limit = f"the evaluator kills a run at {SECONDS_PER_SAMPLE:.0f} s a question"
        yield Warned(f"SHOPBENCH_QUESTION_SECONDS={how.question_seconds:g}: {_WHERE}; {limit}: take it out")
    if how.run_seconds is not None and not 0 < how.run_seconds <= 60 * track.minutes:
        limit = f"a run that takes over {track.minutes} minutes is killed and scores nothing"
        yield Warned(f"SHOPBENCH_RUN_SECONDS={how.run_seconds:g}: {_WHERE}; {limit}: take it out")


def fits(submission: Submission) -> Iterator[str]:
    """the weights split over 4 T4s and leave room for a full context."""
    weights = check_weights(submission.weights)
    engine = engine_of(submission, weights)
    gpu = EVALUATOR_GPU.sustained("typical")
    plan = plan_memory(Shape.from_config(weights.config), gpu, engine.tensor_parallel, engine.memory_share)
    if plan.sequences(engine.context) < 1:
        yield (
            f"{weights.folder}: {plan.weights / GIB:.1f} GiB on each {EVALUATOR_GPU.name} leave no room for a question "
            f"of {engine.context} tokens; quantize to fewer bits, or take a smaller base model"
        )


def budget(submission: Submission) -> Iterator[str]:
    """the projection to 4 T4s ends in time."""
    weights, track = check_weights(submission.weights), submission.track
    engine = engine_of(submission, weights)
    how = behaviour(submission.settings, answer_by(weights.folder))
    target = Target(Shape.from_config(weights.config), EVALUATOR_GPU, engine.tensor_parallel)
    asking = Asking(engine.context, engine.block_size, how.batch_size, how.answer_by)
    questions = submission.root / "data" / "sample_questions.jsonl"
    loads = batches_of_track(read_samples(questions), load_tokenizer(weights.folder), track, asking)
    choices = shlex.join(_choices(submission, target, questions, asking))
    see, name = f"python -m tools.budget {choices}", f"budget: track {track.number}, {track.name},"
    if target.memory().cache <= 0:
        yield f"{name} has no memory left for questions; see: {see}"
        return
    cases = dict(zip(CASES, project_cases(target, loads, track), strict=True))
    found = verdict(list(cases.values()))
    if found == "fail":
        yield f"{name} would take {_needs(cases['typical'])}; what to cut: {see}"
    if found == "tight":
        times = f"typically {_needs(cases['typical'])}, in the pessimistic case {_needs(cases['pessimistic'])}"
        shorten = "a shorter SHOPBENCH_CONTEXT (ENV of the Dockerfile) makes it certain"
        yield Warned(f"{name} is tight: {times}; {shorten}: {see}")


def _choices(submission: Submission, target: Target, questions: Path, asking: Asking) -> list[str]:
    """Options for tools.budget: all that decides the minutes, for its own defaults and this shell may be others."""
    project = ["--track", str(submission.track.number), "--no-run", "--weights", str(submission.weights)]
    return [*project, "--questions", str(questions), "--gpu", f"{target.gpu.name}x{target.count}", *asking.options()]


def _needs(projection: Projection) -> str:
    """A projected time with its margin, and the slowest batch's where that is too late."""
    minutes, allowed, share = projection.total / 60, projection.track.minutes, projection.slowest_batch_share
    late = f", a batch {share * SECONDS_PER_SAMPLE:.0f} of {SECONDS_PER_SAMPLE:.0f} s a question" if share > 1 else ""
    margin = f"{allowed - minutes:.1f} to spare" if minutes <= allowed else f"{minutes - allowed:.1f} too many"
    return f"{minutes:.1f} of {allowed} minutes ({margin}{late})"
