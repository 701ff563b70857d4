"""Questions a second of this model, against other flows on the same weights and questions.

    python -m benchmarks.inference --questions FILE --peer PEER.py [--weights DIR] [--limit N] [--rounds N]

The peer is a script called as `PEER.py WEIGHTS QUESTIONS OUT.json --mode MODE` that writes its answers, a JSON list,
and prints a JSON line with the seconds `init_s` and `predict_s`. Ours rebuilt the winners' flow (mode "winners":
batches of 16, an engine call for each task type) and gave every question to the engine at once ("ideal"). Each run is
a process of its own and starts its own engine; `process_s` is all of it, from its start to its exit. Rounds are
interleaved, so that a busy machine is busy for all, and the median counts.

All flows compute in the same number type, the one that models/settings.py chooses here, and with all cores: a peer
that leaves both to vLLM would get bfloat16 on any CPU, however slow it is there, and one core of two. With
ATEN_CPU_CAPABILITY=avx2 in the environment both do as on a CPU with AVX2 alone.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.inference")

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation.benchmark import Model
from evaluation.runner import batches_of
from evaluation.scoring import mean_over_tasks, outcomes
from evaluation.suites.shopbench import SHOPBENCH, items_of
from models.machine import keeps_to_avx2, machine
from models.settings import EngineSettings, choose
from models.user_config import UserModel
from models.weights import check_weights
from shopbench.arguments import positive
from shopbench.files import ROOT, write_text
from shopbench.sample import Sample, read_samples, write_samples

OURS = "ours"
MULTIPLIES_WITH = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""The flags of /proc/cpuinfo that decide how fast a CPU multiplies matrices."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.inference",
        description="Measure questions a second against other flows.",
        epilog="PEER.py is called as `PEER.py WEIGHTS QUESTIONS OUT.json --mode MODE`",
    )
    parser.add_argument("--questions", type=Path, default=ROOT / "data/sample_questions.jsonl")
    parser.add_argument("--peer", type=Path, metavar="PEER.py", help="the script of the other flow")
    parser.add_argument("--weights", type=Path, default=ROOT / "weights/embedded")
    parser.add_argument("--modes", nargs="+", default=["winners", "ideal"], help="modes of the peer")
    parser.add_argument("--limit", type=positive, help="ask about this many questions, spread over the file")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--answer", nargs=2, metavar=("QUESTIONS", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.answer:
        return answer(*options.answer)
    if not options.peer:
        raise UserError("--peer: name the script that runs the other flow (--help says how it is called)")
    samples = read_samples(options.questions)
    for path, what in ((options.peer, "peer script"), (options.weights, "weights folder")):
        if not path.exists():
            raise UserError(f"{path}: no such {what}; give one that exists")
    step = max(1, len(samples) // options.limit) if options.limit else 1
    samples = samples[::step][: options.limit]
    settings = choose(check_weights(options.weights.absolute()), machine())
    compared = compare(samples, options.peer, settings, options.modes, options.rounds)
    print(json.dumps({"machine": describe_cpu(), "type": settings.dtype, **compared}, indent=2))
    return DONE


def describe_cpu() -> str:
    """This machine's processor in a line: name, cores that this process may use, and what it multiplies with."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    known = [flag for flag in MULTIPLIES_WITH if flag in machine().cpu_flags]
    kept = " (kept to it)" if keeps_to_avx2() else ""
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {' '.join(known) or 'no AVX2'}{kept}"


def compare(
    samples: list[Sample], peer: Path, settings: EngineSettings, modes: list[str], rounds: int
) -> dict[str, Any]:
    """Seconds, score and speed of each flow (medians), and this model's speed divided by each peer's."""
    runs: dict[str, list[dict[str, Any]]] = {mode: [] for mode in (OURS, *modes)}
    scores: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        questions = Path(folder) / "questions.jsonl"
        write_samples(questions, samples)
        order = [(number, mode) for number in range(rounds) for mode in (reversed(runs) if number % 2 else iter(runs))]
        for number, mode in tqdm(order, desc="runs", unit=" runs"):
            out = Path(folder) / f"{mode}.json"
            runs[mode].append(_run(mode, peer, settings, questions, out))
            answers = json.loads(out.read_text(encoding="utf-8"))
            scored, _ = SHOPBENCH.score_answers(items_of(samples), answers)
            scores[mode] = mean_over_tasks(known) if (known := outcomes(scored)) else None
            facts = {"round": number, "flow": mode, "score": scores[mode], **runs[mode][-1]}
            tqdm.write(json.dumps(facts, default=str), file=sys.stderr)
    flows, speed, whole = {}, {}, {}
    for mode, measured in runs.items():
        seconds = {name: [run[name] for run in measured] for name in ("predict_s", "init_s", "process_s")}
        whole[mode] = statistics.median(seconds["process_s"])
        speed[mode] = len(samples) / statistics.median(seconds["predict_s"])
        flows[mode] = {**seconds, "questions_per_s": round(speed[mode], 3), "score": scores[mode]}
    ratios = {mode: round(speed[OURS] / speed[mode], 2) for mode in modes}
    whole_ratios = {mode: round(whole[mode] / whole[OURS], 2) for mode in modes}
    counts = {"questions": len(samples), "rounds": rounds}
    return {**counts, "flows": flows, "ours_to": ratios, "ours_to_whole_process": whole_ratios}


def answer(questions: str, out: str) -> int:
    """Answer a file with UserModel in the evaluator's batches; prints the times, writes the answers."""
    samples = read_samples(questions)
    started = time.perf_counter()
    model = UserModel()
    init = time.perf_counter() - started
    answers, took = ask(model, samples)
    write_text(out, json.dumps(answers, ensure_ascii=False))
    print(json.dumps({"init_s": round(init, 2), "predict_s": round(took, 2), "stats": dict(model.stats)}))
    model.close()
    return DONE


def ask(model: Model, samples: Sequence[Sample]) -> tuple[list[str], float]:
    """A model's answers, asked in the evaluator's batches, and the seconds that it took."""
    answers = [""] * len(samples)
    started = time.perf_counter()
    for places in batches_of(SHOPBENCH, items_of(samples), model.get_batch_size()):
        prompts = [samples[place].input_field for place in places]
        given = model.batch_predict({"prompt": prompts}, samples[places[0]].is_multiple_choice)
        for place, text in zip(places, given, strict=True):
            answers[place] = text
    return answers, time.perf_counter() - started


def _run(mode: str, peer: Path, settings: EngineSettings, questions: Path, out: Path) -> dict[str, Any]:
    weights, python = str(settings.weights), [sys.executable, "-m"]
    if mode == OURS:
        command = [*python, "benchmarks.inference", "--answer", str(questions), str(out)]
    else:
        arguments = [weights, str(questions), str(out), "--mode", mode]
        command = [*python, "benchmarks.peer", settings.dtype, str(peer.absolute()), *arguments]
    environment = os.environ | {"SHOPBENCH_WEIGHTS": weights, "VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(f"the run of {mode!r} failed ({said}); try it alone: {shlex.join(command)}")
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "process_s": round(took, 2)}
