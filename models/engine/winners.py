"""The winning solution's two logits processors, to compare with: a bias on tokens, the same at every step.

Loaded by vLLM's workers only with SHOPBENCH_CONSTRAINTS=winners; a request says in `SamplingParams(extra_args=...)`
which of them it wants: {"winners": {"highest": 5}}, {"winners": {"cite": True}}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.tokenizers import cached_tokenizer_from_config
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from models.spaces.vocabulary import Vocabulary


@dataclass
class _Bias:
    tokens: torch.Tensor
    amount: float


class _BiasProcessor(LogitsProcessor):
    """Adds a constant to the logits of a fixed set of tokens for each request."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._device = device
        self._vocabulary = Vocabulary.of(cached_tokenizer_from_config(vllm_config.model_config))
        self._biases: dict[int, list[_Bias]] = {}

    def is_argmax_invariant(self) -> bool:
        """False: biases change which token is best."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow requests as they come, go and change places."""
        process_dict_updates(self._biases, batch_update, self._begin)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Add each request's biases to its row."""
        for row, biases in self._biases.items():
            for bias in biases:
                logits[row, bias.tokens] += bias.amount
        return logits

    def _begin(self, params: SamplingParams, prompt: list[int] | None, written: list[int]) -> list[_Bias] | None:
        wish = (params.extra_args or {}).get("winners")
        return self._biases_for(wish, prompt or []) if wish else None

    def _biases_for(self, wish: dict[str, Any], prompt: list[int]) -> list[_Bias] | None:
        raise NotImplementedError

    def _bias(self, tokens: Sequence[int], amount: float) -> _Bias:
        return _Bias(torch.tensor(sorted(set(tokens)), dtype=torch.long, device=self._device), amount)

    def _spelling(self, matches: Callable[[str], bool]) -> list[int]:
        return [number for number, text in self._vocabulary.number_tokens if matches(text)]


class DigitsAndCommas(_BiasProcessor):
    """The winners' constraint for numbers: +100 on the digits up to `highest` and on the comma; no state.

    extra_args: {"winners": {"highest": 5}} (multiple choice and ranking) or 20 (retrieval). It leaves duplicates,
    "1,,2" and a list cut in the middle possible.
    """

    def _biases_for(self, wish: dict[str, Any], prompt: list[int]) -> list[_Bias] | None:
        if "highest" not in wish:
            return None
        numbers = {str(number) for number in range(int(wish["highest"]) + 1)}
        digits = set("".join(numbers))
        allowed = self._spelling(lambda text: text == "," or text in numbers or text in digits)
        return [self._bias([*allowed, self._vocabulary.end_id], 100.0)]


class CiteFromPrompt(_BiasProcessor):
    """The winners' constraint for entities: +1.0 on every token of the prompt, the comma and the end token.

    extra_args: {"winners": {"cite": True}}. Every winners' request also has -100 on "None" and "none".
    """

    def _biases_for(self, wish: dict[str, Any], prompt: list[int]) -> list[_Bias] | None:
        ids_of = self._vocabulary.ids_of
        never = [number for word in (b"None", b"none", b" None", b" none") for number in ids_of.get(word, ())]
        biases = [self._bias(never, -100.0)]
        if wish.get("cite"):
            biases.append(self._bias([*prompt, *ids_of.get(b",", ()), self._vocabulary.end_id], 1.0))
        return biases
