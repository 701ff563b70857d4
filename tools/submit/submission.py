"""What a submission is: a track, its weights, its aicrowd.json and the tag it goes out under."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.tracks import Track

TAG_PREFIX = "submission-"
OFFLINE = Path(__file__).resolve().parent / "offline"


class SubmitError(UserError):
    """Something that stops a submission: what, where and the remedy, in one line."""


@dataclass(frozen=True)
class Submission:
    """A track as it is to be submitted.

    Attributes:
        root: the work tree of the repository.
        manifest: aicrowd.json as it will be sent ({} if it cannot be read).
        remote: git's name of the competition's repository.
    """

    root: Path
    track: Track
    tag: str
    remote: str
    manifest: dict[str, Any]

    @property
    def weights(self) -> Path:
        """The track's weights folder; tracks that share weights have a link here."""
        return self.root / "weights" / f"track{self.track.number}"

    def run(self) -> tuple[list[str], dict[str, str]]:
        """How Python is started for this submission: as the evaluator does, without network."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(OFFLINE), str(self.root)]),
            "SHOPBENCH_WEIGHTS": str(self.weights),
        }
        return [sys.executable], environment


@dataclass(frozen=True)
class Check:
    """One thing that must hold. `problems` yields what is wrong with a submission, each with its remedy."""

    name: str
    what: str
    problems: Callable[[Submission], Iterable[str]]


def tag_of(track: Track, name: str) -> str:
    """The tag of a track's submission; the competition takes tags that begin with "submission-"."""
    return f"{TAG_PREFIX}track{track.number}-{name}"


def read_manifest(root: Path) -> dict[str, Any]:
    """aicrowd.json; a SubmitError if it is missing or broken."""
    path = root / "aicrowd.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SubmitError(f"aicrowd.json: cannot be read ({error}); restore it: git checkout aicrowd.json") from None
    if not isinstance(manifest, dict):
        raise SubmitError("aicrowd.json: is no JSON object; restore it: git checkout aicrowd.json")
    return manifest


def manifest_text(manifest: dict[str, Any]) -> str:
    """aicrowd.json as it is written."""
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
