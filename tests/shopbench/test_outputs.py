"""Outputs: refused before the work where they cannot be, and one run's alone while it lasts."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shopbench.errors import UserError
from shopbench.outputs import locked, outputs, room_for
from tests.disks import mounted

HOLD = """
import sys, time
from pathlib import Path
from shopbench.errors import run_command
from shopbench.outputs import outputs
def main():
    with outputs(*map(Path, sys.argv[1:])):
        print("held", flush=True)
        time.sleep(60)
    return 0
run_command(main)
"""
CONTEND = """
import os, sys
from pathlib import Path
from shopbench.errors import UserError
from shopbench.outputs import outputs
path, wins = Path(sys.argv[1]), 0
while wins < 300:
    try:
        with outputs(path):
            held = os.open(path.with_name("inside"), os.O_CREAT | os.O_EXCL)  # fails where another one is inside
            os.unlink(path.with_name("inside"))
            os.close(held)
            wins += 1
    except UserError as error:
        assert "another run is writing it" in str(error), error
"""


@pytest.fixture
def holder(tmp_path: Path, repository: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds tmp_path/out.json."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out.json")]
    with subprocess.Popen(
        command, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def refused(*paths: Path, inputs: tuple[Path, ...] = ()) -> str:
    with pytest.raises(UserError) as raised, outputs(*paths, inputs=inputs):
        pytest.fail("the work began")
    return str(raised.value)


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (Path.mkdir, "a folder"),
        (pipe, "a pipe"),
        (lambda path: path.symlink_to("/dev/null"), "a device"),
        (lambda path: path.symlink_to("/dev/full"), "a device"),
        (lambda path: path.symlink_to(path.parent), "a folder"),
    ],
)
def test_what_is_no_file_is_named(make: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    make(path)
    assert refused(path) == f"{path}: cannot be written, it is {kind}; name a file"
    assert [one.name for one in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/", ".", ".."])
def test_devices_and_folders_of_the_machine_are_refused(path: str) -> None:
    kind = "a device" if path.startswith("/dev") else "a folder"
    assert refused(Path(path)) == f"{Path(path)}: cannot be written, it is {kind}; name a file"


@pytest.mark.parametrize("folder", ["no", "no/such", "file", "/proc", "/sys/kernel", "x" * 300])
def test_a_folder_that_cannot_be_written_is_found_out_before_the_work(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written (" in refused(tmp_path / folder / "out.json")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_is_made_where_the_command_makes_folders(tmp_path: Path) -> None:
    with outputs(tmp_path / "a/b/out.json", make_folders=True):
        assert (tmp_path / "a/b").is_dir()
    assert list((tmp_path / "a/b").iterdir()) == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A disk that cannot be written, not by root either."""
    with mounted(tmp_path / "disk", "ro") as folder:
        yield folder


def test_a_read_only_disk_is_found_out_before_the_work(read_only: Path) -> None:
    assert "cannot be written (Read-only file system)" in refused(read_only / "out.json")


def test_what_finds_no_room_is_named_by_the_output_or_by_a_place_elsewhere(tmp_path: Path) -> None:
    output, full = tmp_path / "out", OSError(errno.ENOSPC, "No space left on device")

    def said(error: Exception) -> str:
        with pytest.raises(UserError) as raised, room_for(output, ", and again"):
            raise error
        return str(raised.value)

    assert said(full) == f"{output}: cannot be written (No space left on device); make room, and again"
    full.filename, full.filename2 = "/other/source", str(tmp_path / ".out.part" / "copy")
    assert said(full).startswith(f"{output}: cannot")
    full.filename2 = "/elsewhere/spilled"
    assert said(full).startswith("/elsewhere/spilled: cannot")
    assert said(UserError("mine (os error 28)")) == "mine (os error 28)"
    with pytest.raises(OSError, match="Input/output"), room_for(output):
        raise OSError(errno.EIO, "Input/output error")


def test_a_write_protected_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("precious")
    if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
        if os.getuid() == 0:
            pytest.skip("this disk protects no file from root")
        path.chmod(0o444)
    try:
        assert "it is write-protected; delete it" in refused(path)
    finally:
        subprocess.run(["chattr", "-i", str(path)], capture_output=True, check=False)


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    questions, weights = tmp_path / "questions.jsonl", tmp_path / "weights"
    questions.write_text("{}")
    weights.mkdir()
    (tmp_path / "link").symlink_to(questions)
    os.link(questions, tmp_path / "hard link")
    (tmp_path / "other").symlink_to(weights)
    inputs = (questions, weights, tmp_path / "not there")
    for name in (
        "questions.jsonl",
        "./weights/../questions.jsonl",
        "link",
        "hard link",
        "weights",
        "weights/new",
        "other/x/y",
    ):
        said = refused(tmp_path / "good", tmp_path / name, inputs=inputs)
        assert f"{tmp_path / name}: cannot be written, it is read by this command (" in said
    assert questions.read_text() == "{}"
    with outputs(tmp_path / "good", tmp_path / "weights.json", inputs=inputs):
        pass


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    assert "is named for two outputs" in refused(tmp_path / "a", tmp_path / "b/../a")


def test_a_second_run_is_told_and_leaves_the_first_its_output(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    for _ in range(2):
        said = f"{tmp_path / 'out.json'}: another run is writing it; wait for it or give another --output"
        assert refused(tmp_path / "out.json") == said
        assert refused(tmp_path / "mine", tmp_path / "out.json") == said
        assert not (tmp_path / ".mine.lock").exists()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_output_is_free_when_its_run_is_gone(
    stop: signal.Signals, tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(stop)
    _, error = holder.communicate(timeout=30)
    if stop != signal.SIGKILL:
        assert (holder.returncode, error) == (130, "interrupted: give the same command again\n")
        assert list(tmp_path.iterdir()) == []
    with outputs(tmp_path / "out.json"):
        assert [one.name for one in tmp_path.iterdir()] == [".out.json.lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_name_can_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with locked(Path()), pytest.raises(UserError, match="another run"), locked(tmp_path / "here"):
        pass


@pytest.mark.slow
def test_runs_that_contend_are_never_two_inside(tmp_path: Path, repository: Path) -> None:
    """The lock's file is deleted at each end: a run that opened the one before must not think it holds the output."""
    command = [sys.executable, "-c", CONTEND, str(tmp_path / "out.json")]
    runs = [subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ends = [(run.communicate(timeout=60)[1], run.returncode) for run in runs]
    assert ends == [("", 0)] * 4
    assert list(tmp_path.iterdir()) == []
