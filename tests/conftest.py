"""What the tests share: the repository's root, the data beside it, and (in tests/models) one real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


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
