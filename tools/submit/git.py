"""Git, called as a program, with errors that say what it said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from shopbench.errors import UserError


class GitError(UserError):
    """A git command that failed; the message is its own, on one line."""


def git(
    root: Path,
    *arguments: str,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    progress: bool = False,
) -> str:
    """Run git in `root` and return what it printed, stripped.

    Args:
        text: given to it on standard input.
        environment: variables besides those of this process.
        progress: show what it says on the way (and why it failed) instead of keeping it for the error.
    Raises:
        GitError: it is not installed, or exited with anything but 0.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            input=text,
            stdout=subprocess.PIPE,
            stderr=None if progress else subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
        )
    except FileNotFoundError:
        raise GitError("git is not installed; install it (Debian, Ubuntu: apt-get install git git-lfs)") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"failed with exit code {done.returncode}"
        raise GitError(f"git {arguments[0]}: {said[-600:]}")
    return done.stdout.strip()
