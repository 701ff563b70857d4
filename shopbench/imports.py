"""Imports without what takes long and is of no use to this project."""

from __future__ import annotations

import gc
import importlib.metadata
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNUSED = "sklearn"
"""transformers imports it if it can, for assisted decoding, and scipy with it."""


def leave_out_unused() -> None:
    """For a process that serves vLLM and does nothing else: what transformers can do without is not there."""
    sys.modules[_UNUSED] = None  # type: ignore[assignment]
    # transformers reads the file lists of all installed packages for their names, and does without if there are none.
    importlib.metadata.packages_distributions = dict


@contextmanager
def quick_imports() -> Iterator[None]:
    """Within it transformers is imported in two thirds of the time; what it left out can be imported afterwards."""
    collects, is_new = gc.isenabled(), _UNUSED not in sys.modules
    gc.disable()  # nothing that imports make is garbage
    if is_new:
        sys.modules[_UNUSED] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if is_new:
            sys.modules.pop(_UNUSED, None)
        if collects:
            gc.enable()
