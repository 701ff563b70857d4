"""Train `made.TINY` as a program of its own, to be killed or launched several times at once.

    python -m tests.training.finetune.train_made DATA OUTPUT BASE [CHANGES]

CHANGES is JSON: hyperparameters that differ from the recipe's.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from tests.training.finetune.made import TINY
from training.finetune.run import TrainingRun, finetune

if __name__ == "__main__":
    data, output, base, *changes = sys.argv[1:]
    training = replace(TINY.training, **json.loads(changes[0] if changes else "{}"))
    finetune(TrainingRun(replace(TINY, training=training), Path(data), Path(output), Path(base)))
