"""What README, guides and model cards name is there: links, paths in backticks, and the commands to run."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATH = re.compile(r"`((?:shopbench|models|evaluation|training|tools|benchmarks|prompts|docs|tests)/[\w./-]*)`")
COMMAND = re.compile(r"-m ((?:evaluation|training|tools|benchmarks)[\w.]*)")


def documents(repository: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.split()
    return [repository / name for name in listed if not name.startswith("docs/results/")]


@pytest.fixture(scope="module")
def texts(repository: Path) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in documents(repository)}


def test_links_lead_somewhere(texts: dict[Path, str]) -> None:
    links = [(path, link) for path, text in texts.items() for link in LINK.findall(text) if "://" not in link]
    assert len(links) > 20
    assert not [(path.name, link) for path, link in links if not (path.parent / link).exists()]


def test_paths_exist(texts: dict[Path, str], repository: Path) -> None:
    named = [(path, name) for path, text in texts.items() for name in PATH.findall(text)]
    assert len(named) > 10
    assert not [(path.name, name) for path, name in named if not (repository / name).exists()]


def test_commands_exist(texts: dict[Path, str]) -> None:
    modules = {module.rstrip(".") for text in texts.values() for module in COMMAND.findall(text)}
    assert len(modules) > 10
    for module in modules:
        found = importlib.util.find_spec(module)
        assert found, module
        assert found.submodule_search_locations is None or importlib.util.find_spec(f"{module}.__main__"), module
