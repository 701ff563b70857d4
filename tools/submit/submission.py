"""What a submission is: a track, its weights, its aicrowd.json and the tag it goes out under."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopbench.files import read_json
from shopbench.tracks import Track

OFFLINE = Path(__file__).resolve().parent / "offline"


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

    def offline(self) -> dict[str, str]:
        """The environment in which Python runs this submission as the evaluator does: without network."""
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(OFFLINE), str(self.root)]),
            "SHOPBENCH_WEIGHTS": str(self.weights),
        }


def tag_of(track: Track, name: str) -> str:
    """The tag of a track's submission; the competition takes tags that begin with "submission-"."""
    return f"submission-track{track.number}-{name}"


def read_manifest(root: Path) -> dict[str, Any]:
    """aicrowd.json; a UserError if it is missing or broken."""
    return read_json(root / "aicrowd.json", "the manifest", "restore it: git checkout aicrowd.json")


def manifest_text(manifest: dict[str, Any]) -> str:
    """aicrowd.json as it is written."""
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
