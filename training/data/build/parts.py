"""One task of a build: its rows become samples, and the samples a file ("part") with its counts beside it.

A part depends on nothing but its sources, its specification and this code, so any number of workers gives the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbench.files import ROOT, file_hash, json_text, replacing
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.build.checks import Checks, estimated_tokens
from training.data.build.shortfall import NO_SAMPLE, difference, is_short, reason
from training.data.catalogue import all_tasks
from training.data.formats import DataTask, Row, SourceError, SourceFolder
from training.data.hashes import digest

EXAMPLES_KEPT = 3
UNREADABLE = "malformed: cannot be read"
SKIPPED = "left out: earlier adapters trained on it"
MALFORMED_ROWS = 20
"""So many unreadable rows, and no more good ones than that, are another schema: the file is refused."""


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
    skip: int = 0


@dataclass
class Tally:
    """What became of the rows of a task, as the manifest tells it, the files they came from, and their patterns."""

    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_examples: dict[str, list[str]] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    label_sources: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)
    unlike: str = ""
    """How the first row that made no sample differs from the task's example."""

    def drop(self, reason: str, what: str) -> None:
        """Count a row that is not taken and keep the first few as examples."""
        self.dropped[reason] += 1
        kept = self.dropped_examples.setdefault(reason, [])
        if len(kept) < EXAMPLES_KEPT:
            kept.append(what[:200])


def _split_of(task: DataTask, row: Row, share: float) -> str:
    """Validation gets a share of the source texts, in whatever task a text occurs."""
    text = task.group(row) if task.group else task.row_id(row)
    return "validation" if int(digest("split", text), 16) < share * 2**64 else "train"


def _where(task: DataTask, row: Row) -> str:
    if "_file" in row:
        return f"{row['_file']}, {row['_place']}"
    try:
        return f"{task.name}, row {task.row_id(row)}"
    except (KeyError, TypeError, AttributeError, IndexError):
        return f"{task.name}, a row with the fields {', '.join(sorted(row))}"


def part_samples(task: DataTask, spec: PartSpec, tally: Tally) -> Iterator[tuple[str, Sample]]:
    """(split, sample) of one task, until the limits are reached; `tally` says what became of the rows."""
    limits = {"train": spec.limit, "validation": spec.validation_limit if spec.validation_share else 0}
    sources = SourceFolder(Path(spec.sources))
    tally.files, tally.patterns = sources.read, sources.patterns
    checks = Checks(spec.max_tokens, spec.exclude)
    for row in task.rows(sources):
        full = {split for split, limit in limits.items() if limit is not None and tally.counts[split] >= limit}
        if len(full) == len(limits):
            break
        tally.counts["read"] += 1
        if "_problem" in row:
            tally.drop(f"malformed: {row['_problem']}", _where(task, row))
            continue
        try:
            split = _split_of(task, row, spec.validation_share)
            if split in full:
                tally.dropped["over the limit"] += 1
                continue
            sample = task.sample(row)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            what = f"{_where(task, row)}: {error!r}"
            tally.drop(UNREADABLE, what)
            malformed = tally.dropped[UNREADABLE]
            if malformed >= MALFORMED_ROWS and malformed > tally.counts["train"] + tally.counts["validation"]:
                raise SourceError(f"{what}; {malformed} rows are like that: is it the right file?") from error
            continue
        if sample is None:
            tally.unlike = tally.unlike or difference(row, task.example)
            tally.dropped[NO_SAMPLE] += 1
        elif problem := checks.problem(sample, task.setting(row) if task.setting else ""):
            tally.drop(problem, sample.input_field)
        elif split == "train" and tally.dropped[SKIPPED] < spec.skip:
            tally.dropped[SKIPPED] += 1
        else:
            tally.counts[split] += 1
            if split == "train":
                tally.counts["tokens"] += estimated_tokens(sample)
                if sample.task_type is TaskType.MULTIPLE_CHOICE:
                    tally.answers[str(sample.output_field)] += 1
            if "label_source" in row:
                tally.label_sources[row["label_source"]] += 1
            yield split, sample


@lru_cache
def code_hash() -> str:
    """SHA-256 over the code that makes parts: parts of other code are not taken up again."""
    paths = sorted([*ROOT.glob("training/data/**/*.py"), *ROOT.glob("shopbench/*.py")])
    digests = (f"{path.relative_to(ROOT)} {file_hash(path)}" for path in paths)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def make_part(spec: PartSpec, folder: str) -> None:
    """Write the part of one task: samples as JSON lines, then what is known about it.

    A worker of a killed run may still be at the same part, so each process writes files of its own.
    """
    task = all_tasks()[spec.task]
    tally = Tally()
    with replacing(Path(folder) / f"{task.name}.jsonl", shared=True) as file:
        for split, sample in part_samples(task, spec, tally):
            file.write(json_text({"split": split, **sample.to_dict()}) + "\n")
    facts = {name: getattr(task, name) for name in ("licence", "shareable", "domain", "table7")}
    facts |= {name: dict(sorted(value.items())) for name, value in vars(tally).items() if isinstance(value, dict)}
    if is_short(tally.counts["train"], spec.limit):
        facts["short"] = reason(task, tally.counts, tally.dropped, sorted(tally.files), tally.unlike)
    known = {
        "spec": repr(spec),
        "files": _stamps(tally.files),
        "patterns": sorted(tally.patterns),
        "excluded": _stamps(spec.exclude),
        "facts": facts,
    }
    with replacing(Path(folder) / f"{task.name}.json", shared=True) as file:
        file.write(json_text(known))


def finished_part(spec: PartSpec, folder: Path) -> dict[str, Any] | None:
    """What is known about a part of this specification whose files have not changed since, sources and evaluation
    files alike, and no other source has come to them; None if there is none."""
    try:
        known: dict[str, Any] = json.loads((folder / f"{spec.task}.json").read_text(encoding="utf-8"))
        files = SourceFolder(Path(spec.sources)).files(*known["patterns"])
        current = (known["spec"], known["files"]) == (repr(spec), _stamps(files))
        current = current and known["excluded"] == _stamps(spec.exclude)
    except (OSError, ValueError, KeyError):
        return None
    return known if current else None


def _stamps(paths: Iterable[str]) -> dict[str, list[int]]:
    return {path: [Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in sorted(paths)}
