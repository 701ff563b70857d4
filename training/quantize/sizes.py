"""Whether a model's linear layers can be quantized in groups and then cut for tensor parallelism."""

from __future__ import annotations

import re

from shopbench.errors import UserError
from training.weights.tensors import Stored

PACKED = 8
"""4-bit numbers in an int32, along the outputs."""
_CUT_ALONG_INPUTS = re.compile(r"\.(o_proj|down_proj|out_proj|fc2|dense)\.weight$")
_LINEAR = re.compile(r"\.layers\.\d+\..*(proj|fc1|fc2|dense|qkv|gate_up_proj)\.weight$")


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
