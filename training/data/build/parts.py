"""One task of a build: its rows become samples, and the samples a file ("part") with its counts beside it.

A part depends on nothing but its sources, its specification and this code, so any number of workers gives the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbench.files import ROOT, file_hash, replacing
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.build.checks import Checks, estimated_tokens
from training.data.catalogue import all_tasks
from training.data.formats import DataTask, Row, SourceError, SourceFolder
from training.data.hashes import digest

EXAMPLES_KEPT = 3
MALFORMED_ROWS = 20
"""So many malformed rows, and no more good ones than that, are another schema: the file is refused."""


@dataclass(frozen=True)
class PartSpec:
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
    """What became of the rows of a task, and the files they came from."""

    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)

    def drop(self, reason: str, what: str) -> None:
        """Count a row that is not taken and keep the first few as examples."""
        self.dropped[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < EXAMPLES_KEPT:
            kept.append(what[:200])


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


def part_samples(task: DataTask, spec: PartSpec, tally: Tally) -> Iterator[tuple[str, Sample]]:
    """(split, sample) of one task, until the limits are reached; `tally` says what became of the rows."""
    limits = {"train": spec.limit, "validation": spec.validation_limit if spec.validation_share else 0}
    made: Counter[str] = Counter()
    sources = SourceFolder(Path(spec.sources))
    tally.files = sources.read
    checks = Checks(spec.max_tokens, spec.exclude)
    for row in task.rows(sources):
        full = {split for split, limit in limits.items() if limit is not None and made[split] >= limit}
        if len(full) == len(limits):
            break
        tally.counts["read"] += 1
        if "_problem" in row:
            tally.drop(f"malformed: {row['_problem']}", where(task, row))
            continue
        try:
            split = split_of(task, row, spec.validation_share)
            if split in full:
                tally.dropped["over the limit"] += 1
                continue
            sample = task.sample(row)
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


@lru_cache
def code_hash() -> str:
    """SHA-256 over the code that makes parts: parts of other code are not taken up again."""
    paths = sorted([*ROOT.glob("training/data/**/*.py"), *ROOT.glob("shopbench/*.py")])
    digests = (f"{path.relative_to(ROOT)} {file_hash(path)}" for path in paths)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def make_part(spec: PartSpec, folder: str) -> str:
    """Write the part of one task: samples as JSON lines, then what is known about it; the task's name.

    A worker of a killed run may still be at the same part, so each process writes files of its own.
    """
    task = all_tasks()[spec.task]
    tally = Tally()
    with replacing(Path(folder) / f"{task.name}.jsonl", shared=True) as file:
        for split, sample in part_samples(task, spec, tally):
            file.write(json.dumps({"split": split, **sample.to_dict()}, ensure_ascii=False) + "\n")
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
    known = {"spec": _plain(spec), "files": _stamps(tally.files), "facts": facts}
    with replacing(Path(folder) / f"{task.name}.json", shared=True) as file:
        json.dump(known, file, ensure_ascii=False)
    return task.name


def finished_part(spec: PartSpec, folder: Path) -> dict[str, Any] | None:
    """What is known about a part of this specification whose files have not changed since; None if there is none."""
    try:
        known: dict[str, Any] = json.loads((folder / f"{spec.task}.json").read_text(encoding="utf-8"))
        current = known["spec"] == _plain(spec) and known["files"] == _stamps(known["files"])
    except (OSError, ValueError, KeyError):
        return None
    return known if current else None


def _plain(spec: PartSpec) -> dict[str, Any]:
    return {**asdict(spec), "exclude": list(spec.exclude)}


def _stamps(paths: Iterable[str]) -> dict[str, list[int]]:
    return {path: [Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in sorted(paths)}
