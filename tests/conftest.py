"""What the tests share: the repository's root, the data beside it, and one real engine."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.user_config import UserModel

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Take Ctrl-C as in a terminal: a background shell starts us with SIGINT ignored, which our children inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # until all is imported, of which nothing is garbage


def pytest_collection_finish() -> None:
    """What was imported stays: it is not looked through again and again for garbage."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Let everything go in order."""
    gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the engine's tests first, then those with slow ones: what begins last is short."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 0 if item.get_closest_marker("engine") else 1 if item.get_closest_marker("slow") else 2
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `--dist loadfile`: files with the engine's tests stay in one process, to share one engine and take turns."""
    from xdist.scheduler import LoadFileScheduling

    @cache
    def uses_engine(file: str) -> bool:
        return "mark.engine" in (REPOSITORY / file).read_text(encoding="utf-8")

    class EngineTogether(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "engine" if uses_engine(file) else file

    return EngineTogether(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' data folder beside the repository; tests that need it skip in a user's clone."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the developers' ../shared/data is not beside this clone")
    return folder


@pytest.fixture(scope="session")
def built_weights(repository: Path) -> Path:
    """A folder with a real small model: the embedded one, or its base."""
    folders = [repository / "weights" / name for name in ("embedded", "base/smollm2-135m-instruct")]
    for folder in folders:
        if any(folder.glob("*.safetensors")):
            return folder
    pytest.skip("no weights are built: run `make weights`")


@contextmanager
def user_model(weights: Path, **settings: str) -> Iterator[UserModel]:
    """The submitted model's code on a real engine with these settings and no others; it outlives a killed worker."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SHOPBENCH_")]:
            patch.delenv(name)
        for name, value in {"SHOPBENCH_WEIGHTS": str(weights), **settings}.items():
            patch.setenv(name, value)
        model = UserModel()
    try:
        yield model
    finally:
        model.close()


@pytest.fixture(scope="session")
def real_model(built_weights: Path) -> Iterator[UserModel]:
    """The submitted model on a real engine, the only one that tests share with other files' tests."""
    with user_model(built_weights) as model:
        yield model
