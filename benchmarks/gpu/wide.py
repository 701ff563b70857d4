"""The small model in the shape that 4-bit GPU kernels take: the same answers from a Qwen2 of four times the width.

SmolLM2's 576 columns are no multiple of AWQ's groups of 128, and Marlin and Machete refuse them. With zeros behind the
old rows and columns every width is one, and no logit changes: a norm is over four times as many values, so its mean
is a quarter, its output twice as large, and its weights are halved.

It is written in two forms, of the same numbers: as AutoAWQ's GEMM format holds them, and as bfloat16.
Scales keep four significant bits, so (number - zero) x scale is exact in bfloat16 and in float16: where an engine's
answers differ between the two, its 4-bit kernels are the cause, not the rounding to 4 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from shopbench.files import read_json, write_json
from training.quantize.formats import AWQ_ORDER
from training.weights.folders import PROVENANCE, copy_beside, provenance, shards, staged
from training.weights.tensors import Stored, Written, stored, write

TIMES = 4
GROUP = 128
_ALL_ROWS = ("embed_tokens", "gate_proj", "up_proj")
"""Their outputs are not the residual stream's or the heads': no more rows."""
_BIASED = ("q_proj", "k_proj", "v_proj")
"""Qwen2 has biases there; these are zero."""
_NOT_QWEN2S = ("attention_bias", "mlp_bias", "pretraining_tp", "head_dim", "_name_or_path", "_model_name_or_path")


def widened(name: str, tensor: Tensor) -> Tensor:
    """A tensor of the wide model, float32: (rows, columns) of a matrix, (width,) of a norm."""
    tensor = tensor.float()
    if tensor.dim() == 1:
        return torch.nn.functional.pad(tensor / TIMES**0.5, (0, tensor.numel() * (TIMES - 1)))
    rows, columns = tensor.shape
    more_rows = 1 if any(part in name for part in _ALL_ROWS) else TIMES
    more_columns = 1 if "down_proj" in name else TIMES
    return torch.nn.functional.pad(tensor, (0, columns * (more_columns - 1), 0, rows * (more_rows - 1)))


def quantized(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A weight (outputs, inputs) rounded to 4 bits: numbers and zeros from 0 to 15, and scales (outputs, groups)."""
    groups = weight.view(weight.shape[0], -1, GROUP)
    high, low = groups.amax(2).clamp(min=0), groups.amin(2).clamp(max=0)
    mantissa, exponent = torch.frexp(((high - low) / 15).clamp(min=2.0**-14))
    scales = torch.ldexp(torch.ceil(mantissa * 16) / 16, exponent)  # four significant bits, never smaller
    zeros = torch.round(-low / scales).clamp(0, 15)
    numbers = (torch.round(groups / scales[..., None]) + zeros[..., None]).clamp(0, 15)
    return numbers.view_as(weight), zeros, scales


def packed(numbers: Tensor) -> Tensor:
    """(rows, 8 n) numbers from 0 to 15 -> (rows, n) int32, in AWQ's order."""
    eights = numbers.to(torch.int64).view(numbers.shape[0], -1, 8)
    total = (eights << torch.tensor([4 * place for place in AWQ_ORDER])).sum(-1)
    return torch.where(total >= 2**31, total - 2**32, total).to(torch.int32)


def write_wide(source: Path, folder: Path, four_bit: bool) -> None:
    """Write the wide model of `source` (a Llama with tied embeddings); UserError if `folder` is in use."""
    method = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True}
    form = _awq if four_bit else _float
    tensors = [one for shard in shards(source) for tensor in stored(shard).values() for one in form(tensor)]
    size = sum(tensor.size for tensor in tensors)
    with staged(folder, size) as part, tqdm(total=size, desc=folder.name, unit="B", unit_scale=True) as bar:
        copy_beside(source, part)
        write_json(part / "config.json", _config(source) | ({"quantization_config": method} if four_bit else {}))
        made_of = {key: value for key, value in provenance(source).items() if key in ("answer_by", "prompt_hash")}
        write_json(part / PROVENANCE, {**made_of, "made_by": "python -m benchmarks.gpu"})
        write(part / "model.safetensors", tensors, bar.update)


def _config(source: Path) -> dict[str, Any]:
    config = read_json(source / "config.json", "configuration")
    for name in _NOT_QWEN2S:
        config.pop(name, None)
    return config | {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": config["hidden_size"] * TIMES,
        "num_attention_heads": config["num_attention_heads"] * TIMES,
        "num_key_value_heads": config["num_key_value_heads"] * TIMES,
        "rms_norm_eps": config["rms_norm_eps"] / TIMES,
        "rope_theta": config["rope_parameters"]["rope_theta"],
        "use_sliding_window": False,
    }


def _is_four_bit(tensor: Stored) -> bool:
    return len(tensor.shape) == 2 and "embed_tokens" not in tensor.name


@lru_cache(maxsize=1)  # three tensors of a layer are written one after another
def _quantized(tensor: Stored) -> tuple[Tensor, Tensor, Tensor]:
    return quantized(widened(tensor.name, tensor.load()))


def _float(tensor: Stored) -> Iterator[Written]:
    def values() -> Tensor:
        if not _is_four_bit(tensor):
            return widened(tensor.name, tensor.load())
        numbers, zeros, scales = _quantized(tensor)
        return (numbers - zeros.repeat_interleave(GROUP, 1)) * scales.repeat_interleave(GROUP, 1)

    yield _written(tensor.name, torch.bfloat16, _wide_shape(tensor), values)
    yield from _bias(tensor)


def _awq(tensor: Stored) -> Iterator[Written]:
    if not _is_four_bit(tensor):
        yield from _float(tensor)
        return
    module, (outputs, inputs) = tensor.name.removesuffix(".weight"), _wide_shape(tensor)

    def part(place: int) -> Tensor:
        return _quantized(tensor)[place].t().contiguous()

    yield _written(f"{module}.qweight", torch.int32, (inputs, outputs // 8), lambda: packed(part(0)))
    yield _written(f"{module}.qzeros", torch.int32, (inputs // GROUP, outputs // 8), lambda: packed(part(1)))
    yield _written(f"{module}.scales", torch.float16, (inputs // GROUP, outputs), lambda: part(2))
    yield from _bias(tensor)


def _bias(tensor: Stored) -> Iterator[Written]:
    if any(f".{name}.weight" in tensor.name for name in _BIASED):
        width = _wide_shape(tensor)[0]
        yield _written(
            tensor.name.removesuffix("weight") + "bias", torch.bfloat16, (width,), partial(torch.zeros, width)
        )


def _wide_shape(tensor: Stored) -> tuple[int, ...]:
    return tuple(widened(tensor.name, torch.empty(tensor.shape, device="meta")).shape)


def _written(name: str, dtype: torch.dtype, shape: tuple[int, ...], values: Callable[[], Tensor]) -> Written:
    return Written(name, dtype, shape, lambda: iter([values()]))
