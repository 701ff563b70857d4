"""How fast a decoder-only transformer can run on given devices, from first principles (a roofline model).

For one step of the engine over `tokens` new tokens, split over n devices (tensor parallel):

    products      2 * layer parameters * tokens / n + 2 * hidden * vocabulary * rows / n operations (logits: one row a
                  sequence), or the reading of those weights
    attention     4 * layers * heads * head_dim * pairs / n operations, a pair being a new token and one that it
                  attends to, or the reading of the cache
    activations   read and written between the products, / n
    all-reduce    2 a layer, each of hidden * tokens values: latency + 2 (n-1)/n * bytes / link

Products and attention take the larger of their computing and their reading; the four follow one another (a GPU runs one
kernel after another), and the engine's own overhead comes on top. Prefill is such a step over many tokens (bound by
computing), decoding one over a token a sequence (bound by reading). Sizes in bytes, times in seconds.

Checked against measured throughput on a CPU by benchmarks/roofline.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.engine.core import STEP_TOKENS
from models.weights import Weights
from shopbench.errors import UserError
from shopbench.tracks import MAX_BATCH_SIZE
from tools.budget.devices import GIB, Device

RESERVED = 0.6 * GIB
"""CUDA context, kernels and NCCL buffers of one GPU."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder-only transformer.

    `layer_weight_bytes` are those of one weight of a linear layer, with its share of scales and zero points;
    `value_bytes` those of an activation, an embedding weight, and (`cached_bytes` unset) a cached key or value.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    tied: bool
    layer_weight_bytes: float
    value_bytes: int
    cached_bytes: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any], value_bytes: int = 2) -> Shape:
        """Read a Hugging Face config.json; UserError if it is no dense decoder-only transformer's."""
        if config.get("num_experts") or config.get("num_local_experts"):
            raise UserError("config.json is a mixture of experts; the formulas know dense models only")
        try:
            hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
            return cls(
                layers=int(config["num_hidden_layers"]),
                hidden=hidden,
                heads=heads,
                kv_heads=int(config.get("num_key_value_heads") or heads),
                head_dim=int(config.get("head_dim") or hidden // heads),
                intermediate=int(config["intermediate_size"]),
                vocabulary=int(config["vocab_size"]),
                tied=bool(config.get("tie_word_embeddings", False)),
                layer_weight_bytes=_weight_bytes(config, value_bytes),
                value_bytes=value_bytes,
            )
        except KeyError as error:
            raise UserError(f"config.json has no {error.args[0]!r}; give a decoder-only transformer's") from None
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise UserError(f"config.json has sizes that are no numbers ({error}); copy it again") from None

    @property
    def layer_parameters(self) -> int:
        """Weights in all linear layers, without embeddings and head."""
        width = self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        return self.layers * self.hidden * (width + 3 * self.intermediate)

    @property
    def head_bytes(self) -> float:
        """Bytes of the language-model head (and as many of the embeddings, if they are not tied)."""
        return self.hidden * self.vocabulary * self.value_bytes

    @property
    def weight_bytes(self) -> float:
        """Bytes of the whole model."""
        return self.layer_parameters * self.layer_weight_bytes + self.head_bytes * (1 if self.tied else 2)

    @property
    def cache_bytes(self) -> float:
        """Bytes of keys and values of one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim * (self.cached_bytes or self.value_bytes)


def _weight_bytes(config: Mapping[str, Any], value_bytes: int) -> float:
    """Bytes of a weight of a linear layer: 4 bits and a share of fp16 scale and 4-bit zero if it is quantized."""
    quantization = config.get("quantization_config") or {}
    if not quantization:
        return value_bytes
    groups = list((quantization.get("config_groups") or {}).values())
    bits = quantization.get("bits") or next((group["weights"]["num_bits"] for group in groups), 4)
    group_size = Weights(Path("config.json"), dict(config), 0).group_size or 128
    return (bits + (16 + bits) / group_size) / 8


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes on each device, and how many sequences of a length its cache holds."""

    capacity: float
    weights: float
    activations: float
    reserved: float
    cache_per_token: float

    @property
    def cache(self) -> float:
        """Bytes left for keys and values; negative if the weights do not fit."""
        return self.capacity - self.weights - self.activations - self.reserved

    def sequences(self, tokens: int) -> int:
        """How many sequences of `tokens` tokens fit into the cache."""
        return max(0, int(self.cache / (self.cache_per_token * tokens)))


def plan_memory(
    shape: Shape, device: Device, parts: int, share: float = 0.95, step_tokens: int = STEP_TOKENS
) -> MemoryPlan:
    """What the engine puts on each of `parts` devices when it may use `share` of their memory.

    Activations are those of the widest step: the residual stream and its norm, the projections of a layer's wider
    half, and float32 logits of a full batch.
    """
    widest = max(3 * shape.intermediate, shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)) / parts
    activations = step_tokens * (3 * shape.hidden + widest) * shape.value_bytes
    return MemoryPlan(
        capacity=device.memory * share,
        weights=shape.weight_bytes / parts,
        activations=activations + MAX_BATCH_SIZE * shape.vocabulary * 4,
        reserved=RESERVED,
        cache_per_token=shape.cache_bytes / min(parts, shape.kv_heads),
    )


@dataclass(frozen=True)
class Step:
    """Seconds of one engine step, by what takes them."""

    products: float
    attention: float
    activations: float
    all_reduce: float
    overhead: float

    @property
    def seconds(self) -> float:
        return self.products + self.attention + self.activations + self.all_reduce + self.overhead


def step(shape: Shape, device: Device, parts: int, tokens: int, pairs: float, rows: int) -> Step:
    """One step over `tokens` new tokens of `rows` sequences that attend to `pairs` tokens in all."""
    operations = 2 * shape.layer_parameters * tokens + 2 * shape.hidden * shape.vocabulary * rows
    weights = shape.layer_parameters * shape.layer_weight_bytes + (shape.head_bytes if rows else 0)
    attention = 4 * shape.layers * shape.heads * shape.head_dim * pairs
    # A prefill's queries share what they read; a decode step reads, of each sequence, what its one token attends to.
    cached = shape.cache_bytes * pairs * rows / tokens
    # Read and written once a layer: the residual stream (4 times), the projections of attention and MLP.
    values = 8 * shape.hidden + 6 * shape.intermediate + 2 * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    reduced = 2 * (parts - 1) / parts * shape.hidden * tokens * shape.value_bytes / device.link
    return Step(
        products=max(operations / device.flops, weights / device.bandwidth) / parts,
        attention=max(attention / (device.attention or device.flops), cached / device.bandwidth) / parts,
        activations=shape.layers * tokens * values * shape.value_bytes / parts / device.bandwidth,
        all_reduce=2 * shape.layers * (device.latency + reduced) if parts > 1 else 0.0,
        overhead=device.step_overhead,
    )
