"""The one door for text from outside: what a file really is, whatever its name, and rows of JSON in any layout.

Read are UTF-8 (with or without a byte-order mark) and UTF-16 with one, plain or packed by gzip, bzip2 or xz. What is no
text at all is named for what it is: a Git LFS pointer, a web page, an archive. Rows may stand one a line, as one JSON
list, or spread over lines. Lone surrogates and NUL, which JSON's escapes can carry and no tool downstream takes, become
U+FFFD.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import pathlib
import re
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from shopbench.errors import UserError

if TYPE_CHECKING:  # the set-up imports this with Pythons that cannot evaluate it
    Path = str | os.PathLike[str]

_PACKED: dict[bytes, Callable[..., IO[Any]]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_NO_TEXT = {
    b"\x28\xb5\x2f\xfd": "is packed by Zstandard; unpack it (zstd -d)",
    b"PK\x03\x04": "is a zip archive; unpack it and give the file inside",
    b"PK\x05\x06": "is an empty zip archive; download it again",
    b"PAR1": "is a Parquet file; convert it to JSON lines",
    b"SQLite format 3": "is an SQLite database; export it as JSON lines",
    b"version https://git-lfs": "is a Git LFS pointer, not the file; fetch it (git lfs pull)",
    b"7z\xbc\xaf\x27\x1c": "is a 7-Zip archive; unpack it and give the file inside",
    b"Rar!\x1a\x07": "is a RAR archive; unpack it and give the file inside",
    b"ARROW1": "is an Arrow file; convert it to JSON lines",
    b"%PDF-": "is a PDF; give the data it was made from",
}
_HTML = re.compile(rb"\s*<(!doctype|!--|html|head|body|\?xml)", re.IGNORECASE)
_START_BYTES = 1024
_ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_ESCAPED = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
"""An escape that may stand for a surrogate or NUL: rare, so that other values need not be looked through."""
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


class BadText(UserError):
    """A file that is not the text it should be: which, where, what it is and the remedy."""


def open_text(path: Path) -> IO[str]:
    """Open a text file for reading, unpacked and decoded; BadText if it is none. OSErrors name the file."""
    given = pathlib.Path(path)
    if given.exists() and not given.is_file() and not given.is_dir():
        raise BadText(f"{path}: is a pipe or a device; give a file")  # a file is read from its start twice
    with open(path, "rb") as raw:
        start = raw.read(_START_BYTES)
    opener = next((opener for magic, opener in _PACKED.items() if start.startswith(magic)), open)
    if opener is not open:
        try:
            with opener(path, "rb") as unpacked:
                start = unpacked.read(_START_BYTES)
        except (OSError, *_BROKEN) as error:
            raise BadText(f"{path}: cannot be unpacked ({error}); download it again") from None
        if start.startswith(tuple(_PACKED)):
            raise BadText(f"{path}: is packed twice; unpack it once")
    unmarked = start.removeprefix(codecs.BOM_UTF8)
    for magic, problem in _NO_TEXT.items():
        if unmarked.startswith(magic):
            raise BadText(f"{path}: {problem}")
    if start[257:].startswith(b"ustar") and b"\0" in start[:257]:
        raise BadText(f"{path}: is a tar archive; unpack it and give the file inside")
    if _HTML.match(unmarked):
        raise BadText(f"{path}: is a web page; the download was answered by one: download it again")
    encoding = _ENCODINGS.get(start[:2], "utf-8-sig")
    return io.TextIOWrapper(opener(path, "rb"), encoding=encoding)


def json_value(path: Path) -> tuple[Any, str | None]:
    """(value, None) of a file that is one JSON value, or (None, what is wrong with it).

    BadText where the file cannot be opened as text or unpacked; OSErrors name the file.
    """
    try:
        with open_text(path) as file:
            return _decoded(file.read(), str)
    except UnicodeDecodeError as error:
        return None, str(error)
    except _BROKEN as error:
        raise BadText(f"{path}: cannot be unpacked ({error}); download it again") from None


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line) of a text file; BadText where it cannot be opened, unpacked or decoded."""
    number = 0
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, 1):
                yield number, line
    except UnicodeDecodeError as error:
        raise BadText(f"{path}, after line {number}: is not UTF-8 text ({error.reason}); save it as UTF-8") from None
    except _BROKEN as error:
        raise BadText(f"{path}, after line {number}: cannot be unpacked ({error}); download it again") from None
    except OSError as error:
        raise BadText(f"{path}: cannot be read ({error.strerror or error}); give a file of text") from None


def json_values(path: Path) -> Iterator[tuple[str, Any]]:
    """(where, value) of every JSON value in a file: one a line, in one list, or spread over several lines.

    `where` is "line 3", or "row 3" of a list.
    """
    lines, is_first = text_lines(path), True
    for number, line in lines:
        if not line.strip():
            continue
        value, problem = _decoded(line)
        if is_first and (isinstance(value, list) or (problem and line.lstrip().startswith(("[", "{")))):
            yield from _spread(path, number, line + "".join(line for _, line in lines), problem)
            return
        if problem:
            raise BadText(f"{path}, line {number}: broken JSON ({problem}); mend or delete that line")
        yield f"line {number}", value
        is_first = False


def json_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """As `json_values`; BadText for a value that is no object."""
    for where, value in json_values(path):
        if not isinstance(value, dict):
            raise BadText(f"{path}, {where}: a JSON object is wanted, not {type(value).__name__}")
        yield where, value


def _spread(path: Path, first: int, text: str, problem: str | None) -> Iterator[tuple[str, Any]]:
    """The values of a text that is one list, or values over several lines; else its first line has the `problem`."""
    decoder, number, counted, rows = json.JSONDecoder(), first, 0, 0
    listed = text.lstrip().startswith("[")
    place = text.index("[") + 1 if listed else 0
    blank = re.compile(r"[\s,]*" if listed else r"\s*")
    while (place := _end(blank, text, place)) < len(text):
        number, counted = number + text.count("\n", counted, place), place
        if listed and text[place] == "]":
            if text[place + 1 :].strip():
                raise BadText(f"{path}, line {number}: something follows the list; give one list, or a row a line")
            return
        try:
            value, end = decoder.raw_decode(text, place)
            value, place = _clean(value) if _ESCAPED.search(text, place, end) else value, end
        except (ValueError, RecursionError) as error:
            line = number + (text.count("\n", counted, error.pos) if isinstance(error, json.JSONDecodeError) else 0)
            said = problem if problem and line == first else _reason(error)
            raise BadText(f"{path}, line {line}: broken JSON ({said}); mend or delete that line") from None
        rows += 1
        where = f"row {rows}" if listed else f"line {number}"
        yield where, value
    if listed:
        raise BadText(f"{path}, line {number}: the list has no end; download or write the file again")


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return found.end() if found else place


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "nested too deep" if isinstance(error, RecursionError) else str(error).split(";")[0]


def _decoded(line: str, reason: Callable[[Exception], str] = _reason) -> tuple[Any, str | None]:
    """(value, None) of a text that is one value, or (None, what is wrong with it)."""
    try:
        value = json.loads(line)
        return (_clean(value) if _ESCAPED.search(line) else value), None
    except (ValueError, RecursionError) as error:
        return None, reason(error)


def without_surrogates(text: str) -> str:
    """The text with each lone surrogate as U+FFFD: JSON's escapes can hold one, no UTF-8 file can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _clean(value: Any) -> Any:
    """A JSON value without lone surrogates and NUL, in keys too."""
    if isinstance(value, str):
        return without_surrogates(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return value
