"""What is checked before and after: sizes that groups and tensor parallelism can cut, and the perplexity.

The perplexity is that of questions with their answers, in the prompts of inference: some calibrate, some are held back.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM

from shopbench.errors import UserError
from shopbench.naming import AnswerBy
from shopbench.prompts import Tokenizer, encode_prompt
from shopbench.sample import read_samples
from training.finetune.batches import answer_tokens
from training.weights.tensors import Stored

PACKED = 8
"""4-bit numbers in an int32, along the outputs."""
_CUT_ALONG_INPUTS = re.compile(r"\.(o_proj|down_proj|out_proj|fc2|dense)\.weight$")
_LINEAR = re.compile(r"\.layers\.\d+\..*(proj|fc1|fc2|dense|qkv|gate_up_proj)\.weight$")
HELD = 6
"""Every sixth calibration text is held back for the perplexity."""


def check_sizes(tensors: dict[str, Stored], group: int, parallel: int, multiple: int = PACKED) -> None:
    """UserError unless every linear layer can be cut into `parallel` parts of whole groups and packs.

    Engines do not all check this themselves, and what they then compute is silently wrong. `multiple` is what the
    backend wants the outputs to be a multiple of.
    """
    linear = {name: tensor for name, tensor in tensors.items() if _LINEAR.search(name) and len(tensor.shape) == 2}
    if not linear:
        raise UserError("no linear layers are known in this model; only decoder layers with *_proj can be quantized")
    for name, tensor in linear.items():
        if not tensor.dtype.is_floating_point:
            raise UserError(f"{tensor.path}: {name} is {tensor.dtype}; quantize the float model")
        outputs, inputs = tensor.shape
        along_inputs = bool(_CUT_ALONG_INPUTS.search(name))
        if inputs % (group * (parallel if along_inputs else 1)):
            what = f"{inputs} inputs are no multiple of group {group}" + (f" x TP {parallel}" if along_inputs else "")
            fits = [smaller for smaller in (64, 32) if smaller < group and inputs % (smaller * parallel) == 0]
            remedy = f"--group {fits[0]}" if fits else "another --tp"
            pad = f"pad it (python -m training.pad --group {group} --tp {parallel}) or " if "down_proj" in name else ""
            raise UserError(f"{name}: {what}; {pad}take {remedy}")
        if outputs % multiple:
            raise UserError(f"{name}: {outputs} outputs are no multiple of {multiple}; take another --backend")
        if outputs % (PACKED * (1 if along_inputs else parallel)):
            raise UserError(
                f"{name}: {outputs} outputs cannot be packed by {PACKED} on TP {parallel}; take another --tp"
            )


def calibration_ids(
    tokenizer: Tokenizer, path: Path, answer_by: AnswerBy = AnswerBy.NUMBER
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of every question with its answer: (for calibration, held back for the perplexity)."""
    texts = [
        [*encode_prompt(tokenizer, one.task_type, one.input_field), *answer_tokens(tokenizer, one, answer_by)[0]]
        for one in read_samples(path)
    ]
    held = texts[HELD - 1 :: HELD]
    if not held:
        raise UserError(f"{path}: {len(texts)} questions are too few; give at least {HELD} to calibrate and check")
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
        # An embedding that accelerate keeps elsewhere has no device; what goes in is then moved by accelerate.
        ids = torch.tensor([text], device="cpu" if model.device.type == "meta" else model.device)
        logits = model(input_ids=ids).logits[0, :-1].float()
        loss += torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        count += len(text) - 1
    return math.exp(min(loss / count, 700.0)) if math.isfinite(loss) else math.inf
