"""Checkpoints of a run: which of them are whole, and the newest."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from shopbench.files import read_json_if_any


def processes() -> int:
    """Of how many processes this is one, as the launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_whole(checkpoint: Path) -> bool:
    """Whether everything was written.

    The state file comes last, but it can be cut off itself, and of several processes one that was killed (or found no
    room) may lack its random state, which torch.save ends with a zip archive's table.
    """
    names = [f"rng_state_{rank}.pth" for rank in range(processes())] if processes() > 1 else ["rng_state.pth"]
    has_state = bool(read_json_if_any(checkpoint / "trainer_state.json"))
    return has_state and all(zipfile.is_zipfile(checkpoint / name) for name in names)


def newest(folder: Path) -> Path | None:
    """The whole checkpoint of the most steps in a folder, if there is one."""
    found = [path for path in folder.glob("checkpoint-*") if is_whole(path)]
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)
