"""torch for a CPU: which of three builds can be had here, asked in the order of their sizes."""

from __future__ import annotations

import subprocess

from shopbench.errors import UserError
from tools.setup.environment import Environment, pins, sizes
from tools.setup.interpreter import find_uv, last_line
from tools.setup.progress import Failed, run_visibly

LIBRARIES = "requirements-torch.txt"
"""PyPI's torch with CUDA's libraries."""
CPU_SIZE = (192, 750)
"""Megabytes to download and on disk of the CPU build."""
SECONDS_TO_ASK = 60
"""For uv to say whether the index it knows answers."""
_IMPATIENT = {"UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "1"}


def has_torch(environment: Environment) -> bool:
    """Whether the pinned torch is installed, whatever build of it."""
    return environment.done.get("torch", "").split("+")[0] == _version()


def install_torch(environment: Environment, index: str = "") -> None:
    """Install torch's CPU build where pip or uv finds one, else PyPI's with its libraries; one line says which.

    Args:
        index: address of one more index for pip; the build must then be there.

    Raises:
        UserError: nothing can be installed.
    """
    wanted = f"torch=={_version()}+cpu"
    asked = ["--no-deps", *(["--extra-index-url", index] if index else []), wanted]
    if _pip_finds(environment, asked):
        _say("the CPU build that pip finds", CPU_SIZE)
        environment.pip(asked, wanted, CPU_SIZE[0], 1)
    elif index:
        raise UserError(f"{wanted}: pip does not find it with TORCH_INDEX={index}; mend the address or leave it out")
    elif uv := _uv_that_finds(environment, wanted):
        _say("the CPU build that uv finds", CPU_SIZE)
        try:
            environment.run(_uv(uv, environment, wanted), wanted, CPU_SIZE[0], 1)
        except Failed as error:
            raise UserError(f"{wanted}: {last_line(error.output)}; give the same command again to go on") from None
    else:
        _say("PyPI's build with CUDA's libraries, as no CPU build can be had", sizes(LIBRARIES))
        environment.install(LIBRARIES)
        wanted = f"torch=={_version()}"
    environment.mark("torch", wanted.split("==")[1])


def _version() -> str:
    return next(pin.split("==")[1] for pin in pins(LIBRARIES) if pin.startswith("torch=="))


def in_words(download: int, disk: int) -> str:
    """Two sizes in megabytes, for the user."""
    return f"{download / 1000:.1f} GB to download, {disk / 1000:.1f} GB on disk"


def _say(which: str, megabytes: tuple[int, int]) -> None:
    print(f"torch {_version()}: {which}, {in_words(*megabytes)}", flush=True)


def _pip_finds(environment: Environment, asked: list[str]) -> bool:
    command = [*environment.pip_command, "install", "--dry-run", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    with environment.log.open("a", encoding="utf-8") as book:
        book.write(done.stdout + done.stderr)
    return done.returncode == 0


def _uv_that_finds(environment: Environment, wanted: str) -> str:
    """uv, if it can be had and the index of CPU builds that it knows answers in time; else ""."""
    try:
        uv = find_uv(str(environment.python))
        command = [*_uv(uv, environment, wanted), "--dry-run"]
        run_visibly(
            ["timeout", str(SECONDS_TO_ASK), *command],
            "uv looks for a CPU build",
            environment.log,
            environment=_IMPATIENT,
        )
    except (UserError, Failed):
        return ""
    return uv


def _uv(uv: str, environment: Environment, wanted: str) -> list[str]:
    python = str(environment.python)
    return [uv, "pip", "install", "--python", python, "--no-deps", "--torch-backend=cpu", wanted]
