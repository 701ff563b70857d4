"""The winning solution's logits processors, to compare with: biases on tokens, the same at every step.

Loaded by vLLM's workers only with SHOPBENCH_CONSTRAINTS=winners; a request says in `SamplingParams(extra_args=...)`
what it wants of them: {"winners": {"highest": 5}} or {"winners": {"cite": True}}.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from models.spaces.vocabulary import Vocabulary
from models.tokenizer import load_tokenizer

Biases = list[tuple[torch.Tensor, float]]
"""Token ids, and what is added to their logits."""


class WinnersProcessor(LogitsProcessor):
    """The winners' constraints, none of which has a state.

    - numbers: +100 on the digits up to `highest` (5 for multiple choice and ranking, 20 for retrieval), the comma and
      the end token; duplicates, "1,,2" and a list cut in the middle stay possible;
    - entities (`cite`): +1.0 on every token of the prompt, on the comma and on the end token;
    - always: -100 on "None" and "none".
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._device = device
        self._vocabulary = Vocabulary.of(load_tokenizer(Path(vllm_config.model_config.model)))
        self._biases: dict[int, Biases] = {}

    def is_argmax_invariant(self) -> bool:
        """False: biases change which token is best."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow requests as they come, go and change places."""
        process_dict_updates(self._biases, batch_update, self._begin)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Add each request's biases to its row ([requests, tokens])."""
        for row, biases in self._biases.items():
            for tokens, amount in biases:
                logits[row, tokens] += amount
        return logits

    def _begin(self, params: SamplingParams, prompt: list[int] | None, written: list[int]) -> Biases | None:
        wanted: dict[str, Any] = (params.extra_args or {}).get("winners") or {}
        ids_of, end = self._vocabulary.ids_of, self._vocabulary.end_id
        biases = [
            ([number for word in (b"None", b"none", b" None", b" none") for number in ids_of.get(word, ())], -100.0)
        ]
        if "highest" in wanted:
            numbers = {str(number) for number in range(wanted["highest"] + 1)}
            spelled = {",", *numbers, *"".join(numbers)}
            biases.append(
                ([*(number for number, text in self._vocabulary.number_tokens if text in spelled), end], 100.0)
            )
        if wanted.get("cite"):
            biases.append(([*(prompt or ()), *ids_of.get(b",", ()), end], 1.0))
        return [(self._tensor(tokens), amount) for tokens, amount in biases] if wanted else None

    def _tensor(self, tokens: Sequence[int]) -> torch.Tensor:
        return torch.tensor(sorted(set(tokens)), dtype=torch.long, device=self._device)
