"""The parts of a build under Ray Data, where the data outgrow one machine (`--engine ray`; pip install "ray[data]").

The sources and the output must lie on a disk that every node sees. The same function makes the same part, so the
bytes are those of the local engine.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from training.data.build.parts import PartSpec, make_part


def make_parts_with_ray(
    specs: list[PartSpec], folder: Path, workers: int
) -> Iterator[tuple[PartSpec, BaseException | None]]:
    """Make the parts on a Ray cluster (the one RAY_ADDRESS names, else one on this machine with `workers` CPUs).

    Yields each specification when its part is finished, with what went wrong if something did.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError('--engine ray needs Ray: pip install "ray[data]" (or leave --engine out)') from None

    def make(row: dict[str, Any]) -> dict[str, Any]:
        place = int(row["place"])
        try:
            make_part(specs[place], str(folder.resolve()))
        except Exception as error:  # handed back whole: the caller decides what a missing dataset means
            return {"place": place, "problem": pickle.dumps(error)}
        return {"place": place, "problem": b""}

    started = not ray.is_initialized()
    if started:
        options = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": max(1, workers), "include_dashboard": False}
        ray.init(log_to_driver=False, **options)
    try:
        places = [{"place": place} for place in range(len(specs))]
        if places:
            for row in ray.data.from_items(places, override_num_blocks=len(places)).map(make).iter_rows():
                yield specs[row["place"]], pickle.loads(row["problem"]) if row["problem"] else None
    finally:
        if started:
            ray.shutdown()
