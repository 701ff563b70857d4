"""A clone whose requirements are tiny packages on disk: the real set-up, pip and uv, in seconds, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopbench.files import ROOT
from tools.setup.command import DEMO, DEVELOPMENT, QUANTIZERS
from tools.setup.torch_build import LIBRARIES


def make_wheel(folder: Path, name: str, version: str) -> None:
    """A package that pip and uv install: one empty module."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{facts}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{facts}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{facts}/RECORD"]))


FAKE_UV = """#!/bin/bash
for word in "$@"; do
    [[ $word == --dry-run ]] && dry=1
    [[ $word == --torch-backend=cpu ]] && own=1
done
[[ $own ]] || exec REAL "$@"
[[ -d "WHEELS" ]] || exit 2
[[ $dry ]] || exec REAL pip install --python "$4" --no-deps --offline --no-index --find-links WHEELS "${@: -1}"
"""


def fake_uv(folder: Path, uv: str, wheels: Path | None) -> Path:
    """A folder with a uv whose own index of CPU builds holds `wheels`, or does not answer; else it is the real one."""
    folder.mkdir()
    (folder / "uv").write_text(FAKE_UV.replace("REAL", uv).replace("WHEELS", str(wheels or "")))
    (folder / "uv").chmod(0o755)
    return folder


class Clone:
    """A small copy of this repository's set-up; `run` is what `make setup` calls."""

    def __init__(self, root: Path, uv: str) -> None:
        self.root, self.uv = root, uv
        self.site = root / ".venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        self.wheels, self.cpu_wheels = root / "wheels", root / "cpu_wheels"
        shutil.copytree(ROOT / "shopbench", root / "shopbench", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tools" / "setup", root / "tools" / "setup")
        (root / "tools" / "__init__.py").touch()
        requirements = {file: f"part_{number}==1.0" for number, file in enumerate(DEMO["cpu"] + DEMO["cuda"])}
        requirements |= dict.fromkeys(DEVELOPMENT, "more==1.0")
        requirements |= {f"requirements-{name}.txt": "torch==2.13.0\npart_0==1.0" for name in QUANTIZERS}
        requirements[LIBRARIES] = "nvidia_nothing==1.0\ntorch==2.13.0"
        for file, lines in requirements.items():
            (root / file).write_text(f"# Size: 1 MB to download, 2 MB on disk.\n{lines}\n")
        with (root / "requirements-dev.txt").open("a") as file:
            file.write("uv==0.0.1\n")
        for name in ("part_0", "part_1", "part_2", "more", "nvidia_nothing"):
            make_wheel(self.wheels, name, "1.0")
        make_wheel(self.wheels, "torch", "2.13.0")
        make_wheel(self.wheels, "uv", "0.0.1")
        make_wheel(self.cpu_wheels, "torch", "2.13.0+cpu")

    def run(
        self, *arguments: str, python: str = sys.executable, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the set-up where pip and uv find the wheels folder alone; `environment` changes that."""
        found = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "VIRTUAL"))}
        found |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        found |= {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(self.wheels), "UV_NO_CONFIG": "1"}
        found |= {"PATH": f"{Path(self.uv).parent}{os.pathsep}{os.environ['PATH']}", **environment}
        command = [python, "-m", "tools.setup", *arguments]
        return subprocess.run(command, cwd=self.root, env=found, capture_output=True, text=True, check=False)

    def installed(self, folder: str = ".venv") -> set[str]:
        """What is in an environment, without what every new one holds."""
        site = self.root / folder / "lib" / self.site.parent.name / "site-packages"
        records = {path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info")}
        return {record for record in records if not record.startswith(("pip-", "setuptools-"))}


@pytest.fixture(scope="session")
def uv() -> str:
    """uv's program, which `make setup-all` installs."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not found:
        pytest.skip("uv is not installed: run `make setup-all`")
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, uv: str) -> Clone:
    """A clone with an empty environment, made once: that takes seconds."""
    clone = Clone(tmp_path_factory.mktemp("clone"), uv)
    subprocess.run([sys.executable, "-m", "venv", str(clone.root / ".venv")], check=True)
    return clone


@pytest.fixture
def clone(made: Clone) -> Iterator[Clone]:
    """The clone with an environment that was just begun."""
    (made.root / ".venv" / "setup.json").write_text('{"device": "cpu", "done": {}}')
    for record in made.installed():
        shutil.rmtree(made.site / f"{record}.dist-info")
    return made
