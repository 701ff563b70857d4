"""Train `made.TINY` as train_made.py does, sharded by FSDP although there is no GPU.

Accelerate shards on accelerators only, and FSDP's way of gathering weights into host memory empties a tensor that is
there already. Three small changes to the libraries lift that; what is under test, everything of ours, stays as it is.
"""

from __future__ import annotations

import runpy
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from torch.distributed.fsdp import FullStateDictConfig, FullyShardedDataParallel


def shard_on_cpu() -> None:
    """Change accelerate's state, FSDP's device and where it gathers."""
    begin, wrap, full = AcceleratorState.__init__, FullyShardedDataParallel.__init__, FullStateDictConfig.__init__

    def state(self: Any, *arguments: Any, fsdp_plugin: Any = None, **options: Any) -> None:
        begin(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
        if self.distributed_type == DistributedType.MULTI_CPU and fsdp_plugin is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    def sharded(self: Any, *arguments: Any, device_id: Any = None, **options: Any) -> None:
        wrap(self, *arguments, device_id=torch.device("cpu"), **options)

    def gathered(self: Any, offload_to_cpu: bool = False, rank0_only: bool = False) -> None:
        full(self, offload_to_cpu=False, rank0_only=rank0_only)

    AcceleratorState.__init__ = state
    FullyShardedDataParallel.__init__ = sharded
    FullStateDictConfig.__init__ = gathered


if __name__ == "__main__":
    shard_on_cpu()
    runpy.run_module("tests.training.finetune.train_made", run_name="__main__")
