"""Files are written whole or not at all, and what cannot be read is the user's, in one line."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from shopbench import files
from shopbench.errors import UserError, exit_code_of
from shopbench.files import (
    append_line,
    default_questions,
    file_hash,
    read_json,
    replacing,
    write_json,
    write_json_lines,
    write_text,
)


def held(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "out.txt"
    path.write_text("old")
    return path


def test_what_is_written_stands_there_when_the_block_ends(old: Path) -> None:
    with replacing(old) as file:
        file.write("new \u9999\n")
        file.flush()
        assert old.read_text() == "old"
    assert old.read_text(encoding="utf-8") == "new \u9999\n"
    with replacing(str(old), "wb") as file:
        file.write(b"\x00\xff")
    assert old.read_bytes() == b"\x00\xff"
    assert held(old.parent) == ["out.txt"]


@pytest.mark.parametrize("error", [ValueError("ours"), KeyboardInterrupt(), OSError(errno.EIO, "broken", "other")])
@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_write_that_fails_leaves_what_was_there(old: Path, mode: str, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, replacing(old, mode) as file:
        file.write("half" if mode == "w" else b"half")
        raise error
    assert raised.value is error
    assert getattr(error, "filename", "other") == "other", "another file's error keeps its name"
    assert (old.read_text(), held(old.parent)) == ("old", ["out.txt"])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_the_user_s_and_named(code: int, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        with replacing(old):
            raise OSError(code, os.strerror(code))  # as `write` does: without a name

    assert exit_code_of(main) == 2
    assert capsys.readouterr().err == f"error: {old}: {os.strerror(code)}; make room\n"
    assert (old.read_text(), held(old.parent)) == ("old", ["out.txt"])


@pytest.mark.parametrize(("name", "said"), [("nowhere/out.txt", "No such file or directory"), ("", "Is a directory")])
def test_a_place_that_cannot_be_written_is_named_as_it_was_given(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "folder" / name
    (tmp_path / "folder").mkdir()

    def main() -> int:
        write_text(target, "text")
        return 0

    assert exit_code_of(main) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {target}: {said}; give a ")
    assert held(tmp_path) == ["folder"]
    assert held(tmp_path / "folder") == []


def test_what_utf_8_cannot_hold_becomes_a_question_mark(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "lamp \ud800 \U0001f4a1")
    write_json(tmp_path / "b", {"text": "lamp \ud800"})
    assert (tmp_path / "a").read_text(encoding="utf-8") == "lamp ? \U0001f4a1"
    assert json.loads((tmp_path / "b").read_text(encoding="utf-8")) == {"text": "lamp ?"}


def test_json_is_indented_and_kept_as_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_json(path, {"name": "\u9999", "numbers": [1, 2.5]})
    assert path.read_text(encoding="utf-8").splitlines()[1] == '  "name": "\u9999",'
    assert path.read_bytes().endswith(b"}\n")
    assert read_json(path, "the facts") == {"name": "\u9999", "numbers": [1, 2.5]}
    write_json(path, {"a": 1}, indent=1)
    assert path.read_text(encoding="utf-8") == '{\n "a": 1\n}\n'
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert (path.read_bytes(), held(tmp_path)) == (before, ["facts.json"])


def test_json_lines_are_whole_and_counted(old: Path) -> None:
    assert write_json_lines(old, ({"n": n, "text": "\u9999"} for n in range(3))) == 3
    assert old.read_text(encoding="utf-8").splitlines()[2] == '{"n": 2, "text": "\u9999"}'
    before = old.read_bytes()
    with pytest.raises(TypeError):
        write_json_lines(old, [1, object()])
    assert (old.read_bytes(), held(old.parent)) == (before, ["out.txt"])


def test_processes_that_write_the_same_file_do_not_meet(old: Path) -> None:
    with replacing(old, shared=True) as mine, replacing(old) as theirs:
        mine.write("mine")
        theirs.write("theirs")
        assert f"out.txt.{os.getpid()}.part" in held(old.parent)
    assert (old.read_text(), held(old.parent)) == ("mine", ["out.txt"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "the facts cannot be read (No such file or directory); make it again"),
        (b'{"a": ', "the facts is broken JSON (Expecting value: line 1 column 7 (char 6)); make it again"),
        (b'{"a": "\xff"}', "the facts is broken JSON ('utf-8' codec can't decode byte 0xff"),
        (b"[1]", "the facts must be a JSON object; make it again"),
    ],
)
def test_json_that_cannot_be_read_is_the_user_s(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_json(path, "the facts")
    assert str(raised.value).startswith(f"{path}: {says}")
    with pytest.raises(UserError, match=r"; restore it$"):
        read_json(path, "the facts", "restore it")


def test_a_file_s_hash_is_sha_256(tmp_path: Path) -> None:
    content: Any = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(content)
    assert file_hash(tmp_path / "big") == hashlib.sha256(content).hexdigest()


def test_the_development_file_is_the_default_where_the_user_has_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    assert repository == files.ROOT
    assert [path.relative_to(repository).as_posix() for path in files.QUESTIONS] == [
        "data/development.json",
        "data/sample_questions.jsonl",
    ]
    development, own = tmp_path / "development.json", tmp_path / "sample_questions.jsonl"
    monkeypatch.setattr(files, "QUESTIONS", (development, own))
    assert default_questions() == own, "also where it is missing: its name is then in the error"
    own.touch()
    assert default_questions() == own
    development.touch()
    assert default_questions() == development


def test_a_line_that_cannot_be_appended_names_its_file() -> None:
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left") as caught:
        append_line(full, {"a": 1})
    assert caught.value.filename == "/dev/full"


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + b'{"a": 1}', '{"a": 1}'.encode("utf-16")])
def test_a_json_file_is_read_through_the_door_for_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    assert read_json(tmp_path / "config.json", "configuration") == {"a": 1}


def test_a_json_file_s_text_is_what_any_file_can_hold(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"prompt \\ud800": "a\\u0000b \\ud83d\\ude00"}')
    assert read_json(tmp_path / "config.json", "configuration") == {"prompt \ufffd": "a\ufffdb \U0001f600"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer.*git lfs pull.*configuration"),
        (b'{"a":' * 100_000, "configuration is broken JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "configuration is broken JSON"),
        (gzip.compress(bytes(5000))[:-9], "cannot be unpacked.*download it again.*configuration"),
    ],
)
def test_what_is_no_json_object_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_json(tmp_path / "config.json", "configuration")
