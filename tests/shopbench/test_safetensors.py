"""The header of a safetensors file: what it names, and the files that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shopbench.errors import UserError
from shopbench.safetensors import read_header

FACTS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def written(path: Path, header: object) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    return path


def test_a_header_is_read_without_its_metadata(tmp_path: Path) -> None:
    file = written(tmp_path / "a", {"__metadata__": {"format": "pt"}, "w": FACTS})
    header, data = read_header(file)
    assert header == {"w": FACTS} and data == file.stat().st_size - 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off"),
        (b"\x02\0\0", "cut off"),
        ((10**6).to_bytes(8, "little") + b"{}", "cut off"),
        ((2).to_bytes(8, "little") + b"{]", "no whole safetensors file"),
        ((2).to_bytes(8, "little") + b"\xff\xff", "no whole safetensors file"),
        ((2).to_bytes(8, "little") + b"[]", "no whole safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer.*git lfs pull"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_header(tmp_path / "a")
    assert str(tmp_path / "a") in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [7, 9])
def test_data_that_ends_elsewhere_than_the_header_says_is_refused(size: int, tmp_path: Path) -> None:
    file = written(tmp_path / "a", {"w": FACTS})
    os.truncate(file, file.stat().st_size - 8 + size)
    with pytest.raises(UserError, match="cut off, too long"):
        read_header(file)


@pytest.mark.parametrize(
    "header", ["w", 1, {"w": 1}, {"w": {}}, {"w": {"data_offsets": []}}, {"w": {"data_offsets": "ab"}}]
)
def test_a_header_of_another_format_is_refused(header: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no whole safetensors file"):
        read_header(written(tmp_path / "a", header))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_header(tmp_path / "none")
