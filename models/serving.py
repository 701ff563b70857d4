"""Weights made ready to be served: what an engine on them needs, found once and checked before anything is started."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from models import settings
from models.engine import core
from models.engine.supervisor import EngineLike
from models.engine.thread import Engine
from models.planning import Planner, warm_up_requests
from models.settings import Behaviour, EngineSettings
from models.shopbench_model import ShopBenchModel
from models.weights import Weights


@dataclass(frozen=True)
class Serving:
    """How some weights are served, and by whom their questions are cut into tokens."""

    settings: EngineSettings
    behaviour: Behaviour
    tokenizer: Any

    @classmethod
    def of(cls, weights: Weights, behaviour: Behaviour, lora_rank: int = 0) -> Serving:
        """Settings and tokenizer for weights on this machine.

        Args:
            lora_rank: highest rank of the adapters that requests may name; 0 for none.
        Raises:
            WeightsError, SettingsError: one line on what is wrong; nothing was started.
        """
        chosen = replace(settings.choose(weights, core.machine()), lora_rank=lora_rank)
        return cls(chosen, behaviour, core.load_tokenizer(weights.folder))

    def start_engine(self) -> Engine:
        """Begin to start an engine; it answers one question of each type before it counts as ready."""
        planner = Planner(self.tokenizer, self.settings.context, self.behaviour.answer_by)
        return Engine(self.settings, self.behaviour.constraints, warm_up_requests(planner))

    def model_on(self, engine: EngineLike) -> ShopBenchModel:
        """The submitted model's code on an engine that runs already."""
        return ShopBenchModel(lambda: engine, self.tokenizer, self.settings.context, self.behaviour)
