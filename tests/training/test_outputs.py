"""Outputs of the training commands: never an input, never two runs', and a full or read-only disk is one line."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from shopbench.errors import exit_code_of
from shopbench.outputs import locked
from tests.disks import mounted
from tests.training.test_merge import make_adapter
from training import merge, pad
from training.data import ecinstruct_tests
from training.data.build import command as build
from training.sweep import command as sweep
from training.weights.folders import staged

Main = Callable[..., int]
SWEEP = ["alpha", "--recipe", "embedded_a"]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder of everything that a command reads, by name."""
    folder = tmp_path / "in"
    for name in ("sources", "adapter", "base", "data"):
        (folder / name).mkdir(parents=True)
    for name in ("results.json", "train.jsonl", "tests.jsonl"):
        (folder / name).write_text("precious")
    return folder


@pytest.mark.parametrize(
    ("main", "arguments", "output"),
    [
        (build.main, ["--recipe", "v8", "--sources", "{in}/sources"], "{in}/sources"),
        (build.main, ["--recipe", "v8", "--sources", "{in}/sources"], "{in}/sources/built"),
        (build.main, ["--recipe", "v8", "--sources", "{in}/data", "--exclude", "{in}/train.jsonl"], "{in}"),
        (sweep.main, [*SWEEP, "--adapter", "{in}/adapter", "--questions", "{in}/results.json"], "{in}"),
        (sweep.main, [*SWEEP, "--adapter", "{in}/adapter", "--questions", "x"], "{in}/adapter"),
        (sweep.main, [*SWEEP, "--adapter", "v8", "--questions", "x", "--base", "{in}/base"], "{in}/base"),
        (sweep.main, ["rank", *SWEEP[1:], "--data", "{in}/data", "--budget-tokens", "9"], "{in}/data"),
        (ecinstruct_tests.main, ["--sources", "{in}/sources"], "{in}/sources/tests.jsonl"),
    ],
)
def test_an_input_is_never_written(
    main: Main, arguments: list[str], output: str, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [text.replace("{in}", str(inputs)) for text in [*arguments, "--output", output]]
    assert exit_code_of(main, filled) == 2
    error = capsys.readouterr().err
    assert "cannot be written, it is read by this command (" in error and error.count("\n") == 1
    assert {path.read_text() for path in inputs.rglob("*") if path.is_file()} == {"precious"}
    assert not list(inputs.rglob(".*"))


@pytest.mark.parametrize(
    ("main", "arguments", "held"),
    [
        (build.main, ["--recipe", "v8", "--sources", "{in}/sources"], "out/train.jsonl"),
        (sweep.main, [*SWEEP, "--adapter", "{in}/adapter", "--questions", "x"], "out/results.json"),
        (ecinstruct_tests.main, ["--sources", "{in}/sources"], "out"),
    ],
)
def test_a_second_run_is_refused_before_the_work(
    main: Main, arguments: list[str], held: str, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / held).parent.mkdir(exist_ok=True)
    filled = [text.replace("{in}", str(inputs)) for text in arguments]
    with locked(tmp_path / held):
        assert exit_code_of(main, [*filled, "--output", str(tmp_path / "out")]) == 2
    said = f"error: {tmp_path / held}: another run is writing it; wait for it or give another --output\n"
    assert capsys.readouterr().err == said


def test_what_is_staged_is_one_run_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        with staged(tmp_path / "out"):
            pytest.fail("a second run began")
        return 0

    with staged(tmp_path / "out") as folder:
        (folder / "half").touch()
        assert exit_code_of(main) == 2
        assert "another run is writing it" in capsys.readouterr().err
        assert (folder / "half").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert exit_code_of(main) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/out: exists; delete it or give another --output\n"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664), (0o077, 0o600)])
def test_what_is_staged_is_read_by_whom_the_umask_allows(umask: int, mode: int, tmp_path: Path) -> None:
    """Quantizers save with safetensors, which leaves a file to its owner whatever the umask is."""
    before = os.umask(umask)
    try:
        with staged(tmp_path / "out") as folder:
            save_file({"a": torch.zeros(3)}, folder / "model.safetensors")
            (folder / "config.json").touch()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "out").iterdir()} == {mode}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    with mounted(tmp_path / "disk", "size=64k") as folder:
        yield folder


@pytest.mark.parametrize("read_only", [False, True], ids=["full", "read-only"])
def test_weights_that_find_no_room_are_one_line_and_leave_nothing(
    read_only: bool, disk: Path, tiny_model: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_model("llama")
    adapter = make_adapter(model, tmp_path / "adapter", 1, 4)
    (disk / "filler").write_bytes(bytes(40_000))
    if read_only:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    merging: list[Any] = ["--recipe", "embedded", "--base", model, "--adapters", f"{adapter}:1"]
    for main, arguments in ((pad.main, ["--model", model]), (merge.main, merging)):
        assert exit_code_of(main, [*map(str, arguments), "--output", str(disk / "out")]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"error: {disk}/out: ")
        assert ("Read-only file system" if read_only else "make room") in error
        assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (lambda path: save_file({"a": torch.zeros(99_999)}, path), "(No space left on device); make room"),
        (lambda path: torch.save(torch.zeros(99_999), path), "(PyTorch could not write a whole file); make room"),
        (lambda path: path.write_bytes(bytes(99_999)), "(No space left on device); make room"),
    ],
    ids=["safetensors", "torch", "plain"],
)
def test_what_a_quantizer_s_library_finds_no_room_for_is_named_by_the_output(
    save: Callable[[Path], object], said: str, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> int:
        with staged(disk / "out") as folder:
            save(folder / "model.safetensors")
        return 0

    assert exit_code_of(main) == 2
    assert capsys.readouterr().err.startswith(f"error: {disk}/out: cannot be written {said}")
    assert list(disk.iterdir()) == []


@pytest.mark.slow
def test_a_file_that_may_not_grow_is_one_line(
    tiny_model: Callable[..., Path], tmp_path: Path, repository: Path
) -> None:
    """The disk has room, so that it is found out in the middle of the tensors."""
    script = (
        "import resource; from shopbench.errors import run_command\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\nrun_command('training.pad')"
    )
    line = [sys.executable, "-c", script, "--model", str(tiny_model("llama")), "--output", str(tmp_path / "out")]
    done = subprocess.run(line, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert (
        last == f"error: {tmp_path}/out: cannot be written (File too large); raise the limit on file sizes (ulimit -f)"
    )
    assert list(tmp_path.iterdir()) == []
