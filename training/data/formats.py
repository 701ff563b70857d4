"""What a dataset task is: one source reader, one pure function, one entry.

A file under training/data/sources/ holds the readers (`rows`, the only I/O), the pure functions (raw row and
a seeded random generator in, Sample or None out), a `TASKS` tuple with one `DataTask` for each function, and, where
it is the first to read a dataset, `DATASETS` with a `Dataset` for each. training/data/catalogue.py reads those tuples
in sorted order: nothing registers itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.sample import Sample, Truth
from shopbench.tasks import TaskType

Row = dict[str, Any]


class SourceError(UserError):
    """A dataset file that cannot be used: the message says which, what is wrong and the remedy."""


class MissingDataset(SourceError):
    """A dataset that is not under the sources folder; the message says how to get it."""


@dataclass(frozen=True)
class Dataset:
    """Where a dataset is.

    Attributes:
        name: its folder under the sources folder.
        licence: as its owner states it.
        hub: its name on the Hugging Face Hub; None where it is not there.
        files: patterns of the files on the Hub that the builders read.
        place: where to get it by hand, and which files to put into the folder.
    """

    name: str
    licence: str
    hub: str | None = None
    files: tuple[str, ...] = ("*",)
    place: str = ""


class SourceFolder:
    """The folder that holds the datasets, and which of its files have been asked for by way of it.

    `read` is what the manifest of a build holds the hashes of.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: set[str] = set()

    def __str__(self) -> str:
        return str(self.path)

    def files(self, *patterns: str) -> list[str]:
        """Files that match a pattern (`**` allowed), sorted, without those in progress."""
        places = (self.path, self.path / "sources")  # a data folder may keep the raw datasets in a folder of their own
        found = {path for place in places for pattern in patterns for path in place.glob(pattern) if path.is_file()}
        names = [str(path) for path in sorted(found) if path.suffix != ".part"]
        self.read.update(names)
        return names

    def need_files(self, dataset: str, *patterns: str) -> list[str]:
        """As `files`, but MissingDataset (with the remedy) where there are none."""
        found = self.files(*patterns)
        if not found:
            raise MissingDataset(
                f"{self}: no {' or '.join(patterns)}; get it with: python -m training.data.download {dataset}"
            )
        return found


Reader = Callable[[SourceFolder], Iterable[Row]]
"""Yields the raw rows under a sources folder, in a fixed order; MissingDataset if there are none."""
ToSample = Callable[[Row, random.Random], Sample | None]
"""Pure: a row and a seeded generator -> a sample without its task's name (`make_sample`), or None."""


@dataclass(frozen=True)
class DataTask:
    """One way to make training samples from one dataset.

    Attributes:
        name: unique, `<source>_<what>`.
        to_sample: its samples get the name of this task from `sample`.
        example: one raw row, documentation and test fixture; `to_sample` must make a sample of it.
        row_id: a stable identity of a row (also what de-duplication and splits go by).
        table7: the row number in Table 7 of the winning solution's paper; None for other systems' tasks.
        domain: capability domain, as in "More diverse more adaptive" (arXiv 2504.08002): concepts, knowledge,
            behaviour, multilingual or general; or synthetic, which covers all of them.
        licence: of the data set, as its owner states it.
        shareable: whether weights trained on it may be passed on (not for CC BY-NC or unknown licences).
        limit: samples wanted at most; None for all.
        wordings: the requests that a language model may word anew (`python -m training.synthesize reword`).
        group: the text a row was made from; rows with the same one never lie on both sides of a split (the row
            id where it is left out).
    """

    name: str
    rows: Reader
    to_sample: ToSample
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

    def sample(self, row: Row, rng: random.Random | None = None) -> Sample | None:
        """The sample of a row, with this task's name.

        Args:
            rng: None for one seeded by (task name, row id), so that neither order nor workers matter.
        """
        made = self.to_sample(row, rng or random.Random(f"{self.name}\n{self.row_id(row)}"))
        return None if made is None else replace(made, task_name=self.name)


def make_sample(question: str, truth: Truth, task_type: TaskType, metric: str) -> Sample:
    """A sample whose task's name is still open: its DataTask puts it on."""
    return Sample(question, truth, "", task_type, metric, task_type is TaskType.MULTIPLE_CHOICE)
