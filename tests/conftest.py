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


@pytest.fixture(scope="session", autouse=True)
def _begun_model(request: pytest.FixtureRequest, repository: Path) -> Iterator[UserModel | None]:
    """The real model, begun before the first test if any will ask for it: its engine starts while others run."""
    folders = [repository / "weights" / name for name in ("embedded", "base/smollm2-135m-instruct")]
    folder = next((folder for folder in folders if any(folder.glob("*.safetensors"))), None)
    if folder is None or not any("real_model" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SHOPBENCH_")]:
            patch.delenv(name)
        patch.setenv("SHOPBENCH_WEIGHTS", str(folder))
        model = UserModel(wait=False)
    yield model
    model.close()


@pytest.fixture(scope="session")
def real_model(_begun_model: UserModel | None) -> UserModel:
    """The submitted model on a real engine, the only one that tests share; it outlives a killed worker."""
    if _begun_model is None:
        pytest.skip("no weights are built: run `make weights`")
    _begun_model.wait_until_ready()
    return _begun_model
