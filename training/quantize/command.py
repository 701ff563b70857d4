"""`python -m training.quantize --model DIR --output DIR --backend autoawq|llmcompressor`: weights of 4 or 8 bits.

AWQ with zero points in 4 bits, calibrated on questions with their answers in the very prompts of inference, the answers
written as the weights were trained to (by number or by name). Before anything starts the sizes are checked against
group x TP; afterwards the perplexity of what stands on the disk is compared with the float model's on texts that took
no part in the calibration, and a rise over --max-rise fails: a silently broken checkpoint does not leave this script.

The two backends cannot live in one environment, nor with vLLM: `make setup-quantize` makes .venv-autoawq and
.venv-llmcompressor, with whose Python this is run. With llmcompressor come GPTQ (--method gptq) and W8A8 (--method
w8a8): weights of 8 bits, a scale an output, and activations rounded to 8 bits as they come, a scale a token.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from shopbench.arguments import not_negative, positive
from shopbench.errors import UserError
from shopbench.files import default_questions, file_hash, read_json, write_json
from shopbench.naming import AnswerBy, answer_by_of
from shopbench.prompts import prompt_hash
from shopbench.requirements import MADE_BY
from shopbench.sample import read_samples
from training.quantize.checks import calibration_ids, check_sizes, load_float, perplexity
from training.quantize.served import load_served
from training.weights.base import load_tokenizer
from training.weights.folders import PROVENANCE, copy_beside, provenance, shards, staged
from training.weights.tensors import fingerprint, stored

GROUP = 128
"""AWQ's usual group: inputs that share a scale and a zero point."""
MAX_RISE = 0.25
"""Largest rise of the perplexity, as a share; 4 bits cost a 135M model about 0.1, a 72B model far less."""
BITS = {"awq": 4, "gptq": 4, "w8a8": 8}
"""Of a weight, by method."""
BACKENDS = {"autoawq": "training.quantize.autoawq", "llmcompressor": "training.quantize.llmcompressor"}


class Backend(Protocol):
    """What wraps one quantization library: training/quantize/autoawq.py and llmcompressor.py."""

    VERSIONS: dict[str, str]
    """Of the library and what it builds on, for provenance.json."""
    OUTPUTS: int
    """What every layer's outputs must be a multiple of."""

    def readable(self, model: Path) -> Path:
        """A folder with the same weights that this environment's transformers understands."""

    def quantize(self, model: Path, texts: list[list[int]], group: int, method: str, output: Path) -> None: ...


def load_backend(name: str, method: str) -> Backend:
    """The backend's module; UserError if it cannot do `method` or this environment has not its library."""
    if method != "awq" and name != "llmcompressor":
        raise UserError(f"--method {method} needs --backend llmcompressor")
    try:
        return cast(Backend, importlib.import_module(BACKENDS[name]))
    except ImportError as error:
        if (error.name or "").split(".")[0] in ("training", "shopbench"):
            raise
        raise UserError(f"backend {name}: {error}; {MADE_BY[f'requirements-{name}.txt']}") from None


def quantize(given: argparse.Namespace, backend: Backend) -> None:
    """Check, quantize, check again; UserError for sizes that do not fit, bad files, a perplexity that rose too far."""
    config = read_json(given.model / "config.json", "model configuration", "give a Hugging Face model folder")
    if config.get("quantization_config"):
        raise UserError(f"{given.model}: is quantized already; give the float model")
    heads = config.get("num_attention_heads")
    if isinstance(heads, int) and heads % given.tp:
        raise UserError(f"{given.model}: {heads} attention heads cannot be split in {given.tp}; take another --tp")
    files = shards(given.model)
    tensors = {name: item for file in files for name, item in stored(file).items()}
    group = given.group if BITS[given.method] == 4 else None
    check_sizes(tensors, group or 1, given.tp, backend.OUTPUTS)
    model = backend.readable(given.model)
    made_of = provenance(given.model)
    texts, held = calibration_ids(load_tokenizer(model), given.calibration, AnswerBy(answer_by_of(made_of)))
    with staged(given.output, sum(file.stat().st_size for file in files) // 2) as folder:
        before = perplexity(load_float(model), held)
        copy_beside(given.model, folder)
        backend.quantize(model, texts, given.group, given.method, folder)
        after = perplexity(load_served(folder), held)
        print(f"perplexity on {len(held)} held texts: {before:.3f} before, {after:.3f} after", flush=True)
        if not after <= before * (1 + given.max_rise):
            raise UserError(
                f"{given.output}: perplexity rose from {before:.3f} to {after:.3f}, over {given.max_rise:.0%};"
                " nothing is written; try a smaller --group or more calibration questions"
            )
        facts = {
            "method": given.method,
            "backend": given.backend,
            "bits": BITS[given.method],
            "group": group,
            "tp": given.tp,
            "calibration_sha256": file_hash(given.calibration),
            "calibration_texts": len(texts),
            "perplexity_before": round(before, 4),
            "perplexity_after": round(after, 4),
            "source_fingerprint": fingerprint(given.model),
            "versions": backend.VERSIONS,
        }
        write_json(folder / PROVENANCE, {"prompt_hash": prompt_hash(), **made_of, "quantization": facts})


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    about = "Write a model in 4 or 8 bits, and check it."
    parser = argparse.ArgumentParser(prog="python -m training.quantize", description=about)
    parser.add_argument("--model", required=True, type=Path, help="folder of the float model (padded, if need be)")
    parser.add_argument("--output", required=True, type=Path, help="folder for the result")
    parser.add_argument("--backend", required=True, choices=sorted(BACKENDS))
    parser.add_argument("--method", default="awq", choices=sorted(BITS), help="default: %(default)s")
    group = "inputs per scale of 4-bit weights (default: %(default)s)"
    parser.add_argument("--group", type=positive, default=GROUP, help=group)
    parser.add_argument("--tp", type=positive, default=1, help="tensor parallel to serve with (T4s: 4; default: 1)")
    calibration = "questions (default: data/development.json or the samples)"
    parser.add_argument("--calibration", type=Path, default=default_questions(), help=calibration)
    parser.add_argument("--max-rise", type=not_negative, default=MAX_RISE, help="of perplexity (default: %(default)s)")
    given = parser.parse_args(argv)
    read_samples(given.calibration)
    quantize(given, load_backend(given.backend, given.method))
    print(given.output)
    return 0
