"""The logits processor (vLLM V1) that holds answers to their spaces: a thin adapter over models/spaces.

A request names its space in `SamplingParams(extra_args={"answer_space": spec})`; one that names none is not touched.
vLLM's worker processes load the class by its name (`LLM(logits_processors=["models.engine.processors:..."])`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from models.spaces.base import AnswerSpace
from models.spaces.spec import from_spec
from models.spaces.vocabulary import Vocabulary
from models.tokenizer import load_tokenizer


class AnswerSpaceProcessor(LogitsProcessor):
    """Leaves a request only the tokens its answer space allows next; the model chooses among them.

    Example: a ranking of five with "3,1" written leaves ",", then "2", "4" and "5"; after "3,1,2,4" the request
    is at its max_tokens, and the fifth number follows in Python.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._vocabulary = Vocabulary.of(load_tokenizer(Path(vllm_config.model_config.model)))
        self._walks: dict[int, tuple[AnswerSpace, Sequence[int]]] = {}

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Refuse a request whose spec cannot be read, before it reaches a worker."""
        if spec := (sampling_params.extra_args or {}).get("answer_space"):
            from_spec(spec)

    def is_argmax_invariant(self) -> bool:
        """False: the best token may well be one that is not allowed."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow requests as they come, go and change places; their list of written tokens is live."""
        process_dict_updates(self._walks, batch_update, self._begin)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Set all but the allowed tokens to -inf, in one indexed copy for the whole batch ([requests, tokens])."""
        if not self._walks:
            return logits
        rows: list[int] = []
        columns: list[int] = []
        for row, (space, written) in self._walks.items():
            allowed = space.next_tokens(self._vocabulary, written)
            rows += [row] * len(allowed)
            columns += allowed
        at = (torch.tensor(rows, device=logits.device), torch.tensor(columns, device=logits.device))
        kept = logits[at]
        logits[list(self._walks)] = -float("inf")
        logits[at] = kept
        return logits

    @staticmethod
    def _begin(
        params: SamplingParams, prompt: list[int] | None, written: list[int]
    ) -> tuple[AnswerSpace, Sequence[int]] | None:
        spec = (params.extra_args or {}).get("answer_space")
        return (from_spec(spec), written) if spec else None
