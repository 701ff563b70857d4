"""Exact attention over packed samples: several samples in one row, none of which sees another.

A packed row holds each task type's prompt head (the chat template and system line that all its questions begin
with) once, and then the rest of every sample. Nothing is padded except inside the attention itself, and the
shared heads, a quarter of the tokens of short questions, are computed once a row instead of once a sample. What a
sample's tokens see, their positions and so their outputs and gradients are those of the sample alone.

`rows` are blocks (samples, longest), one for each group of similar lengths, that say which tokens of the packed row
make up each sample, head included; `take` (tokens,) says where in the blocks, flattened one after another, each packed
token's result stands. Both come from training/finetune/batches.py and reach this function through the model's keyword
arguments. On a GPU a block is one call of torch's own attention with the causal mask alone, which is FlashAttention.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

NAME = "packed"
_ATTENTION_LAYERS = frozenset({"full_attention", "sliding_attention", "chunked_attention", "attention"})


def choose_attention(model: Any, longest: int) -> bool:
    """Have a model (transformers') compute with packed attention where it can, and return whether it does.

    It can if a sample of up to `longest` tokens comes out as it does alone. So its tokens must meet in attention only
    (a convolution or a recurrent layer runs on from one sample into the next), see all of their sample there, and in no
    other way than torch's own attention has (attention sinks are another).
    """
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None)  # Granite 4's class has Mamba layers, its small models have none
    attention_only = _ATTENTION_LAYERS.issuperset(layers) if layers else not model._is_stateful
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    packed = bool(
        model._supports_attention_backend
        and model._supports_sdpa
        and attention_only
        and all(window is None or window >= longest for window in windows)
    )
    if packed:
        model.set_attn_implementation(NAME)
    elif getattr(config, "attn_logit_softcapping", None):
        model.set_attn_implementation("eager")  # torch's own attention, the default, leaves Gemma 2's soft cap out
    return packed


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    rows: Sequence[Tensor] | None = None,
    take: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Causal attention of each sample of a packed row, in the form transformers' attention interface asks for.

    query (1, heads, tokens, head size), key and value (1, key heads, tokens, head size), `rows` (their padding, at a
    sample's end, may be any number) and `take` -> (1, tokens, heads, head size), and None for the attention weights.
    """
    if rows is None or take is None:
        raise ValueError("packed attention needs `rows` and `take`; use a batch of training.finetune.batches.Packed")
    on_cpu = query.device.type == "cpu" and dropout == 0.0
    attend = partial(_written_out, softcap=softcap) if softcap or on_cpu else _fused  # the fused one has no softcap
    queries, keys, values = (part[0].transpose(0, 1) for part in (query, key, value))
    scaling = scaling or query.shape[-1] ** -0.5
    blocks = []
    for row in rows:
        # Padding comes after a sample's own tokens, so the causal mask alone keeps it out of sight.
        parts = queries[row].transpose(1, 2), keys[row].transpose(1, 2), values[row].transpose(1, 2)
        blocks.append(attend(*parts, scaling, dropout))
    return torch.cat([block.transpose(1, 2).flatten(0, 1) for block in blocks])[take].unsqueeze(0), None


def _fused(query: Tensor, key: Tensor, value: Tensor, scaling: float, dropout: float) -> Tensor:
    """Causal attention by torch's fused kernel."""
    grouped = key.shape[1] != query.shape[1]
    return nn.functional.scaled_dot_product_attention(
        query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped
    )


def _written_out(
    query: Tensor, key: Tensor, value: Tensor, scaling: float, dropout: float, softcap: float | None = None
) -> Tensor:
    """Causal attention as two products and a softmax: on a CPU and at a few hundred tokens, forward and backward
    take less than half the time of torch's fused kernel (benchmarks/training.py counts it in).

    softcap: logits are held within it by a tanh, as Gemma 2's are.
    """
    group, longest = query.shape[1] // key.shape[1], query.shape[2]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    later = torch.full((longest, longest), float("-inf"), dtype=query.dtype, device=query.device).triu_(1)
    logits = (query * scaling) @ key.transpose(-1, -2)
    if softcap:
        logits = softcap * torch.tanh(logits / softcap)
    return nn.functional.dropout(torch.softmax(logits + later, -1).to(value.dtype), dropout) @ value


# No mask function is registered under this name, so transformers makes no mask either.
AttentionInterface.register(NAME, packed_attention)
