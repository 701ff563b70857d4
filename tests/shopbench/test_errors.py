"""How every command ends: one line and an exit code for what the user can mend, a traceback for what we must."""

from __future__ import annotations

import builtins
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shopbench import errors, requirements
from shopbench.errors import UserError, exit_code_of, nearest, no_room
from tests.disks import mounted


def raising(error: BaseException) -> Callable[..., int]:
    def main(argv: list[str] | None = None) -> int:
        raise error

    return main


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_s_own_code_is_kept(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda argv: code, []) == exit_code_of(lambda: code) == code
    assert capsys.readouterr().err == ""


def test_a_user_s_error_is_one_line_with_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    class Killed(UserError):
        exit_code = errors.KILLED

    assert exit_code_of(raising(UserError("x: is wrong; mend it")), []) == 2
    assert exit_code_of(raising(Killed("too slow")), []) == 3
    assert capsys.readouterr().err == "error: x: is wrong; mend it\nerror: too slow\n"


def test_several_lines_become_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(raising(UserError("x: git said\r\n  a  b\n\n\u2028and more\n"))) == 2
    assert capsys.readouterr().err == "error: x: git said a  b and more\n"


def test_ctrl_c_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(raising(KeyboardInterrupt())) == 130
    assert exit_code_of(raising(KeyboardInterrupt("give it again to go on"))) == 130
    lines = ["interrupted: give the same command again", "interrupted: give it again to go on"]
    assert capsys.readouterr().err.splitlines() == lines


def test_an_unknown_name_gets_the_nearest_known_ones() -> None:
    assert nearest("trak1", ["track1", "track2", "v8"]) == "nearest: track1, track2"
    assert nearest("?", ["d", "c", "b", "a"]) == "nearest: a, b, c"


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("tqdm", "run `make setup`"),
        ("openai", "run `make setup`"),  # in two files: the smaller set-up is enough
        ("rouge_score.rouge_scorer", "run `make setup`"),
        ("sentence_transformers", "run `make setup`"),
        ("MeCab", "run `make setup`"),
        ("sklearn.metrics", "run `make setup`"),
        ("vllm", "run `make setup`"),
        ("duckdb", "run `make setup-all`"),
        ("bert_score", "run `make setup-all`"),
        ("hypothesis", "run `make setup-all`"),
        ("awq", "run `make setup-quantize` and use .venv-autoawq/bin/python"),
        ("llmcompressor", "run `make setup-quantize` and use .venv-llmcompressor/bin/python"),
        ("ray", "`pip install ray`"),
    ],
)
def test_a_missing_package_is_one_line_with_what_installs_it(
    module: str, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = module.split(".")[0]
    monkeypatch.setitem(sys.modules, package, None)
    assert exit_code_of(lambda: int(bool(builtins.__import__(module)))) == 2
    assert capsys.readouterr().err == f"error: the package {package} is not installed; {remedy}\n"


@pytest.mark.parametrize("module", ["shopbench.no_such", "training.no_such", "tqdm.no_such", "json.no_such", ""])
def test_a_missing_module_of_ours_or_of_a_package_that_is_there_is_our_fault(module: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        exit_code_of(raising(ModuleNotFoundError(f"No module named {module!r}", name=module or None)))


def test_every_package_of_the_set_up_is_found(repository: Path) -> None:
    for name, remedy in requirements.MADE_BY.items():
        text = (repository / name).read_text(encoding="utf-8")
        packages = [line.split("==")[0] for line in requirements.requirement_lines(text)]
        assert packages
        earlier = list(requirements.MADE_BY.values())
        assert {requirements.how_to_install(package) for package in packages} <= {*earlier[: earlier.index(remedy) + 1]}


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (errno.ENOSPC, "error: out.json: No space left on device; make room\n"),
        (errno.EROFS, "error: out.json: Read-only file system; choose a folder that can be written\n"),
        (errno.EACCES, "error: out.json: Permission denied; choose a path that you may use\n"),
        (errno.ENOENT, "error: out.json: No such file or directory; give a path that exists\n"),
        (errno.ENOTDIR, "error: out.json: Not a directory; give a path that exists\n"),
        (errno.EISDIR, "error: out.json: Is a directory; give a file\n"),
        (errno.EEXIST, "error: out.json: File exists; delete it or give another path\n"),
    ],
)
def test_what_the_machine_refuses_with_a_path_is_one_line(
    code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(raising(OSError(code, os.strerror(code), "out.json"))) == 2
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "(No space left on device); make room"),
        (
            ValueError("Error while serializing: I/O error: File too large (os error 27)"),
            "(File too large); raise the limit on file sizes (ulimit -f)",
        ),
        (
            RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 768 vs 662"),
            "(PyTorch could not write a whole file); make room, or raise the limit on file sizes (ulimit -f)",
        ),
        (
            RuntimeError("basic_ios::clear: iostream error"),
            "(PyTorch could not write a whole file); make room, or raise the limit on file sizes (ulimit -f)",
        ),
    ],
)
def test_a_library_that_finds_no_room_is_one_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(raising(error)) == 2
    assert capsys.readouterr().err == f"error: a file cannot be written {line}\n"


@pytest.mark.slow
def test_what_the_libraries_raise_on_a_full_disk_is_known_as_such(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models

    with mounted(tmp_path / "disk", "size=64k") as disk:
        (disk / "filler").write_bytes(bytes(60_000))
        words = Tokenizer(models.BPE({f"{number:040d}": number for number in range(999)}, []))
        for write in (
            lambda: torch.save(torch.zeros(99_999), disk / "optimizer.pt"),
            lambda: save_file({"a": torch.zeros(99_999)}, disk / "model.safetensors"),
            lambda: words.save(str(disk / "tokenizer.json")),
            lambda: (disk / "text").write_text("x" * 99_999),
        ):
            with pytest.raises(Exception) as raised:
                write()
            assert no_room(raised.value), raised.value


@pytest.mark.parametrize(
    "error",
    [
        ValueError("basic_ios::clear: iostream error"),
        RuntimeError("PytorchStreamReader failed reading zip archive: not a ZIP archive"),
        ValueError("(os error 5)"),
        OSError(errno.ENOENT, "No such file or directory"),
        OSError(errno.EIO, "Input/output error", "out.json"),
        OSError("said something"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        ValueError("ours"),
        RuntimeError("ours"),
        SystemExit(2),
    ],
    ids=repr,
)
def test_what_is_ours_keeps_its_traceback(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        exit_code_of(raising(error))
    assert raised.value is error


COMMAND = """
import sys
import {needed}
from shopbench.errors import UserError, run_command

def main(argv=None):
    what = (argv or sys.argv[1:])[0]
    if what == "ours":
        raise ValueError("a fault of ours")
    if what == "user's":
        raise UserError("questions.jsonl: holds none;\\ngive another")
    if what == "write":
        open("/nowhere/out.json", "w")
    return int(what)

if __name__ == "__main__":
    run_command(main)
"""


ENDS = [
    ("json", "0", 0, ""),
    ("json", "1", 1, ""),
    ("json", "user's", 2, "error: questions.jsonl: holds none; give another\n"),
    ("json", "write", 2, "error: /nowhere/out.json: No such file or directory; give a path that exists\n"),
    ("json", "ours", 1, "ValueError: a fault of ours\n"),
]
NOT_INSTALLED = "error: the package no_such_package is not installed; `pip install no-such-package`\n"


@pytest.mark.parametrize(
    ("command", "needed", "argument", "code", "error"),
    [
        *(("thing.command", *end) for end in ENDS),
        *(("thing", *end) for end in ENDS),
        ("thing", "no_such_package", "0", 2, NOT_INSTALLED),
    ],
)
def test_a_command_of_its_own_process(
    command: str, needed: str, argument: str, code: int, error: str, repository: Path, tmp_path: Path
) -> None:
    """As a file that runs itself, and as a package whose __main__ names the module, so that it is imported late."""
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "command.py").write_text(COMMAND.format(needed=needed))
    main = 'from shopbench.errors import run_command\nrun_command("thing.command")\n'
    (tmp_path / "thing" / "__main__.py").write_text(main)
    done = subprocess.run(
        [sys.executable, "-m", command, argument],
        env={"PYTHONPATH": f"{repository}:{tmp_path}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert ("Traceback" in done.stderr) == (argument == "ours")
    assert done.stderr.endswith(error) if argument == "ours" else done.stderr == error


def test_a_file_of_ours_that_is_missing_keeps_its_traceback() -> None:
    for path in (Path(sys.prefix) / "lib" / "gone.json", errors.ROOT / "prompts" / "gone.txt"):
        with pytest.raises(FileNotFoundError):
            exit_code_of(raising(FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))))
