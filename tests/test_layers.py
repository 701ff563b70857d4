"""The direction of imports (DESIGN): read from the source, so that a stray import fails here first."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

OURS = ("shopbench", "models", "evaluation", "training", "tools")
MAY_IMPORT = {
    "shopbench": {"shopbench"},
    "models": {"models", "shopbench"},
    "evaluation": {"evaluation", "models", "shopbench"},
    "tools": {"tools", "evaluation", "models", "shopbench", "training"},
    "training": {"training", "shopbench"},
}
ENGINE_USERS = {"models/engine/core.py", "models/engine/processors.py", "models/engine/cpu_kernels.py"}
SERVES_THE_ENGINE = ("training/sweep", "training/synthesize/local.py")
"""Sweeps score what they serve as local_evaluation does, so they use its engine and its evaluation."""


def imports(path: Path, only_module_level: bool = False) -> Iterator[str]:
    """The dotted names that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if only_module_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def sources(repository: Path, package: str) -> list[Path]:
    return sorted((repository / package).rglob("*.py"))


@pytest.mark.parametrize("package", OURS)
def test_imports_point_one_way(package: str, repository: Path) -> None:
    assert sources(repository, package)
    for path in sources(repository, package):
        name = path.relative_to(repository).as_posix()
        allowed = MAY_IMPORT[package] | ({"models", "evaluation"} if name.startswith(SERVES_THE_ENGINE) else set())
        wrong = {module for module in imports(path) if module.split(".")[0] in OURS} - {
            module for module in imports(path) if module.split(".")[0] in allowed
        }
        assert not wrong, f"{name} imports {wrong}"


def test_only_the_engine_files_import_vllm(repository: Path) -> None:
    users = {
        path.relative_to(repository).as_posix()
        for package in OURS
        for path in sources(repository, package)
        if any(module.split(".")[0] == "vllm" for module in imports(path))
    }
    assert users <= ENGINE_USERS


def test_shopbench_needs_only_the_standard_library(repository: Path) -> None:
    for path in sources(repository, "shopbench"):
        outside = {module.split(".")[0] for module in imports(path, only_module_level=True)} - {"shopbench"}
        assert outside <= sys.stdlib_module_names, f"{path.name} imports {outside - sys.stdlib_module_names}"


def test_training_data_is_never_the_development_file(repository: Path) -> None:
    """The development file is a test: no training source may name it."""
    for path in sources(repository, "training/data/sources"):
        assert "development" not in path.read_text(encoding="utf-8"), path
