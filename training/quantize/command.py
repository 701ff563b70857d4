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
import importlib
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

from shopbench.files import default_questions, file_hash, read_json, write_json

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM

from shopbench.naming import AnswerBy, answer_by_of
from shopbench.prompts import Tokenizer, encode_prompt, prompt_hash
from shopbench.sample import BadSample, read_samples
from training.finetune.batches import answer_tokens
from training.weights.folders import PROVENANCE, TrainingError, copy_beside, shards, staged
from training.weights.tensors import Stored, fingerprint, stored

BACKENDS = {"autoawq": "training.quantize.autoawq", "llmcompressor": "training.quantize.llmcompressor"}
GROUP, PACKED = 128, 8
"""AWQ's group of inputs; 4-bit numbers in an int32, along the outputs."""
HELD = 6
"""Every sixth calibration text is held back for the perplexity."""
MAX_RISE = 0.25
"""Largest rise of the perplexity, as a share; 4 bits cost a 135M model about 0.1, a 72B model far less."""
CUT_ALONG_INPUTS = re.compile(r"\.(o_proj|down_proj|out_proj|fc2|dense)\.weight$")
LINEAR = re.compile(r"\.layers\.\d+\..*(proj|fc1|fc2|dense|qkv|gate_up_proj)\.weight$")


def check_sizes(tensors: dict[str, Stored], group: int, parallel: int, multiple: int = PACKED) -> None:
    """TrainingError unless every linear layer can be cut into `parallel` parts of whole groups and packs.

    Engines do not all check this themselves, and what they then compute is silently wrong. `multiple` is what the
    backend wants the outputs to be a multiple of.
    """
    linear = {name: tensor for name, tensor in tensors.items() if LINEAR.search(name) and len(tensor.shape) == 2}
    if not linear:
        raise TrainingError(
            "no linear layers are known in this model; only decoder layers with *_proj can be quantized"
        )
    for name, tensor in linear.items():
        if not tensor.dtype.is_floating_point:
            raise TrainingError(f"{tensor.path}: {name} is {tensor.dtype}; quantize the float model")
        outputs, inputs = tensor.shape
        along_inputs = bool(CUT_ALONG_INPUTS.search(name))
        if inputs % (group * (parallel if along_inputs else 1)):
            what = f"{inputs} inputs are no multiple of group {group}" + (f" x TP {parallel}" if along_inputs else "")
            fits = [smaller for smaller in (64, 32) if smaller < group and inputs % (smaller * parallel) == 0]
            remedy = f"--group {fits[0]}" if fits else "another --tp"
            pad = f"pad it (python -m training.pad --group {group} --tp {parallel}) or " if "down_proj" in name else ""
            raise TrainingError(f"{name}: {what}; {pad}take {remedy}")
        if outputs % multiple:
            raise TrainingError(f"{name}: {outputs} outputs are no multiple of {multiple}; take another --backend")
        if outputs % (PACKED * (1 if along_inputs else parallel)):
            raise TrainingError(
                f"{name}: {outputs} outputs cannot be packed by {PACKED} on TP {parallel}; take another --tp"
            )


def calibration_ids(
    tokenizer: Tokenizer, path: Path, answer_by: AnswerBy = AnswerBy.NUMBER
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of every question with its answer: (for calibration, held back for the perplexity)."""
    texts = [
        [
            *encode_prompt(tokenizer, sample.task_type, sample.input_field),
            *answer_tokens(tokenizer, sample, answer_by),
        ]
        for sample in read_samples(path)
    ]
    held = texts[HELD - 1 :: HELD]
    if not held:
        raise TrainingError(f"{path}: {len(texts)} questions are too few; give at least {HELD} to calibrate and check")
    return [text for number, text in enumerate(texts, 1) if number % HELD], held


def load_float(folder: Path) -> Any:
    """The model in float32 on a CPU, in its own type spread over the GPUs where there are some."""
    gpu = torch.cuda.is_available()
    return AutoModelForCausalLM.from_pretrained(
        folder,
        torch_dtype="auto" if gpu else torch.float32,
        device_map="auto" if gpu else None,
        local_files_only=True,
        use_safetensors=True,
    )


@torch.no_grad()
def perplexity(model: Any, texts: list[list[int]]) -> float:
    """exp of the mean negative log likelihood of the texts' tokens, first ones excepted."""
    loss, count = 0.0, 0
    for text in tqdm(texts, desc="perplexity", leave=False):
        ids = torch.tensor([text], device=model.device)
        logits = model(input_ids=ids).logits[0, :-1].float()
        loss += torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        count += len(text) - 1
    return math.exp(min(loss / count, 700.0)) if math.isfinite(loss) else math.inf


def quantize(given: argparse.Namespace, backend: Any, calibration: Path) -> tuple[float, float]:
    """Check, quantize, check again; perplexity before and after."""
    config = read_json(given.model / "config.json", "model configuration")
    if config.get("quantization_config"):
        raise TrainingError(f"{given.model}: is quantized already; give the float model")
    files = shards(given.model)
    check_sizes(
        {name: item for file in files for name, item in stored(file).items()}, given.group, given.tp, backend.OUTPUTS
    )
    model_folder = backend.readable(given.model)
    made_of = read_json(given.model / PROVENANCE, "provenance") if (given.model / PROVENANCE).is_file() else {}
    texts, held = calibration_ids(backend.tokenizer(model_folder), calibration, AnswerBy(answer_by_of(made_of)))
    with staged(given.output, sum(file.stat().st_size for file in files) // 2) as folder:
        before = perplexity(load_float(model_folder), held)
        copy_beside(given.model, folder)
        backend.quantize(model_folder, texts, given.group, given.method, folder)
        after = perplexity(backend.read_back(model_folder, folder), held)
        print(f"perplexity on {len(held)} held texts: {before:.3f} before, {after:.3f} after", flush=True)
        if not after <= before * (1 + given.max_rise):
            raise TrainingError(
                f"{given.output}: perplexity rose from {before:.3f} to {after:.3f}, over {given.max_rise:.0%};"
                " nothing is written; try a smaller --group or more calibration questions"
            )
        quantization = {
            "method": given.method,
            "backend": given.backend,
            "bits": 4,
            "group": given.group,
            "tp": given.tp,
            "calibration_sha256": file_hash(calibration),
            "calibration_texts": len(texts),
            "perplexity_before": round(before, 4),
            "perplexity_after": round(after, 4),
            "source_fingerprint": fingerprint(given.model),
            "versions": backend.VERSIONS,
        }
        write_json(folder / PROVENANCE, {"prompt_hash": prompt_hash(), **made_of, "quantization": quantization})
    return before, after


def load_backend(name: str, method: str) -> Any:
    """The backend's module; TrainingError if this environment has not its library."""
    if method == "gptq" and name != "llmcompressor":
        raise TrainingError("--method gptq needs --backend llmcompressor")
    try:
        return importlib.import_module(BACKENDS[name])
    except ImportError as error:
        raise TrainingError(f"backend {name}: {error}; run this in an environment of requirements-{name}.txt") from None


def main(arguments: list[str] | None = None) -> int:
    """Command line; a problem is one line and status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.quantize", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", required=True, type=Path, help="folder of the float model (padded, if need be)")
    parser.add_argument("--output", required=True, type=Path, help="folder for the result")
    parser.add_argument("--backend", required=True, choices=sorted(BACKENDS))
    parser.add_argument("--method", default="awq", choices=("awq", "gptq"))
    parser.add_argument("--group", type=int, default=GROUP, help="inputs per scale and zero (default: %(default)s)")
    parser.add_argument("--tp", type=int, default=1, help="tensor parallel size to serve with (T4s: 4; default: 1)")
    parser.add_argument("--calibration", type=Path, help="questions (default: data/development.json or the samples)")
    parser.add_argument("--max-rise", type=float, default=MAX_RISE, help="of the perplexity (default: %(default)s)")
    given = parser.parse_args(arguments)
    calibration = given.calibration or default_questions()
    try:
        if given.group < 1 or given.tp < 1:
            raise TrainingError("--group and --tp must be at least 1")
        read_samples(calibration)
        quantize(given, load_backend(given.backend, given.method), calibration)
    except (TrainingError, BadSample, OSError) as error:
        print(f"quantize: {error}", file=sys.stderr)
        return 1
    print(given.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
