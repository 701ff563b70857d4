"""What a set-up installs, where it looks for torch, and that it goes on, stays quiet, and says what is wrong."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
import threading
from pathlib import Path

import pytest

from tests.tools.setup.conftest import Clone, fake_uv

pytestmark = pytest.mark.slow  # every one makes or fills real environments
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
