"""What a dataset task is: one source reader, one pure function, one entry.

A file under training/data/sources/ holds the readers (`rows`, the only I/O), the pure functions (raw row and
a seeded random generator in, Sample or None out), a `TASKS` tuple with one `DataTask` for each function, and, where
it is the first to read a dataset, `DATASETS` with a `Dataset` for each. training/data/catalogue.py reads those tuples
in sorted order: nothing registers itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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
    """Where a dataset is, and its licence as its owner states it; `name` is its folder under the sources folder."""

    name: str
    licence: str
    hub: str | None = None  # its name on the Hugging Face Hub, where it is there
    files: tuple[str, ...] = ("*",)  # patterns of the files on the Hub that the builders read
    place: str = ""  # where to get it by hand, and which files to put into the folder


class SourceFolder:
    """The folder that holds the datasets.

    `read` has the files asked for by way of it, which the manifest hashes; `patterns` by what they were asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: set[str] = set()
        self.patterns: set[str] = set()

    def __str__(self) -> str:
        return str(self.path)

    def files(self, *patterns: str) -> list[str]:
        """Files that match a pattern (`**` allowed), sorted, without those in progress."""
        places = (self.path, self.path / "sources")  # a data folder may keep the raw datasets in a folder of their own
        found = {path for place in places for pattern in patterns for path in place.glob(pattern) if path.is_file()}
        names = [str(path) for path in sorted(found) if path.suffix != ".part"]
        self.read.update(names)
        self.patterns.update(patterns)
        return names

    def need_files(self, dataset: str, *patterns: str) -> list[str]:
        """As `files`, but MissingDataset (with the remedy) where there are none."""
        if found := self.files(*patterns):
            return found
        remedy = f"get it with: python -m training.data.download {dataset}"
        raise MissingDataset(f"{self}: no {' or '.join(patterns)}; {remedy}")


Reader = Callable[[SourceFolder], Iterable[Row]]
"""Yields the raw rows under a sources folder, in a fixed order; MissingDataset if there are none."""
ToSample = Callable[[Row, random.Random], Sample | None]
"""Pure: a row and a seeded generator -> a sample without its task's name (`make_sample`), or None."""


@dataclass(frozen=True)
class DataTask:
    """One way to make training samples from one dataset, under a unique name, `<source>_<what>`."""

    name: str
    rows: Reader
    to_sample: ToSample
    example: Row  # a raw row that makes a sample: documentation and test fixture
    row_id: Callable[[Row], str]  # a stable identity of a row
    licence: str  # as the dataset's owner states it
    shareable: bool  # whether weights trained on it may be passed on (not for CC BY-NC or unknown licences)
    domain: str
    """Concepts, knowledge, behaviour or multilingual, as ShopBench's tracks 1 to 4 (in "More diverse more adaptive",
    arXiv 2504.08002, the third is called domain-specific); general; or synthetic, which covers all of them."""
    table7: int | None = None  # the row in Table 7 of the winning solution's paper; None for other systems' tasks
    limit: int | None = None  # samples wanted at most
    tags: tuple[str, ...] = ()
    group: Callable[[Row], str] | None = None
    """The text a row was made from (None: its id); rows of the same one never lie on both sides of a split."""
    setting: Callable[[Row], str] | None = None
    """Near repeats are looked for among rows of one setting only (None: among all): where a dataset holds its samples
    again in other words on purpose, they are no repeats."""
    wordings: tuple[str, ...] = ()  # the requests that a language model may word anew (`training.synthesize reword`)

    def sample(self, row: Row, rng: random.Random | None = None) -> Sample | None:
        """The sample of a row, with this task's name; without `rng`, neither order nor workers matter."""
        made = self.to_sample(row, rng or random.Random(f"{self.name}\n{self.row_id(row)}"))
        return None if made is None else replace(made, task_name=self.name)


def make_sample(question: str, truth: Truth, task_type: TaskType, metric: str) -> Sample:
    """A sample whose task's name is still open: its DataTask puts it on."""
    return Sample(question, truth, "", task_type, metric, task_type is TaskType.MULTIPLE_CHOICE)
