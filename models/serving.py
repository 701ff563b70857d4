"""Weights made ready to be served: what an engine on them needs, found once and checked before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from models import settings
from models.engine.process import Engine
from models.engine.requests import Request
from models.engine.supervisor import EngineLike
from models.machine import machine
from models.planning import Planner, warm_up_requests
from models.settings import Behaviour, EngineSettings
from models.shopbench_model import ShopBenchModel
from models.tokenizer import load_tokenizer
from models.weights import Weights


@dataclass(frozen=True)
class Serving:
    """How some weights are served, and by whom their questions are cut into tokens."""

    settings: EngineSettings
    behaviour: Behaviour

    @classmethod
    def of(cls, weights: Weights, behaviour: Behaviour, lora_rank: int = 0) -> Serving:
        """Settings for weights on this machine.

        Args:
            lora_rank: highest rank of the adapters that requests may name; 0 for none.
        Raises:
            WeightsError, SettingsError: one line on what is wrong; nothing was started.
        """
        return cls(replace(settings.choose(weights, machine()), lora_rank=lora_rank), behaviour)

    @cached_property
    def tokenizer(self) -> Any:
        """The weights' tokenizer; a WeightsError if there is none for chats."""
        return load_tokenizer(self.settings.weights)

    def start_engine(self) -> Engine:
        """Begin to start an engine; it answers one question of each type before it counts as ready.

        The tokenizer is loaded while the engine's process imports vLLM. A WeightsError from that ends the process.
        """
        return Engine(self.settings, self.behaviour.constraints, self._warm_up)

    def model_on(self, engine: EngineLike) -> ShopBenchModel:
        """The submitted model's code on an engine that runs already."""
        return ShopBenchModel(lambda: engine, self.tokenizer, self.settings.context, self.behaviour)

    def _warm_up(self) -> Sequence[Request]:
        return warm_up_requests(Planner(self.tokenizer, self.settings.context, self.behaviour.answer_by))
