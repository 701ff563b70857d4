"""What the evaluator imports: `UserModel`. Importing costs nothing; making one starts the engine."""

from __future__ import annotations

import logging
from pathlib import Path

from models.shopbench_model import ShopBenchModel

REPOSITORY = Path(__file__).resolve().parent.parent


class UserModel(ShopBenchModel):
    """The submitted model: weights and machine decide how it runs, models/settings.py lists what can be overridden."""

    def __init__(self) -> None:
        """Check the weights, then start the engine on them."""
        from models import engine, settings, weights

        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        behaviour = settings.behaviour()
        found = weights.check_weights(weights.find_weights(REPOSITORY))
        weights.warn_if_other_prompts(found)
        chosen = settings.choose(found, engine.machine())
        super().__init__(
            lambda: engine.Engine(chosen, behaviour.constraints),
            engine.load_tokenizer(found.folder),
            chosen.context,
            behaviour,
        )
