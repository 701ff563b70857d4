"""A disk that fills while a run writes: one line, nothing half-written that counts as whole, and the run goes on."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shopbench.errors import exit_code_of
from tests.disks import mounted
from tests.training.finetune.made import TINY, adapter
from training.finetune.checkpoints import is_whole, newest
from training.finetune.run import TrainingRun, finetune

SHORT = replace(TINY, training=replace(TINY.training, epochs=1))
GOES_ON = "then give the same command again: it goes on from its last checkpoint"

Train = Callable[[Path], str]


@pytest.fixture(scope="module")
def whole(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of a run that nothing disturbs."""
    output = tmp_path_factory.mktemp("whole") / "run"
    finetune(TrainingRun(SHORT, data, output, base))
    return adapter(output)


@pytest.fixture
def train(base: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> Train:
    """Train into a folder: the one line of a run that found no room, "" for one that ended well."""

    def run(output: Path) -> str:
        code = exit_code_of(lambda: finetune(TrainingRun(SHORT, data, output, base)) or 0)
        printed = capsys.readouterr().err
        assert "Traceback" not in printed
        done = (output / "provenance.json").is_file()
        assert (code, done) in ((2, False), (0, True))
        assert not (output / "final.part").exists()
        if done:
            return ""
        # What stands there is whole, so that the next run goes on from it.
        assert all(map(is_whole, output.glob("checkpoints/checkpoint-*")))
        return printed.splitlines()[-1]

    return run


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow over so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def same(output: Path, expected: dict[str, torch.Tensor]) -> bool:
    found = adapter(output)
    return found.keys() == expected.keys() and all(torch.equal(found[name], one) for name, one in expected.items())


@pytest.mark.slow
def test_files_that_may_not_grow_end_a_run_that_goes_on_with_more_room(
    train: Train, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """Each limit stops another file: the description, the log, the random state, the optimizer, the weights."""
    output, said = tmp_path / "run", []
    for size in (500, 3000, 7000, 12_000, 14_500, 20_000, 40_000, 10**9):
        with largest_file(size):
            said.append(train(output))
        if not said[-1]:
            break
    assert same(output, whole)
    assert len(said) > 4 and said[-1] == ""
    for line in said[:-1]:
        assert line.startswith(f"error: {output}: cannot be written (")
        assert "raise the limit on file sizes (ulimit -f)" in line and line.endswith(GOES_ON)
    assert any("File too large" in line for line in said) and any("PyTorch could not write" in line for line in said)


@pytest.mark.slow
def test_a_full_disk_ends_a_run_that_goes_on_after_room_was_made(
    train: Train, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=600k") as disk:
        output, filler, said = disk / "run", disk / "filler", []
        for free in range(20_000, 560_000, 60_000):
            used = sum(file.stat().st_blocks * 512 for file in output.rglob("*") if file.is_file())
            filler.write_bytes(bytes(max(0, 600 * 1024 - used - free)))
            said.append(train(output))
            if not said[-1]:
                break
        assert same(output, whole)
        assert len(said) > 2 and said[-1] == ""
        for line in said[:-1]:
            assert line.startswith(f"error: {output}: cannot be written (") and "make room" in line
        assert any("No space left on device" in line for line in said) or any("PyTorch" in line for line in said)


def write_checkpoint(folder: Path, ranks: int = 1) -> Path:
    folder.mkdir(parents=True)
    for name in [f"rng_state_{rank}.pth" for rank in range(ranks)] if ranks > 1 else ["rng_state.pth"]:
        torch.save({"cpu": torch.random.get_rng_state()}, folder / name)
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 1, "log_history": [{"loss": 1.0}] * 99}))
    return folder


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_checkpoint_that_was_cut_off_is_not_gone_on_from(
    ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(ranks))
    before, last = (write_checkpoint(tmp_path / f"checkpoint-{step}", ranks) for step in (9, 10))
    assert newest(tmp_path) == last
    for file in last.iterdir():
        content = file.read_bytes()
        for kept in (len(content) // 2, 0):
            file.write_bytes(content[:kept])
            assert not is_whole(last) and newest(tmp_path) == before, file
        file.unlink()
        assert not is_whole(last)
        file.write_bytes(content)
    assert newest(tmp_path) == last
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert newest(tmp_path) is None
