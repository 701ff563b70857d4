"""One task of a build: its rows become samples, and the samples a file ("part") with its counts beside it.

A part depends on nothing but its sources, its order and this code, so any number of workers gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbench import answers
from shopbench.classify import classify
from shopbench.files import ROOT
from shopbench.sample import Sample, read_samples
from shopbench.tasks import TaskType
from training.data import reading
from training.data.decontaminate import Excluded
from training.data.formats import DataTask, Row
from training.data.near import NearDuplicates
from training.data.options import same_key
from training.data.reading import SourceError
from training.data.small_files import digest
from training.data.sources import all_tasks

PROMPT_TOKENS = 45
"""System line and chat template around a question, about."""
EXAMPLES_KEPT = 3
MALFORMED_ROWS = 20
"""So many malformed rows, and no more good ones than that, are another schema: the file is refused."""


@dataclass(frozen=True)
class Order:
    """What one part is to be: everything its bytes depend on besides the sources' content."""

    task: str
    limit: int | None
    validation_share: float
    validation_limit: int | None
    max_tokens: int
    sources: str
    exclude: tuple[str, ...]
    code: str


@dataclass
class Tally:
    """What became of the rows of a task."""

    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def drop(self, reason: str, what: str) -> None:
        """Count a row that is not taken and keep the first few as examples."""
        self.dropped[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < EXAMPLES_KEPT:
            kept.append(what[:200])


def estimated_tokens(sample: Sample) -> int:
    """Tokens of prompt and answer, estimated: four ASCII characters each, any other character alone."""
    text = sample.input_field + answers.write(sample.task_type, sample.output_field)
    plain = sum(map(str.isascii, text))
    return PROMPT_TOKENS + plain // 4 + (len(text) - plain)


def split_of(task: DataTask, row: Row, share: float) -> str:
    """Which split a row falls into: validation gets a share of the source texts, in whatever task a text occurs."""
    text = task.group(row) if task.group else task.row_id(row)
    return "validation" if int(digest("split", text), 16) < share * 2**64 else "train"


def where(task: DataTask, row: Row) -> str:
    """Words that name a row: file and line where they are known, else its identity."""
    if "_file" in row:
        return f"{row['_file']}, line {row['_line']}"
    try:
        return f"{task.name}, row {task.row_id(row)}"
    except (KeyError, TypeError, AttributeError, IndexError):
        return f"{task.name}, a row with the fields {', '.join(sorted(row))}"


def part_samples(task: DataTask, order: Order, tally: Tally) -> Iterator[tuple[str, Sample]]:
    """(split, sample) of one task, until the limits are reached; `tally` says what became of the rows."""
    limits = {"train": order.limit, "validation": order.validation_limit if order.validation_share else 0}
    made: Counter[str] = Counter()
    checks = Checks(order)
    for row in task.rows(Path(order.sources)):
        full = {split for split, limit in limits.items() if limit is not None and made[split] >= limit}
        if len(full) == len(limits):
            break
        tally.counts["read"] += 1
        if "_problem" in row:
            tally.drop(f"malformed: {row['_problem']}", where(task, row))
            continue
        try:
            split = split_of(task, row, order.validation_share)
            if split in full:
                tally.dropped["over the limit"] += 1
                continue
            sample = task.to_sample(row, random.Random(f"{task.name}\n{task.row_id(row)}"))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            tally.drop("malformed: cannot be read", f"{where(task, row)}: {error!r}")
            _refuse_other_schema(tally, made, f"{where(task, row)}: {error!r}")
            continue
        if sample is None:
            tally.dropped["no sample can be made of it"] += 1
        elif problem := checks.problem(sample):
            tally.drop(problem, sample.input_field)
        else:
            made[split] += 1
            _count(tally, split, sample, row)
            yield split, sample


def _refuse_other_schema(tally: Tally, made: Counter[str], what: str) -> None:
    malformed = tally.dropped["malformed: cannot be read"]
    if malformed >= MALFORMED_ROWS and malformed > made.total():
        raise SourceError(f"{what}; {malformed} rows are like that: is it the right file?")


def _count(tally: Tally, split: str, sample: Sample, row: Row) -> None:
    tally.counts[split] += 1
    if split == "train":
        tally.counts["tokens"] += estimated_tokens(sample)
        if sample.task_type is TaskType.MULTIPLE_CHOICE:
            tally.answers[str(sample.output_field)] += 1
    if "label_source" in row:
        tally.labels[row["label_source"]] += 1


class Checks:
    """What a sample must pass to be taken; remembers those taken."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._excluded = _excluded(order.exclude)
        self._questions: set[str] = set()
        self._near = NearDuplicates()

    def problem(self, sample: Sample) -> str | None:
        """Why a sample is not taken, or None."""
        if estimated_tokens(sample) > self._order.max_tokens:
            return "too long"
        if classify(sample.input_field, sample.is_multiple_choice).task_type is not sample.task_type:
            return "reads as another task type"
        if overlap := self._excluded.overlap(sample.input_field):
            return f"in evaluation data: {overlap}"
        key = digest(same_key(sample.input_field))
        if key in self._questions:
            return "repeat"
        if self._near.has(sample):
            return "near repeat"
        self._questions.add(key)
        return None


@lru_cache
def _excluded(paths: tuple[str, ...]) -> Excluded:
    return Excluded.of(sample.input_field for path in paths for sample in read_samples(path))


@lru_cache
def code_hash() -> str:
    """SHA-256 over the code that makes parts: parts of other code are not taken up again."""
    root = ROOT
    paths = sorted([*root.glob("training/data/**/*.py"), *root.glob("shopbench/*.py")])
    digests = (f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def make_part(order: Order, folder: str) -> str:
    """Write the part of one task: samples as JSON lines, then what is known about it; the task's name."""
    task = all_tasks()[order.task]
    tally = Tally()
    reading.FILES_READ.clear()
    beside = Path(folder) / f"{task.name}.{os.getpid()}.part"  # a worker of a killed run may still be at it
    try:
        with open(beside, "w", encoding="utf-8") as file:
            for split, sample in part_samples(task, order, tally):
                file.write(json.dumps({"split": split, **sample.to_dict()}, ensure_ascii=False) + "\n")
        os.replace(beside, Path(folder) / f"{task.name}.jsonl")
        facts = {
            "licence": task.licence,
            "shareable": task.shareable,
            "domain": task.domain,
            "table7": task.table7,
            "counts": dict(sorted(tally.counts.items())),
            "dropped": dict(sorted(tally.dropped.items())),
            "dropped_examples": dict(sorted(tally.examples.items())),
            "answers": dict(sorted(tally.answers.items())),
            "label_sources": dict(sorted(tally.labels.items())),
        }
        known = {"order": _plain(order), "files": _stamps(reading.FILES_READ), "facts": facts}
        beside.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
        os.replace(beside, Path(folder) / f"{task.name}.json")
    finally:
        beside.unlink(missing_ok=True)
    return task.name


def finished_part(order: Order, folder: Path) -> dict[str, Any] | None:
    """What is known about a part made to this order from files that have not changed since; None if there is none."""
    try:
        known: dict[str, Any] = json.loads((folder / f"{order.task}.json").read_text(encoding="utf-8"))
        current = known["order"] == _plain(order) and known["files"] == _stamps(known["files"])
    except (OSError, ValueError, KeyError):
        return None
    return known if current else None


def _plain(order: Order) -> dict[str, Any]:
    return {**asdict(order), "exclude": list(order.exclude)}


def _stamps(paths: Iterator[str] | set[str] | dict[str, Any]) -> dict[str, list[int]]:
    return {path: [Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in sorted(paths)}
