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
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

NAME = "packed"


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
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
    attend = _written_out if query.device.type == "cpu" and dropout == 0.0 else _fused
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


def _written_out(query: Tensor, key: Tensor, value: Tensor, scaling: float, _dropout: float) -> Tensor:
    """Causal attention as two products and a softmax: on a CPU and at a few hundred tokens, forward and backward
    take less than half the time of torch's fused kernel (benchmarks/training.py counts it in)."""
    group, longest = query.shape[1] // key.shape[1], query.shape[2]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    later = torch.full((longest, longest), float("-inf"), dtype=query.dtype).triu_(1)
    return torch.softmax((query * scaling) @ key.transpose(-1, -2) + later, -1).to(value.dtype) @ value


# No mask function is registered under this name, so transformers makes no mask either.
AttentionInterface.register(NAME, packed_attention)
