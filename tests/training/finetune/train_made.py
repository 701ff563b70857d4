"""Train `made.TINY` in a process of its own, to be killed, or in several at once.

    python -m tests.training.finetune.train_made DATA OUTPUT BASE [CHANGES]

CHANGES is JSON: hyperparameters that differ from the recipe's.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from tests.training.finetune.fsdp_on_cpu import shard_on_cpu
from tests.training.finetune.made import TINY
from training.finetune.run import TrainingRun, finetune

FORKS = multiprocessing.get_context("forkserver")
"""Forks a process in which everything is imported already, which takes ten seconds."""
FORKS.set_forkserver_preload(["tests.training.finetune.train_made"])


def train(data: Path, output: Path, base: Path, changes: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Train in this process, to which a launcher would give `environment`."""
    os.environ.update(environment)
    if environment:  # as the launcher has it: two processes with all cores would take turns
        torch.set_num_threads(1)
    if environment.get("ACCELERATE_USE_FSDP") == "true":
        shard_on_cpu()
    finetune(TrainingRun(replace(TINY, training=replace(TINY.training, **changes)), data, output, base))


def forked(
    count: int, data: Path, output: Path, base: Path, changes: dict[str, Any], launcher: Mapping[str, str] | None = None
) -> list[BaseProcess]:
    """`count` processes that train together, started.

    Args:
        launcher: what accelerate's launcher puts into their environment; torch's part is added.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1]), "WORLD_SIZE": str(count)}
    processes = []
    for rank in map(str, range(count)):
        environment = {**(launcher or {}), **found, "RANK": rank, "LOCAL_RANK": rank} if count > 1 else {}
        processes.append(FORKS.Process(target=train, args=(data, output, base, changes, environment), daemon=True))
        processes[-1].start()
    return processes


if __name__ == "__main__":
    data, output, base, *changes = sys.argv[1:]
    train(Path(data), Path(output), Path(base), json.loads(changes[0] if changes else "{}"), {})
