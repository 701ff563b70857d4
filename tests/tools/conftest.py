"""Repositories to submit from. Each test works on a copy of its own; this repository and its git are not touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.scratch import bare, commit, copy_of, make_weights, own_git_home
from tests.training.conftest import tiny_model  # noqa: F401 (a fixture of both folders)


@pytest.fixture(autouse=True)
def _git_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_git_home(tmp_path / "home", monkeypatch)


def _model(folder: Path, repository: Path, megabytes: float) -> Path:
    if not shutil.which("git-lfs"):
        pytest.skip("git-lfs is not installed (Debian, Ubuntu: apt-get install git-lfs)")
    with pytest.MonkeyPatch.context() as environment:
        own_git_home(folder / "home", environment)
        root = copy_of(repository, folder / "model")
        make_weights(root / "weights" / "track2", megabytes)
        commit(root, "Add the weights of track 2")
    return root


@pytest.fixture(scope="session")
def _small_model(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    return _model(tmp_path_factory.mktemp("small"), repository, 1)


@pytest.fixture
def small(_small_model: Path, tmp_path: Path) -> Path:
    """A repository ready to be submitted, with 1 MB of weights of track 2; its remote is ../remote.git."""
    root = tmp_path / "work"
    shutil.copytree(_small_model, root, symlinks=True)
    bare(tmp_path / "remote.git", root)
    return root


@pytest.fixture
def large(repository: Path, tmp_path: Path) -> Iterator[Path]:
    """The same with 200 MB of weights; removed after the test, for the disk's sake."""
    root = _model(tmp_path, repository, 200)
    bare(tmp_path / "remote.git", root)
    yield root
    shutil.rmtree(root)
    shutil.rmtree(tmp_path / "remote.git")
