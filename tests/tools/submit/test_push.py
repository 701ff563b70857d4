"""Pushing to a real bare repository over file:// with Git LFS and 200 MB of weights: whole, refused, interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shopbench.errors import exit_code_of
from shopbench.tracks import TRACKS
from tests.tools.scratch import git, submission, with_lfs
from tools.submit import submission as sending
from tools.submit.command import main
from tools.submit.submission import GitError, send

pytestmark = pytest.mark.slow  # real pushes

TAG = "submission-track2-v1"
LEFT_OUT = ("--skip", "dry-run", "--skip", "interface")


def state(root: Path) -> dict[str, str]:
    """Everything of a repository that a failed push must leave as it was."""
    return {
        "head": git(root, "rev-parse", "HEAD"),
        "branch": git(root, "branch", "--show-current"),
        "refs": git(root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"),
        "changes": git(root, "status", "--porcelain"),
        "manifest": (root / "aicrowd.json").read_text(),
    }


def refs(remote: Path) -> list[str]:
    return git(remote, "for-each-ref", "--format=%(refname)").splitlines()


def stored(remote: Path) -> list[int]:
    """Sizes of the remote's LFS objects."""
    return sorted(file.stat().st_size for file in (remote / "lfs").rglob("*") if file.is_file())


def check_sent(root: Path, tmp_path: Path) -> None:
    """The remote has the tag; what it holds, weights and all, is what is here; and here the branch has followed."""
    remote = tmp_path / "remote.git"
    assert refs(remote) == ["refs/heads/main", f"refs/tags/{TAG}"]
    ours = {git(folder, "rev-parse", name) for folder in (root, remote) for name in ("main", TAG)}
    assert len(ours) == 1
    assert git(root, "status", "--porcelain") == ""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--branch", TAG, remote.as_uri(), str(clone)], check=True, env=with_lfs())
    assert json.loads((clone / "aicrowd.json").read_text())["challenge_id"] == TRACKS[2].challenge_id
    sent, here = (folder / "weights" / "track2" / "model.safetensors" for folder in (clone, root))
    assert subprocess.run(["cmp", str(sent), str(here)], check=False).returncode == 0
    shutil.rmtree(clone)


PUSH = "from shopbench.errors import run_command; run_command('tools.submit.command')"


def arguments(root: Path) -> list[str]:
    return ["push", "--track", "2", "--root", str(root), *LEFT_OUT]


def push_track(root: Path, *more: str) -> int:
    """The command line's exit code."""
    return exit_code_of(main, [*arguments(root), *more])


def killed_when(root: Path, sign: Path, repository: Path) -> None:
    """Run a push in a process group of its own and kill it, -9, as soon as `sign` exists."""
    command = [sys.executable, "-c", PUSH, *arguments(root)]
    process = subprocess.Popen(command, cwd=repository, start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not sign.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sign.exists(), "the push never came that far"
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def hook(tmp_path: Path, script: str) -> Path:
    """What the remote does before it takes anything."""
    path = tmp_path / "remote.git" / "hooks" / "pre-receive"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_200_mb_refused_then_killed_then_sent(
    large: Path, tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote, before = tmp_path / "remote.git", state(large)

    hook(tmp_path, "echo quota exceeded >&2; exit 1")
    assert push_track(large) == 2
    error = capsys.readouterr().err
    assert "quota exceeded" in error
    assert error.count("\n") == 1
    assert state(large) == before
    assert refs(remote) == []

    shutil.rmtree(remote / "lfs")  # as if the refusal had come before the weights
    sign = tmp_path / "receiving"
    receiving = hook(tmp_path, f"touch '{sign}'; sleep 60")
    killed_when(large, sign, repository)
    assert state(large) == before
    assert refs(remote) == []
    assert stored(remote)[-1] > 200_000_000, "the weights were there already"

    receiving.unlink()
    assert push_track(large) == 0
    printed = capsys.readouterr().out
    assert f"pushed {TAG}" in printed
    assert "20 minutes at most" in printed
    assert git(large, "rev-parse", "HEAD^") == before["head"]
    assert git(large, "log", "-1", "--format=%s") == "Submit track 2, Shopping Knowledge Reasoning"
    check_sent(large, tmp_path)

    assert push_track(large) == 1
    assert f"tag {TAG}: is used already; give another --name" in capsys.readouterr().out


def test_a_track_with_the_same_weights_sends_no_second_copy(small: Path, tmp_path: Path) -> None:
    send(submission(small))
    remote = tmp_path / "remote.git"
    held = stored(remote)
    send(submission(small, track=4))
    assert stored(remote) == held
    assert refs(remote) == ["refs/heads/main", f"refs/tags/{TAG}", "refs/tags/submission-track4-v1"]
    for track, tag in ((2, TAG), (4, "submission-track4-v1")):
        assert json.loads(git(remote, "show", f"{tag}:aicrowd.json"))["challenge_id"] == TRACKS[track].challenge_id


def test_a_dry_run_changes_nothing(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state(small)
    assert push_track(small, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert f"would go to origin as main and {TAG}" in printed
    assert TRACKS[2].challenge_id in printed
    assert state(small) == before
    assert refs(tmp_path / "remote.git") == stored(tmp_path / "remote.git") == []


def test_a_failed_check_stops_the_push(small: Path, tmp_path: Path) -> None:
    (small / "new.txt").write_text("not committed")
    before = state(small)
    assert push_track(small) == 1
    assert state(small) == before
    assert refs(tmp_path / "remote.git") == []


def test_a_remote_that_is_ahead_is_not_overwritten(small: Path, tmp_path: Path) -> None:
    git(small, "push", "-q", "--no-verify", "origin", "main")
    git(small, "commit", "-q", "--amend", "-m", "Another history")
    before = state(small)
    with pytest.raises(GitError, match=r"rejected"):
        send(submission(small))
    assert state(small) == before
    assert refs(tmp_path / "remote.git") == ["refs/heads/main"]


def test_goes_on_after_a_kill_between_two_files_of_the_weights(
    small: Path, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git-lfs is stood in for by a program that sends the smaller file and then hangs, until it is killed."""
    programs, sign = tmp_path / "programs", tmp_path / "half"
    programs.mkdir()
    smaller = git(small, "lfs", "ls-files", "--long", "--include", "weights/track2/tokenizer.json").split()[0]
    real = shutil.which("git-lfs")
    stand_in = programs / "git-lfs"
    stand_in.write_text(
        f'#!/bin/sh\n[ "$1" = push ] || exec {real} "$@"\n{real} push --object-id origin {smaller}\n'
        f"touch '{sign}'\nsleep 60\n"
    )
    stand_in.chmod(0o755)
    before = state(small)
    with monkeypatch.context() as environment:
        environment.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        killed_when(small, sign, repository)
    assert state(small) == before
    assert refs(tmp_path / "remote.git") == []
    assert len(stored(tmp_path / "remote.git")) == 1
    assert push_track(small) == 0
    check_sent(small, tmp_path)


def test_goes_on_after_a_kill_when_the_remote_has_it_all(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the remote's last word and our own branch: the same command finds its tag there and only follows."""
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(sending, "follow", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        send(submission(small))
    assert refs(tmp_path / "remote.git") == ["refs/heads/main", f"refs/tags/{TAG}"]
    assert push_track(small) == 0
    assert git(small, "rev-parse", "HEAD") == git(tmp_path / "remote.git", "rev-parse", TAG)
    assert git(small, "status", "--porcelain") == ""
    assert git(small, "tag") == TAG
