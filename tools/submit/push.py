"""Sending a submission: one commit that sets aicrowd.json, the weights to LFS, then branch and tag together.

Nothing of this repository changes before the remote has taken everything: the commit is made beside the work tree
and the branch. Made again, it is the very same commit (its dates are its parent's), so a push that was interrupted
or refused is taken up by the same command: LFS sends what is still missing.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shopbench.errors import UserError
from shopbench.files import write_text
from tools.submit.git import git
from tools.submit.submission import Submission, manifest_text, read_manifest


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
    """Send weights, branch and tag, then follow here; a dry run talks to the remote and changes nothing anywhere.

    Raises:
        GitError: the remote, or the way to it, refused; here nothing has changed.
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
