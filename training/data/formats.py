"""What a dataset task is: one source reader, one pure function, one entry.

A file under training/data/sources/ holds the readers (`rows`, the only I/O), the pure functions (raw row and
a seeded random generator in, Sample or None out) and a `TASKS` tuple with one `DataTask` for each function.
training/data/build.py reads those tuples in sorted order: nothing registers itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shopbench.sample import Sample

Row = dict[str, Any]


@dataclass(frozen=True)
class DataTask:
    """One way to make training samples from one dataset.

    Attributes:
        name: unique, `<source>_<what>`.
        rows: yields the raw rows under a sources folder, in a fixed order; FileNotFoundError if there are none.
        to_sample: pure; the generator is seeded by (task name, row id), so order and workers do not matter.
        example: one raw row, documentation and test fixture; `to_sample` must make a sample of it.
        row_id: a stable identity of a row (also what de-duplication and splits go by).
        table7: the row number in Table 7 of the winning solution's paper; None for other systems' tasks.
        domain: capability domain (paper 004): concepts, knowledge, behaviour, multilingual or general; or synthetic,
            which covers all of them.
        licence: of the data set, as its owner states it.
        shareable: whether weights trained on it may be passed on (not for CC BY-NC or unknown licences).
        limit: samples wanted at most; None for all.
        wordings: the requests that a language model may word anew (`python -m training.synthesize reword`).
        group: the text a row was made from; rows with the same one never lie on both sides of a split (the row
            id where it is left out).
    """

    name: str
    rows: Callable[[Path], Iterable[Row]]
    to_sample: Callable[[Row, random.Random], Sample | None]
    example: Row
    row_id: Callable[[Row], str]
    licence: str
    shareable: bool
    domain: str
    table7: int | None = None
    limit: int | None = None
    tags: tuple[str, ...] = field(default=())
    group: Callable[[Row], str] | None = None
    wordings: tuple[str, ...] = ()
