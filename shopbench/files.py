"""Files: where the repository is, writing whole or not at all, JSON, hashes.

What is written stands beside its name, with the ending ".part", until it is whole, and is then renamed: a reader never
finds half a file, and a write that fails leaves what was there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from shopbench import ROOT
from shopbench.errors import DISK_FULL, UserError
from shopbench.text_files import BadText, json_value

QUESTIONS = (ROOT / "data" / "development.json", ROOT / "data" / "sample_questions.jsonl")


def default_questions() -> Path:
    """The competition's development file if the user has put it there, else the repository's own questions."""
    return next((path for path in QUESTIONS if path.is_file()), QUESTIONS[-1])


@contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "w", shared: bool = False) -> Iterator[IO[Any]]:
    """A file to write that takes `path`'s place when the block ends well.

    Args:
        mode: "w" for UTF-8 text (what it cannot hold, a lone surrogate of a model, becomes "?"), "wb" for bytes.
        shared: other processes may be writing the same file: each writes beside under a name of its own.
    Raises:
        OSError: it cannot be written; names `path`, also where a write fails, which Python leaves without a name.
    """
    target = Path(path)
    beside = target.with_name(f"{target.name}.{os.getpid()}.part" if shared else f"{target.name}.part")
    encoding, errors = (None, None) if "b" in mode else ("utf-8", "replace")
    try:
        with open(beside, mode, encoding=encoding, errors=errors) as file:
            yield file
        os.replace(beside, target)
    except BaseException as error:
        full = isinstance(error, OSError) and error.filename is None and error.errno in DISK_FULL
        if isinstance(error, OSError) and (full or error.filename == str(beside)):
            error.filename = str(target)
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def usual_modes(folder: Path) -> None:
    """Give the files in a folder of this program's making the mode that the umask gives them, as it gave the folder.

    A library that writes beside and renames, as safetensors does, leaves a file to its owner alone: who mounts the
    folder as another user could not read it.
    """
    mode = folder.stat().st_mode & 0o666
    for file in filter(Path.is_file, folder.rglob("*")):
        with contextlib.suppress(OSError):  # a disk that keeps no modes is no reason to lose hours of work
            file.chmod(mode)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text, whole or not at all."""
    with replacing(path) as file:
        file.write(text)


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON, every script as it reads; a ValueError for NaN and infinity, which JSON has not."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: str | os.PathLike[str], value: Any, indent: int = 2) -> None:
    """Write JSON, whole or not at all."""
    write_text(path, json_text(value, indent) + "\n")


def write_json_lines(path: str | os.PathLike[str], rows: Iterable[Any]) -> int:
    """Write one JSON value a line, whole or not at all; the number of lines."""
    count = 0
    with replacing(path) as file:
        for row in rows:
            file.write(json_text(row) + "\n")
            count += 1
    return count


def append_line(file: IO[bytes], value: Any) -> None:
    """Append one JSON value as a line to an open file; it is on disk when this returns.

    An OSError names the file, which Python leaves out where a write fails.
    """
    left = memoryview(json.dumps(value, allow_nan=False).encode() + b"\n")
    try:
        while left:  # an unbuffered file may take a part only
            left = left[file.write(left) :]
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        error.filename = error.filename or file.name
        raise


def read_json(path: Path, what: str, remedy: str = "make it again") -> dict[str, Any]:
    """Read a JSON object; a UserError that names `what` and the remedy if it is missing or broken."""
    try:
        value, problem = json_value(path)
    except BadText as error:
        raise UserError(f"{error} ({what})") from None
    except OSError as error:
        raise UserError(f"{path}: {what} cannot be read ({error.strerror}); {remedy}") from None
    if problem:
        raise UserError(f"{path}: {what} is broken JSON ({problem}); {remedy}")
    if not isinstance(value, dict):
        raise UserError(f"{path}: {what} must be a JSON object; {remedy}")
    return value


def read_json_if_any(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is none that can be read."""
    try:
        return read_json(path, "file")
    except UserError:
        return {}


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
