"""`make demo` in a fresh clone, as on other people's machines: no pip configuration, no wheel folder, other Pythons.

Minutes and gigabytes each, so only `make test-setup` runs it; it prints how long everything took and how big it is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopbench.files import ROOT
from tests.tools.setup.conftest import fake_uv
from tools.setup import interpreter
from tools.setup.environment import sizes
from tools.setup.torch_build import LIBRARIES

pytestmark = pytest.mark.setup
CPU_BUILD = "torch==2.13.0+cpu"
BUILDS = {"pip": "the CPU build that pip finds", "uv": "the CPU build that uv finds", "PyPI": "PyPI's build"}


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pip's and uv's caches: empty for the first clone, shared by the others."""
    return tmp_path_factory.mktemp("caches")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """What is committed, and nothing else."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone")], check=True)
    yield tmp_path / "clone"
    shutil.rmtree(tmp_path / "clone")


def python_of(version: str) -> str:
    for candidate in interpreter.candidates():
        if interpreter.version_of(candidate) == version:
            return candidate
    pytest.skip(f"no Python {version} is here")


def environment_for(build: str, python: str, folder: Path, caches: Path, uv: str) -> dict[str, str]:
    """This process's environment, without pip's configuration where torch is to come from elsewhere."""
    wheels = folder / "wheels"
    asked = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), CPU_BUILD]
    here = build != "PyPI" and subprocess.run(asked, capture_output=True, check=False).returncode == 0
    if build == "pip" and not here:
        pytest.skip(f"pip's configuration here has no {CPU_BUILD} for this Python")
    found = dict(os.environ)
    if build != "pip":
        found = {name: value for name, value in found.items() if not name.startswith(("PIP_", "UV_"))}
        found["PIP_CONFIG_FILE"] = os.devnull
    reached = False
    if build == "uv":
        dry = [uv, "pip", "install", "--dry-run", "--python", python, "--no-deps", "--torch-backend=cpu", CPU_BUILD]
        reached = subprocess.run(dry, env=found, capture_output=True, check=False).returncode == 0
        if not reached and not here:
            pytest.skip("neither uv's index nor a wheel to put in its place can be had")
        if not reached:
            print("\nuv's index cannot be reached: the wheel that pip finds here stands in for it", file=sys.stderr)
    if build != "pip" and not reached:  # the index answers with the wheel from here, or not at all
        found["PATH"] = f"{fake_uv(folder / 'bin', uv, wheels if here else None)}{os.pathsep}{found['PATH']}"
    return {**found, "PIP_CACHE_DIR": str(caches / "pip"), "UV_CACHE_DIR": str(caches / "uv")}


@pytest.mark.parametrize(("build", "version"), [("PyPI", "3.12"), ("pip", "3.11"), ("uv", "3.11"), ("PyPI", "3.13")])
def test_make_demo(build: str, version: str, clone: Path, caches: Path, tmp_path: Path, uv: str) -> None:
    python = python_of(version)
    environment = environment_for(build, python, tmp_path, caches, uv)

    def make(target: str) -> tuple[str, float]:
        started = time.monotonic()
        command = ["make", "--no-print-directory", target, f"PYTHON={python}", "DEVICE=cpu"]
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout, time.monotonic() - started

    said, seconds = make("setup")
    assert f"torch 2.13.0: {BUILDS[build]}" in said
    site = clone / ".venv" / "lib" / f"python{version}" / "site-packages"
    assert not [name for name in ("torchvision", "torchaudio", "torchcodec") if (site / name).exists()]
    filled = sum(path.stat().st_size for path in (clone / ".venv").rglob("*") if path.is_file()) / 1e6
    announced = sizes("requirements-cpu.txt")[1] + (sizes(LIBRARIES)[1] if build == "PyPI" else 750)
    assert filled == pytest.approx(announced, rel=0.15)

    said, answering = make("demo")
    assert "SCORE" in said
    assert json.loads((clone / "results.json").read_text())["score"] > 0.5
    assert make("setup")[0] == ""
    print(
        f"\ntorch from {build}, Python {version}: set-up {seconds:.0f} s, {filled:,.0f} MB; demo {answering:.0f} s",
        file=sys.stderr,
    )
