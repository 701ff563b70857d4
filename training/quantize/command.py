"""`python -m training.quantize --model DIR --output DIR --backend autoawq|llmcompressor`: 4-bit weights.

AWQ with zero points, calibrated on questions with their answers in the very prompts of inference, the answers written
as the weights were trained to (by number or by name). Before anything starts the sizes are checked against group x TP;
afterwards the perplexity of what stands on the disk is compared with the float model's on texts that took no part in
the calibration, and a rise over --max-rise fails: a silently broken checkpoint does not leave this script.

The two backends cannot live in one environment, nor with vLLM: run this with the Python of the environment made from
requirements-autoawq.txt or requirements-llmcompressor.txt. GPTQ (--method gptq) comes with llmcompressor.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.files import default_questions, file_hash, read_json, write_json
from shopbench.naming import AnswerBy, answer_by_of
from shopbench.prompts import prompt_hash
from shopbench.sample import read_samples
from training.quantize.backend import BACKENDS, Backend, load_backend
from training.quantize.calibration import calibration_ids
from training.quantize.float_model import load_float, perplexity
from training.quantize.sizes import check_sizes
from training.weights.base import load_tokenizer
from training.weights.folders import PROVENANCE, copy_beside, provenance, shards, staged
from training.weights.tensors import fingerprint, stored

GROUP = 128
"""AWQ's usual group: inputs that share a scale and a zero point."""
MAX_RISE = 0.25
"""Largest rise of the perplexity, as a share; 4 bits cost a 135M model about 0.1, a 72B model far less."""


@dataclass(frozen=True)
class Quantization:
    """What is asked for.

    Attributes:
        group: inputs that share a scale and a zero point.
        tp: tensor parallel size that the weights will be served with.
        calibration: a question file.
        max_rise: of the perplexity, as a share.
    """

    model: Path
    output: Path
    backend: str
    method: str
    group: int
    tp: int
    calibration: Path
    max_rise: float


def quantize(wanted: Quantization, backend: Backend) -> tuple[float, float]:
    """Check, quantize, check again; perplexity before and after.

    Raises:
        UserError: sizes that do not fit, an unusable model or question file, a perplexity that rose too far.
    """
    if read_json(wanted.model / "config.json", "model configuration").get("quantization_config"):
        raise UserError(f"{wanted.model}: is quantized already; give the float model")
    files = shards(wanted.model)
    tensors = {name: item for file in files for name, item in stored(file).items()}
    check_sizes(tensors, wanted.group, wanted.tp, backend.OUTPUTS)
    model = backend.readable(wanted.model)
    made_of = provenance(wanted.model)
    texts, held = calibration_ids(load_tokenizer(model), wanted.calibration, AnswerBy(answer_by_of(made_of)))
    with staged(wanted.output, sum(file.stat().st_size for file in files) // 2) as folder:
        before = perplexity(load_float(model), held)
        copy_beside(wanted.model, folder)
        backend.quantize(model, texts, wanted.group, wanted.method, folder)
        after = perplexity(backend.read_back(model, folder), held)
        print(f"perplexity on {len(held)} held texts: {before:.3f} before, {after:.3f} after", flush=True)
        if not after <= before * (1 + wanted.max_rise):
            raise UserError(
                f"{wanted.output}: perplexity rose from {before:.3f} to {after:.3f}, over {wanted.max_rise:.0%};"
                " nothing is written; try a smaller --group or more calibration questions"
            )
        facts = {**_facts(wanted, len(texts), before, after), "versions": backend.VERSIONS}
        write_json(folder / PROVENANCE, {"prompt_hash": prompt_hash(), **made_of, "quantization": facts})
    return before, after


def _facts(wanted: Quantization, texts: int, before: float, after: float) -> dict[str, Any]:
    return {
        "method": wanted.method,
        "backend": wanted.backend,
        "bits": 4,
        "group": wanted.group,
        "tp": wanted.tp,
        "calibration_sha256": file_hash(wanted.calibration),
        "calibration_texts": texts,
        "perplexity_before": round(before, 4),
        "perplexity_after": round(after, 4),
        "source_fingerprint": fingerprint(wanted.model),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.quantize", description="Write a model in 4 bits, and check it."
    )
    parser.add_argument("--model", required=True, type=Path, help="folder of the float model (padded, if need be)")
    parser.add_argument("--output", required=True, type=Path, help="folder for the result")
    parser.add_argument("--backend", required=True, choices=sorted(BACKENDS))
    parser.add_argument("--method", default="awq", choices=("awq", "gptq"))
    parser.add_argument("--group", type=int, default=GROUP, help="inputs per scale and zero (default: %(default)s)")
    parser.add_argument("--tp", type=int, default=1, help="tensor parallel size to serve with (T4s: 4; default: 1)")
    parser.add_argument(
        "--calibration",
        type=Path,
        default=default_questions(),
        help="questions (default: data/development.json or the samples)",
    )
    parser.add_argument("--max-rise", type=float, default=MAX_RISE, help="of the perplexity (default: %(default)s)")
    wanted = Quantization(**vars(parser.parse_args(argv)))
    if wanted.group < 1 or wanted.tp < 1:
        raise UserError("--group and --tp must be at least 1")
    read_samples(wanted.calibration)
    quantize(wanted, load_backend(wanted.backend, wanted.method))
    print(wanted.output)
    return 0
