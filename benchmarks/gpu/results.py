"""results.json: what is known so far, written after every step; and what a reference file knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.compare import Agreement
from shopbench.errors import UserError
from shopbench.files import file_hash, read_json, write_json

OK, FAILED, SKIPPED, DIFFERS = "ok", "failed", "skipped", "differs"


@dataclass(frozen=True)
class Asked:
    """Which questions of a file are asked: the file's hash, and their places in it."""

    sha256: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, file: Path, count: int, limit: int | None) -> Asked:
        """All `count` questions of the file, or `limit` of them spread over it."""
        step = max(1, count // limit) if limit else 1
        return cls(file_hash(file), tuple(range(0, count, step))[: limit or None])


@dataclass
class Results:
    """One run's results.

    Attributes:
        header: what the run is of (machine, weights, questions): results of another one are not gone on with.
        steps: step -> "result" (OK, FAILED, SKIPPED, DIFFERS), "reason" where it is none, and what it found.
    """

    path: Path
    header: dict[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, header: dict[str, Any]) -> Results:
        """A new run, or one that was cut; UserError where the file is of other questions, weights or machine."""
        if not path.is_file():
            return cls(path, header)
        known = read_json(path, "results", "delete it or give another --output")
        other = [name for name, value in header.items() if known.get(name) != value]
        if other:
            raise UserError(f"{path}: is of another run ({', '.join(other)}); delete it or give another --output")
        return cls(path, header, known.get("steps", {}))

    def is_done(self, name: str) -> bool:
        """Whether a step need not be done again; one that failed is."""
        return self.steps.get(name, {}).get("result") in (OK, DIFFERS, SKIPPED)

    def save(self, agreed: Mapping[str, Mapping[str, Mapping[str, Agreement]]]) -> None:
        """Write all, with how far answers agree (compare.compare)."""
        steps = dict(self.steps)
        for name, others in agreed.items():
            same_as = {
                other: {kind: dataclasses.asdict(one) for kind, one in kinds.items()} for other, kinds in others.items()
            }
            steps[name] = {**steps[name], "same_as": same_as}
        write_json(self.path, {**self.header, "steps": steps})


@dataclass(frozen=True)
class Reference:
    """Another run's answers by step, in the order in which the questions are asked here; None for those it has not.

    `notes` say, a line each, what may be why they differ.
    """

    answers: dict[str, list[str | None]]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, header: Mapping[str, Any]) -> Reference:
        """From that run's results.json, for a run with this header; UserError if it is of another file of questions."""
        known = read_json(path, "reference", "give the results.json of a run with --device cpu")
        theirs, ours = known.get("questions") or {}, header["questions"]
        if theirs.get("sha256") != ours["sha256"]:
            raise UserError(
                f"{path}: answers another file of questions; make one for this: --device cpu --questions FILE"
            )
        found = {}
        for name, facts in known["steps"].items():
            if answers := facts.get("answers"):
                by_place = dict(zip(theirs["places"], answers, strict=True))
                found[name] = [by_place.get(place) for place in ours["places"]]
        facts = {"weights_sha256": "weights", "prompt_hash": "prompts"}
        other = [words for fact, words in facts.items() if known.get(fact) != header[fact]]
        return cls(
            found, tuple(f"note: the CPU's answers ({path.name}) were made with other {words}" for words in other)
        )
