"""Install what this repository needs, right for this machine; what is complete is left alone without a word.

    make setup           .venv: the evaluation and the embedded model (`make demo` does it first)
    make setup-all       the same with training, tests and checks
    make setup-quantize  .venv-autoawq and .venv-llmcompressor, which cannot live beside vLLM

DEVICE=cuda takes vLLM and torch for NVIDIA GPUs, DEVICE=cpu those for a CPU; default: what .venv was made for, else
what the machine has. PYTHON=<path> takes that Python, TORCH_INDEX=<address> one more index for torch's CPU build.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shopbench import ROOT
from shopbench.errors import DONE, UserError
from tools.setup.environment import Environment, sizes
from tools.setup.interpreter import make_environment, version_of
from tools.setup.torch_build import CPU_SIZE, LIBRARIES, has_torch, in_words, install_torch

DEMO = {"cpu": ["requirements-cpu.txt"], "cuda": ["requirements.lock", "requirements-cuda.txt"]}
DEVELOPMENT = ["requirements-training.txt", "requirements-dev.txt"]
QUANTIZERS = ("autoawq", "llmcompressor")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="tools.setup", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["demo", "all", "quantize"])
    parser.add_argument("--device", choices=["cpu", "cuda"], help="what to install for")
    parser.add_argument("--python", default="", help="the Python to make environments with")
    parser.add_argument("--torch-index", default="", help="one more index for torch's CPU build")
    arguments = parser.parse_args(argv)
    with one_at_a_time():
        device = arguments.device or Environment(ROOT / ".venv").device or device_here()
        for folder, files in environments(arguments.what, device).items():
            bring_up(ROOT / folder, files, device, arguments.python, arguments.torch_index)
    return DONE


def environments(what: str, device: str) -> dict[str, list[str]]:
    """The folders that a set-up makes, and the requirements files of each, in order."""
    if what != "quantize":
        return {".venv": DEMO[device] + (DEVELOPMENT if what == "all" else [])}
    libraries = [LIBRARIES] if device == "cuda" else []
    return {f".venv-{name}": [*libraries, f"requirements-{name}.txt"] for name in QUANTIZERS}


def device_here() -> str:
    """ "cuda" where NVIDIA's driver shows a GPU, else "cpu"."""
    if Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia/version").exists():
        return "cuda"
    program = shutil.which("nvidia-smi")  # Windows' Linux has only this
    if not program:
        return "cpu"
    done = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return "cuda" if done.returncode == 0 and done.stdout.startswith("GPU ") else "cpu"


def bring_up(folder: Path, files: Sequence[str], device: str, python: str, torch_index: str) -> None:
    """Make the environment, or complete it."""
    environment = Environment(folder)
    if environment.device not in ("", device):
        print(f"{folder.name} is for {environment.device}: it is made again for {device}", flush=True)
        shutil.rmtree(folder)
        environment = Environment(folder)
    missing = [file for file in files if not environment.has(file)]
    torch_comes_first = device == "cpu" and not has_torch(environment)
    if not missing and not torch_comes_first:
        return
    if not environment.device:
        make_environment(folder, python)
        environment.start(device)
    announce(environment, missing, torch_comes_first)
    if torch_comes_first:
        install_torch(environment, torch_index)
    for file in missing:
        environment.install(file)
    print(f"{folder.name}: complete", flush=True)
    if device == "cuda" and not can_compile(environment.python):
        print("note: Triton compiles kernels when it runs: install gcc and Python's headers (python3-dev)", flush=True)


def can_compile(python: Path) -> bool:
    """Whether gcc and the headers of this Python are here."""
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('include'))"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return bool(shutil.which("gcc")) and (Path(done.stdout.strip()) / "Python.h").is_file()


def announce(environment: Environment, missing: Sequence[str], torch_comes_first: bool) -> None:
    """Say what will be downloaded; UserError if the disk cannot hold it."""
    parts = [sizes(file) for file in missing] + ([CPU_SIZE] if torch_comes_first else [])
    download, disk = (sum(part[place] for part in parts) for place in (0, 1))
    name, version = environment.folder.name, version_of(str(environment.python))
    text = f"Setting up {name} for {environment.device}, Python {version}: {in_words(download, disk)}"
    if torch_comes_first:
        text += (
            f" ({in_words(*(sizes(LIBRARIES)[place] - CPU_SIZE[place] for place in (0, 1)))} more without a CPU torch)"
        )
    print(text, flush=True)
    free = shutil.disk_usage(environment.folder).free // 10**6
    if free < disk:
        raise UserError(f"{name}: needs {disk:,} MB, {free:,} MB are free on its disk; make room")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for another set-up of this clone, or for the pip of one that was killed."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / "setup.lock", "w") as lock:
        os.set_inheritable(lock.fileno(), True)  # pip holds it too
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up is running: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
