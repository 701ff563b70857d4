"""Every command, as a process: a missing package, Ctrl-C and a request to end are one line each."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.layers import sources

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = sorted(
    name.removesuffix(".__main__")
    for name, path in sources(ROOT).items()
    if "\n    run_command(" in path.read_text(encoding="utf-8") and name != "benchmarks.peer"
)
"""As `python -m` takes them; benchmarks.peer runs another script and has no --help."""


def test_the_commands_are_found() -> None:
    assert {"local_evaluation", "training.merge", "training.data.build", "benchmarks.scoring"} <= set(COMMANDS)
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", COMMANDS)
def test_without_its_packages_a_command_says_what_installs_them(command: str) -> None:
    """Run by a Python that has none: -S leaves site-packages out."""
    line = [sys.executable, "-S", "-m", command, "--help"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    if done.returncode == 0:  # it imports packages where it uses them
        assert done.stdout.startswith("usage:")
        return
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: the package ") and "; run `make setup" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def base() -> Path:
    """A real model of 270 MB: writing it takes long enough to be stopped."""
    folder = ROOT / "weights" / "base" / "smollm2-135m-instruct"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("the base model is not here: run `make weights`")
    return folder


def arguments(command: str, base: Path, output: Path) -> list[str]:
    recipe = ["--recipe", "embedded", "--base", str(base)]
    more = {"training.merge": recipe, "training.pad": ["--model", str(base)]}[command]
    return [sys.executable, "-m", command, *more, "--output", str(output)]


def started(command: str, base: Path, output: Path) -> subprocess.Popen[str]:
    """The command, once it is writing."""
    line = arguments(command, base, output)
    run = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = output.with_name(f".{output.name}.part") / "model.safetensors.part"
    deadline = time.monotonic() + 120
    while not part.exists() or part.stat().st_size < 1_000_000:
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["training.merge", "training.pad"])
def test_a_command_that_is_stopped_leaves_nothing(
    command: str, stop: signal.Signals, base: Path, tmp_path: Path
) -> None:
    run = started(command, base, tmp_path / "out")
    run.send_signal(stop)
    printed, error = run.communicate(timeout=60)
    assert (run.returncode, printed) == (130, "")
    assert error.splitlines()[-1] == "interrupted: give the same command again" and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_runs_do_not_write_one_folder(base: Path, tmp_path: Path) -> None:
    run = started("training.pad", base, tmp_path / "out")
    run.send_signal(signal.SIGSTOP)
    second = subprocess.run(
        arguments("training.merge", base, tmp_path / "out"), cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    run.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert second.stderr == f"error: {tmp_path}/out: another run is writing it; wait for it or give another --output\n"
    assert run.wait(120) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_while_it_starts_ends_in_a_line(
    stop: signal.Signals, base: Path, tmp_path: Path
) -> None:
    line = arguments("training.merge", base, tmp_path / "out")
    line = [*line[:1], "-X", "importtime", *line[1:]]  # says on stderr what it has imported
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        said = iter(run.stderr.readline, "")
        assert any("training.recipes" in line for line in said)
        run.send_signal(stop)
        rest = [line for line in said if not line.startswith("import time:")]
    assert (run.returncode, rest) == (130, ["interrupted: give the same command again\n"])
