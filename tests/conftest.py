"""What the tests share: the repository's root, the data beside it, and (in tests/models) one real engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.user_config import UserModel

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Take Ctrl-C as in a terminal: a background shell starts us with SIGINT ignored, which our children inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, and where tests run in several processes (pytest-xdist) what stays in one of them.

    That is a file, for its fixtures, and all that uses an engine: they share one, and two would take turns on a core.
    """
    order = {}
    for item in items:
        group = "engine" if item.get_closest_marker("engine") else item.nodeid.split("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
        rank = 0 if group == "engine" else 1 if item.get_closest_marker("slow") else 2
        order[group] = min(order.get(group, rank), rank)
    items.sort(key=lambda item: order[item.get_closest_marker("xdist_group").args[0]])  # type: ignore[union-attr]


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


@pytest.fixture(scope="session")
def real_model(built_weights: Path) -> Iterator[UserModel]:
    """The submitted model on a real engine, the only one that tests share; it outlives a killed worker."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SHOPBENCH_")]:
            patch.delenv(name)
        patch.setenv("SHOPBENCH_WEIGHTS", str(built_weights))
        model = UserModel()
    yield model
    model.close()
