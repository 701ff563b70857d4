"""What the evaluator imports: `UserModel`. Importing costs nothing; making one starts the engine."""

from __future__ import annotations

import dataclasses
import logging
from itertools import chain
from pathlib import Path

from models import settings, weights
from models.shopbench_model import ShopBenchModel
from shopbench.files import ROOT

_RUN_MARGIN_SECONDS = 60.0


class UserModel(ShopBenchModel):
    """The submitted model: weights and machine decide how it runs, models/settings.py lists what can be overridden."""

    def __init__(self, wait: bool = True) -> None:
        """Check the weights, start the engine on them and warm it up.

        Args:
            wait: False to do something else while the engine starts; call `wait_until_ready` before the first batch.

        Raises:
            WeightsError, SettingsError: one line on what is wrong; nothing was started.
            EngineDied: vLLM could not start on these weights.
        """
        # Imported here, because the evaluator imports this file before it knows whether it needs an engine.
        from models.serving import Serving

        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        found = weights.check_weights(weights.find_weights(ROOT))
        behaviour = _with_run_limit(settings.behaviour(trained_for=weights.answer_by(found.folder)), found.folder)
        weights.warn_if_other_prompts(found)
        serving = Serving.of(found, behaviour)
        # The first engine is begun before the tokenizer is asked for: its process and ours then load at once.
        engines = chain([serving.start_engine()], iter(serving.start_engine, None))
        super().__init__(lambda: next(engines), serving.tokenizer, serving.settings.context, behaviour, wait)


def _with_run_limit(behaviour: settings.Behaviour, folder: Path) -> settings.Behaviour:
    """A submission (a track's own weights) ends before its track's time does; other weights are work at home."""
    track = weights.active_track(ROOT)
    if behaviour.run_seconds is not None or not track or folder != weights.track_folder(ROOT, track):
        return behaviour
    return dataclasses.replace(behaviour, run_seconds=track.minutes * 60 - _RUN_MARGIN_SECONDS)
