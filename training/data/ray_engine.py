"""The parts of a build as Ray tasks: where the data outgrow one machine (`--engine ray`, needs `pip install ray`).

The sources and the output must lie on a disk that every node sees. The same function makes the same part, so the
bytes are those of the local engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from training.data.parts import Order, make_part


def made_with_ray(orders: list[Order], folder: Path, workers: int) -> Iterator[tuple[Order, BaseException | None]]:
    """Make the parts on a Ray cluster (the one RAY_ADDRESS names, else one on this machine with `workers` CPUs)."""
    try:
        import ray
    except ModuleNotFoundError:
        raise ModuleNotFoundError("--engine ray needs Ray: pip install ray (or leave --engine out)") from None
    started = not ray.is_initialized()
    if started and os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    elif started:
        ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False)
    make = ray.remote(max_retries=2)(make_part)
    waiting = {make.remote(order, str(folder)): order for order in orders}
    try:
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            order = waiting.pop(done[0])
            try:
                ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                yield order, error.cause
            else:
                yield order, None
    finally:
        if started:
            ray.shutdown()
