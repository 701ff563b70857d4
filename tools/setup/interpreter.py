"""The Python that an environment is made with, and uv, which fetches one where none is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from shopbench import ROOT
from shopbench.errors import UserError
from shopbench.requirements import requirement_lines

VERSIONS = ("3.11", "3.12", "3.13")
"""The Pythons that the requirements files are complete locks for."""
UV = ROOT / "build" / "uv"
_PROBE = "import bz2, ctypes, ensurepip, lzma, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"
"""What an environment needs of a Python; Debian's lacks ensurepip without python3-venv, a hand-made one often lzma."""


def candidates() -> Iterator[str]:
    """Pythons that may be there: the one that runs this, those on the path, pyenv's that are not."""
    yield sys.executable
    yield from ("python3", *(f"python{version}" for version in VERSIONS))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in VERSIONS:
        yield from sorted(str(path) for path in pyenv.glob(f"versions/{version}.*/bin/python3"))


def version_of(python: str) -> str:
    """Its version, as 3.12, by running it; "" if it does not run or cannot make an environment."""
    try:
        done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def make_environment(folder: Path, python: str = "") -> None:
    """Make a virtual environment with pip in `folder`, with `python` or else the first that does.

    Raises:
        UserError: no Python fits, and uv cannot fetch one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    wanted = [python] if python else candidates()
    found = next((name for name in wanted if version_of(name) in VERSIONS), None)
    if found:
        command = [found, "-m", "venv", str(folder)]
    elif python:
        raise UserError(f"{python}: is no Python {' or '.join(VERSIONS)} that can make an environment; name another")
    else:
        print(
            f"No Python {', '.join(VERSIONS)} with venv is here: uv looks for one, or fetches it (about 30 MB)",
            flush=True,
        )
        command = [
            find_uv(sys.executable),
            "venv",
            "--quiet",
            "--seed",
            "--python",
            f">={VERSIONS[0]},<3.14",
            str(folder),
        ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"no Python {', '.join(VERSIONS)} could be had ({last_line(done.stdout)}); install one with its venv "
            "(Debian, Ubuntu: apt-get install python3-venv), or name it: make setup PYTHON=<path>"
        )


def find_uv(python: str) -> str:
    """uv: the one beside `python`, the user's own, or one that pip puts into build/uv.

    Raises:
        UserError: it is neither here nor can it be installed.
    """
    if own := shutil.which("uv", path=f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"):
        return own
    program = UV / "bin" / "uv"
    if not program.is_file():
        pins = requirement_lines((ROOT / "requirements-dev.txt").read_text(encoding="utf-8"))
        pin = next(line for line in pins if line.startswith("uv=="))
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(UV), pin]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"uv cannot be installed ({last_line(done.stderr)}); install it, or a Python with pip")
    return str(program)


def last_line(output: str) -> str:
    """What a program said last, for an error of one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
