"""What a synthesis writes is checked before the first request, and a full disk ends it in one line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from .servers import Fake, serving
from .test_synthesize import command, label_and_check, lines, run, work

__all__ = ["work"]  # the fixture

LIMITED = """
import resource, sys
from shopbench.errors import run_command
most_bytes = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
run_command("training.synthesize.command")
"""


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("folder", "it is a folder; name a file"),
        ("rows.jsonl", "it is read by this command"),
        ("rows", "rows.jsonl"),  # whose rejected rows would be the input
        ("/dev/null", "it is a device; name a file"),
        ("/proc/out.jsonl", "cannot be written ("),
        ("file/out.jsonl", "cannot be written (Not a directory)"),
    ],
)
def test_a_bad_output_is_refused_before_anything_is_paid(
    work: Path, output: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "folder").mkdir()
    (work / "file").touch()
    rows = (work / "rows.jsonl").read_bytes()
    (work / "rows.rejected.jsonl").write_bytes(rows)
    more = ["--output", str(work / output)]
    if output == "rows":
        more += ["--input", str(work / "rows.rejected.jsonl")]
        says = f"{work}/rows.rejected.jsonl: cannot be written, it is read by this command"
    fake = Fake(label_and_check)
    with serving(fake) as url:
        assert run(url, work, *more) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not fake.bodies
    assert (work / "rows.jsonl").read_bytes() == rows == (work / "rows.rejected.jsonl").read_bytes()


@pytest.mark.slow
def test_a_second_run_on_one_output_pays_nothing(work: Path, repository: Path) -> None:
    """With another model, and into another output that shares the manifest, too."""
    gate = threading.Event()
    fake = Fake(label_and_check, gate=gate)
    with serving(fake) as url, subprocess.Popen(command(url, work), cwd=repository) as first:
        while not fake.bodies:
            assert first.poll() is None
            time.sleep(0.01)
        for name in ("out.jsonl", "out.json"):
            other = [*command(url, work), "--model", "other", "--output", str(work / name)]
            done = subprocess.run(other, cwd=repository, capture_output=True, text=True)
            assert done.returncode == 2 and "another run is writing it" in done.stderr
            assert done.stderr.count("\n") == 1
        gate.set()
        assert first.wait() == 0
    assert {body["model"] for body in fake.bodies} == {"m"}
    assert len(lines(work / "out.jsonl")) == 24
    assert {path.suffix for path in work.iterdir()} == {".jsonl", ".json", ".journal"}


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [900, 5000, 11000])
@pytest.mark.parametrize("concurrency", ["1", "8"])
def test_a_full_disk_is_one_line_and_what_was_paid_for_is_kept(
    work: Path, repository: Path, most_bytes: int, concurrency: str
) -> None:
    fake = Fake(label_and_check)
    with serving(fake) as url:
        given = [*command(url, work)[3:], "--concurrency", concurrency]
        limited = [sys.executable, "-c", LIMITED, str(most_bytes), *given]
        done = subprocess.run(limited, cwd=repository, capture_output=True, text=True)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        last = done.stderr.splitlines()[-1]
        assert last == f"error: {work}/out.jsonl.journal: File too large; raise the limit on file sizes (ulimit -f)"
        whole = [json.loads(line) for line in (work / "out.jsonl.journal").read_bytes().split(b"\n")[:-1]]
        assert {path.name for path in work.iterdir()} == {"rows.jsonl", "out.jsonl.journal"}
        asked = len(fake.bodies)
        assert run(url, work) == 0
    assert len(lines(work / "out.jsonl")) == 24
    assert len(fake.bodies) - asked == 96 - len(whole)
