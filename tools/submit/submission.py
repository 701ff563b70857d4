"""A submission: what it is, and how git sends it.

It goes out as one commit that sets aicrowd.json: the weights to LFS, then branch and tag together. Nothing of this
repository changes before the remote has taken everything: the commit is made beside the work tree and the branch.
Made again, it is the very same commit (its dates are its parent's), so a push that was interrupted or refused is taken
up by the same command: LFS sends what is still missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.files import read_json, write_text
from shopbench.tracks import Track
from tools.submit.image import read_environment

_OWN = ("SHOPBENCH_", "VLLM_")
"""What settings begin with: ours, and vLLM's."""
_SETTINGS = "settings:"
OFFLINE = Path(__file__).resolve().parent / "offline"


class Warned(str):
    """What a check says that is no failure: shown, and the track can be submitted."""


@dataclass(frozen=True)
class Submission:
    """A track to submit: from the work tree `root`, with `manifest` as aicrowd.json, to what git calls `remote`."""

    root: Path
    track: Track
    tag: str
    remote: str
    manifest: dict[str, Any]

    @property
    def weights(self) -> Path:
        """The track's weights folder; tracks that share weights have a link here."""
        return self.root / "weights" / f"track{self.track.number}"

    @cached_property
    def image(self) -> dict[str, str]:
        """The settings that the Dockerfile makes."""
        found = read_environment(self.root / "Dockerfile")
        return {name: value for name, value in found.items() if name.startswith(_OWN)}

    @cached_property
    def settings(self) -> dict[str, str]:
        """The SHOPBENCH_* settings with which the evaluator will run it: the Dockerfile's, and what the code adds."""
        script = (
            "import json, os, models.user_config\n"
            "found = {name: value for name, value in os.environ.items() if name.startswith('SHOPBENCH_')}\n"
            f"print('\\n{_SETTINGS}', json.dumps(found))"
        )
        environment = self.offline()
        if "SHOPBENCH_WEIGHTS" not in self.image:
            del environment["SHOPBENCH_WEIGHTS"]
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=self.root, env=environment, capture_output=True, text=True
        )
        if done.returncode:  # code that cannot be imported is found by another check
            return {name: value for name, value in self.image.items() if name.startswith("SHOPBENCH_")}
        printed = next(line for line in done.stdout.splitlines() if line.startswith(_SETTINGS))
        found: dict[str, str] = json.loads(printed.removeprefix(_SETTINGS))
        return found

    def offline(self) -> dict[str, str]:
        """The environment in which Python runs this submission as the evaluator does.

        Without network, with the settings of the image and none of this shell's.
        """
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(_OWN)},
            **self.image,
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


class GitError(UserError):
    """A git command that failed; the message is its own, on one line."""


def git(
    root: Path,
    *arguments: str,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    progress: bool = False,
) -> str:
    """Run git in `root`, `text` on its standard input, and return what it printed, stripped; GitError if it fails.

    With `progress`, what it says on the way (and why it failed) is shown instead of kept for the error.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            input=text,
            stdout=subprocess.PIPE,
            stderr=None if progress else subprocess.PIPE,
            text=True,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
        )
    except FileNotFoundError:
        raise GitError("git is not installed; install it (Debian, Ubuntu: apt-get install git git-lfs)") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"failed with exit code {done.returncode}"
        raise GitError(f"git {arguments[0]}: {said[-600:]}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Planned:
    """The commit to send, its parent here (the same, if aicrowd.json needs no change), and their branch."""

    commit: str
    head: str
    branch: str


def plan(submission: Submission) -> Planned:
    """Make the commit, as an object that no branch knows yet."""
    root = submission.root
    head, branch = git(root, "rev-parse", "HEAD"), git(root, "branch", "--show-current")
    try:
        committed = json.loads(git(root, "show", f"{head}:aicrowd.json"))
    except ValueError as error:
        raise UserError(f"aicrowd.json: broken JSON in the last commit ({error}); commit a whole one") from None
    if committed == submission.manifest:
        return Planned(head, head, branch)
    blob = git(root, "hash-object", "-w", "--stdin", text=manifest_text(submission.manifest))
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git(root, "read-tree", head, environment=index)
        git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},aicrowd.json", environment=index)
        tree = git(root, "write-tree", environment=index)
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), git(root, "show", "-s", "--format=%cI", head))
    message = f"Submit track {submission.track.number}, {submission.track.name}"
    commit = git(root, "commit-tree", tree, "-p", head, "-m", message, environment=dates)
    return Planned(commit, head, branch)


def send(submission: Submission, dry_run: bool = False) -> Planned:
    """Send weights, branch and tag, then follow here; GitError if the remote refuses, and nothing has changed here.

    A dry run talks to the remote and changes nothing anywhere.
    """
    planned, flags = plan(submission), ["--dry-run"] if dry_run else []
    git(submission.root, "lfs", "push", *flags, submission.remote, planned.commit, progress=not dry_run)
    refs = [f"{planned.commit}:refs/{kind}" for kind in (f"heads/{planned.branch}", f"tags/{submission.tag}")]
    # LFS is served already: its pre-push hook would look for the same objects again.
    git(submission.root, "push", "--no-verify", "--atomic", "--quiet", *flags, submission.remote, *refs)
    if not dry_run:
        follow(submission, planned)
    return planned


def follow(submission: Submission, planned: Planned) -> None:
    """Bring aicrowd.json, the branch and the tag here to what was sent. The tag last: it says that all is done."""
    root = submission.root
    if read_manifest(root) != submission.manifest:
        write_text(root / "aicrowd.json", manifest_text(submission.manifest))
    git(root, "add", "aicrowd.json")
    git(root, "update-ref", f"refs/heads/{planned.branch}", planned.commit, planned.head)
    git(root, "tag", submission.tag, planned.commit)
