"""Train `made.TINY` as a program of its own, to be killed or launched several times at once.

    python -m tests.training.finetune.train_made DATA BASE OUTPUT CHANGES [OUTPUT CHANGES ...]

CHANGES is JSON: hyperparameters that differ from the recipe's. Several outputs are trained one after another.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from shopbench.imports import quick_imports

with quick_imports():
    from accelerate import PartialState

    from tests.training.finetune.made import TINY
    from training.finetune.run import TrainingRun, finetune


def train(data: str, base: str, output: str, changes: str) -> None:
    training = replace(TINY.training, **json.loads(changes))
    finetune(TrainingRun(replace(TINY, training=training), Path(data), Path(output), Path(base)))


def main(data: str, base: str, *trained: str) -> None:
    runs: Sequence[tuple[str, str]] = list(zip(trained[::2], trained[1::2], strict=True))
    for output, changes in runs[:-1]:
        with patch.object(PartialState, "destroy_process_group"):  # a run's end; here another follows
            train(data, base, output, changes)
    train(data, base, *runs[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
