"""The commands of training data and of synthesis where a package is not installed, as after `make demo` alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import runpy, sys
sys.modules[sys.argv[1]] = None
sys.argv[:2] = []
runpy.run_module(sys.argv[0], run_name="__main__")
"""


def run_without(package: str, repository: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, package, *command], cwd=repository, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("package", "target", "command"),
    [
        ("duckdb", "setup-all", ("training.data.build", "--preview", "esci_relation", "--sources", ".")),
        ("duckdb", "setup-all", ("training.data.download", "esci")),
        ("duckdb", "setup-all", ("training.data.ecinstruct_tests", "--sources", "docs", "--output", "tests.jsonl")),
        ("duckdb", "setup-all", ("training.synthesize", "--help")),
        ("openai", "setup", ("training.synthesize", "--help")),
    ],
)
def test_a_missing_package_is_one_line_that_says_how_to_get_it(
    package: str, target: str, command: tuple[str, ...], repository: Path
) -> None:
    done = run_without(package, repository, *command)
    assert done.returncode == 2
    assert done.stderr == f"error: the package {package} is not installed; run `make {target}`\n"


def test_the_packages_themselves_import_nothing_heavy(repository: Path) -> None:
    code = "import sys, training.data.build, training.data.sources, training.synthesize; print('duckdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
