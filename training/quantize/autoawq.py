"""AutoAWQ 0.2.9 (archived; transformers 4.51), a backend (command.py): the format of the winners, AWQ GEMM."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from awq import AutoAWQForCausalLM
from awq.quantize.quantizer import AwqQuantizer
from torch import Tensor, nn

from shopbench.files import read_json, write_json
from shopbench.requirements import versions
from training.weights.base import load_tokenizer

VERSIONS = versions("autoawq", "torch", "transformers")
OUTPUTS = 64
"""Its search for clipping values asserts that this divides the outputs."""
BLOCK = 512
"""Calibration texts are joined and cut into blocks of so many tokens, as AutoAWQ does."""


class CloningQuantizer(AwqQuantizer):
    """AutoAWQ's quantizer, right on a CPU as well.

    Its scale search tries twenty scales on the layer's own weights and restores them each time from
    `{name: tensor.cpu() for name, tensor in module.state_dict().items()}`. On a CPU tensor `.cpu()` is no copy: the
    "saved" weights are the scaled ones and every trial piles up on the one before. Here the state is cloned.
    """

    def _compute_best_scale(
        self, x: Tensor, w_mean: Tensor, x_mean: Tensor, module2inspect: nn.Module, *rest: Any
    ) -> Any:
        state_dict = module2inspect.state_dict

        def cloned(*arguments: Any, **options: Any) -> dict[str, Tensor]:
            return {name: tensor.clone() for name, tensor in state_dict(*arguments, **options).items()}

        module2inspect.state_dict = cloned
        try:
            return super()._compute_best_scale(x, w_mean, x_mean, module2inspect, *rest)
        finally:
            del module2inspect.state_dict


def readable(model: Path) -> Path:
    """A folder with the same weights that transformers 4.51 understands; it lives as long as the process.

    transformers 5 keeps RoPE's parameters in one object, and names its tokenizer class and dtype differently.
    """
    folder = Path(tempfile.mkdtemp(prefix="readable-"))
    for file in model.iterdir():
        if file.is_file() and not file.name.startswith("."):
            (folder / file.name).symlink_to(file.resolve())
    config = read_json(model / "config.json", "model configuration", "give a Hugging Face model folder")
    rope = config.get("rope_parameters")
    if isinstance(rope, dict):
        if rope.get("rope_type", "default") != "default":
            config["rope_scaling"] = {name: value for name, value in rope.items() if name != "rope_theta"}
        config["rope_theta"] = rope["rope_theta"]
    config["torch_dtype"] = config.get("dtype", config.get("torch_dtype", "float16"))
    write_json(folder / "config.json", config)  # in the link's place
    tokenizer = read_json(model / "tokenizer_config.json", "tokenizer configuration")
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":
        tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(tokenizer.get("extra_special_tokens"), list):
        tokenizer["additional_special_tokens"] = tokenizer.pop("extra_special_tokens")
    write_json(folder / "tokenizer_config.json", tokenizer)
    return folder


def quantize(model: Path, texts: list[list[int]], group: int, method: str, output: Path) -> None:
    """Write `model` in 4 bits to `output`, calibrated on `texts` (token ids)."""
    # On the CPU whatever the GPU holds: AutoAWQ moves one layer after another to it, and its default ("auto") would
    # leave the layers that do not fit as empty parameters, which it does not know how to fill.
    awq = AutoAWQForCausalLM.from_pretrained(
        str(model), safetensors=True, trust_remote_code=False, low_cpu_mem_usage=True, device_map="cpu"
    )
    blocks = sum(map(len, texts)) // BLOCK
    awq.quantize(
        load_tokenizer(model),
        quant_config={"zero_point": True, "q_group_size": group, "w_bit": 4, "version": "GEMM"},
        calib_data=texts,
        max_calib_samples=len(texts),
        max_calib_seq_len=BLOCK if blocks else min(map(len, texts)),
        n_parallel_calib_samples=8,
        quantizer_cls=CloningQuantizer,
    )
    awq.save_quantized(str(output), safetensors=True, shard_size="5GB")
