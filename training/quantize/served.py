"""A quantized folder as an engine computes with it: every product from the numbers that stand on the disk.

The check after quantizing uses nothing of the library that wrote the folder, so an error anywhere before (the search,
the packing, the writing) shows. Nothing is copied into a float model either: where a model is larger than the memory
of the GPUs, accelerate keeps some layers' weights elsewhere and leaves empty ("meta") parameters in their place, and a
copy into those does nothing. Here the numbers themselves are the layers' parameters, and accelerate brings them from
wherever they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights, load_checkpoint_and_dispatch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from shopbench.errors import UserError
from training.quantize.formats import FORMATS, Format
from training.weights.folders import shards
from training.weights.tensors import Stored, stored


class QuantizedLinear(nn.Module):
    """A linear layer whose weight is kept as quantized numbers and made float for each product."""

    def __init__(self, of: Format, parts: Mapping[str, Stored], bias: Tensor | None) -> None:
        super().__init__()
        self._format = of
        for name, part in parts.items():
            self.register_parameter(name, nn.Parameter(torch.empty(part.shape, dtype=part.dtype), requires_grad=False))
        self.bias = nn.Parameter(bias, requires_grad=False) if bias is not None else None

    def forward(self, values: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        weight = self._format.decode({name: getattr(self, name) for name in self._format.parts})
        return nn.functional.linear(self._format.activations(values), weight.to(values.dtype), self.bias)


def load_served(folder: Path, **options: Any) -> Any:
    """The model of a quantized folder: float32 on a CPU, in its own type spread over the GPUs where there are some.

    Args:
        options: for accelerate's load_checkpoint_and_dispatch, as device_map and offload_folder.

    Raises:
        UserError: the folder lacks a tensor of the model, holds one that the model has no place for or of another
            shape, or none that is quantized.
    """
    gpu = torch.cuda.is_available()
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    dtype = config.torch_dtype if gpu else torch.float32
    found = {name: item for file in shards(folder) for name, item in stored(file).items()}
    with init_empty_weights(include_buffers=False):
        model = AutoModelForCausalLM.from_config(config)
        _put_quantized(model, found, folder)
    model.tie_weights()
    _check_whole(model, found, folder)
    placing: dict[str, Any] = {"device_map": "auto" if gpu else {"": "cpu"}}
    whole = list(model._no_split_modules or ())
    load_checkpoint_and_dispatch(model, folder, dtype=dtype, no_split_module_classes=whole, **{**placing, **options})
    return model.eval()


def _put_quantized(model: nn.Module, found: Mapping[str, Stored], folder: Path) -> None:
    """Take a QuantizedLinear for every linear layer that the folder holds quantized."""
    linear = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    quantized = 0
    for name, layer in linear.items():
        for one in FORMATS:
            parts = {part: found[f"{name}.{part}"] for part in one.parts if f"{name}.{part}" in found}
            if len(parts) == len(one.parts):
                above, _, last = name.rpartition(".")
                setattr(model.get_submodule(above), last, QuantizedLinear(one, parts, layer.bias))
                quantized += 1
    if not quantized:
        raise UserError(f"{folder}: holds no quantized weights; the quantizer wrote an unquantized model")


def _check_whole(model: nn.Module, found: Mapping[str, Stored], folder: Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    tied = {name for name in wanted if name not in dict(model.named_parameters())}
    if missing := sorted(wanted.keys() - found.keys() - tied):
        raise UserError(f"{folder}: lacks {missing[0]}; the quantized model is not whole")
    if unknown := sorted(found.keys() - wanted.keys()):
        raise UserError(f"{folder}: holds {unknown[0]}, which no part of the model takes; an engine may not take it")
    for name, shape in wanted.items():
        if name in found and found[name].shape != shape:
            raise UserError(f"{folder}: {name} has shape {found[name].shape}, not {shape}")
