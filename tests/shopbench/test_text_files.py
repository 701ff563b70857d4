"""Text from outside: every layout that holds rows is read alike, and what is no text is named for what it is."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbench.text_files import BadText, json_objects, json_values, text_lines

ROWS = [{"n": number, "text": "Straße, {brace}, [list]\nnext", "list": [1, {"a": None}]} for number in range(5)]
LINES = "\n".join(json.dumps(row) for row in ROWS).encode()
INDENTED = "\n".join(json.dumps(row, indent=2, ensure_ascii=False) for row in ROWS).encode()

LAYOUTS = {
    "lines": LINES,
    "lines with CRLF and blanks": LINES.replace(b"\n", b"\r\n\r\n \r\n") + b"\r\n",
    "byte-order mark": b"\xef\xbb\xbf" + LINES,
    "UTF-16": LINES.decode().encode("utf-16"),
    "list": json.dumps(ROWS).encode(),
    "list after blank lines and a mark": b"\xef\xbb\xbf\n \n" + json.dumps(ROWS).encode() + b"\n\n",
    "indented list": json.dumps(ROWS, indent=1, ensure_ascii=False).encode(),
    "list, a row a line": b"[\n" + b",\n".join(LINES.split(b"\n")) + b"\n]\n",
    "indented objects": INDENTED,
    "gzip": gzip.compress(LINES),
    "bzip2": bz2.compress(LINES),
    "xz of an indented list": lzma.compress(json.dumps(ROWS, indent=1).encode()),
}


def write(folder: Path, content: bytes, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.gz"])
def test_rows_are_read_in_every_layout_whatever_the_name(tmp_path: Path, layout: str, name: str) -> None:
    assert [row for _, row in json_objects(write(tmp_path, LAYOUTS[layout], name))] == ROWS


def test_a_row_is_named_by_its_line_or_its_place_in_a_list(tmp_path: Path) -> None:
    places = [number for number, _ in json_values(write(tmp_path, LAYOUTS["list, a row a line"]))]
    assert places == [f"row {number}" for number in range(1, 6)]
    height = len(json.dumps(ROWS[0], indent=2).splitlines())
    places = [number for number, _ in json_values(write(tmp_path, INDENTED))]
    assert places == [f"line {1 + place * height}" for place in range(len(ROWS))]


NO_ROWS = {
    "is a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "is a web page": b"\n<!DOCTYPE html>\n<html><body>Not found</body></html>",
    "is a web page; the download": b"\xef\xbb\xbf<HTML><head>",
    "is a web page; the download was": gzip.compress(b"<html>"),
    "unpack it (zstd -d)": b"\x28\xb5\x2f\xfd\x04\x00",
    "is a zip archive": b"PK\x03\x04\x14\x00",
    "is a Parquet file": b"PAR1\x15\x04",
    "is not UTF-8 text": '{"a": "é"}'.encode("latin-1"),
    "cannot be unpacked (Compressed file ended": gzip.compress((LINES + b"\n") * 500)[:-20],
    "cannot be unpacked (": b"\x1f\x8b",
    "line 3: broken JSON": b'{"a": 1}\n\n{"a": 2\n{"a": 3}',
    "line 2: broken JSON": b'{"a": 1}\nhello\n',
    "line 1: broken JSON": b'{"a": }\n{"a": 1}',
    "line 4: broken JSON": b'[\n{"a": 1},\n{"a": 2},\n{"a": }\n]',
    "the list has no end": b'[{"a": 1}, {"a": 2}',
    "something follows the list": b'[{"a": 1}]\n{"a": 2}',
    "nested too deep": b"[" * 100_000,
    "line 1: broken JSON (nested": b'{"a":' * 100_000,
    "Exceeds the limit": b'{"a": ' + b"9" * 5000 + b"}",
    "a JSON object is wanted, not int": b"[1]",
    "a JSON object is wanted, not list": b'{"a": 1}\n[{"a": 2}]',
    "a JSON object is wanted, not str": b'"a"',
}


@pytest.mark.parametrize("said", NO_ROWS)
def test_what_holds_no_rows_is_named_in_one_line(tmp_path: Path, said: str) -> None:
    path = write(tmp_path, NO_ROWS[said])
    with pytest.raises(BadText, match=re.escape(said)) as caught:
        list(json_objects(path))
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadText, match=r"none: cannot be read \(No such file or directory\)"):
        list(text_lines(tmp_path / "none"))
    with pytest.raises(BadText, match="Is a directory"):
        list(text_lines(tmp_path))


def test_rows_before_a_broken_one_are_yielded_and_large_files_are_not_held(tmp_path: Path) -> None:
    rows = json_values(write(tmp_path, b'{"a": 1}\n{"a": 2}\n{"a": '))
    assert [next(rows), next(rows)] == [("line 1", {"a": 1}), ("line 2", {"a": 2})]
    with pytest.raises(BadText, match="line 3"):
        next(rows)


def test_lone_surrogates_and_nul_become_one_visible_letter(tmp_path: Path) -> None:
    raw = rb'{"a\ud800": ["x\udfffy", "\u0000", "\ud83d\ude00", "\\ud800 in words", {"b": "\uD83D"}]}'
    value = {"a\ufffd": ["x\ufffdy", "\ufffd", "\U0001f600", "\\ud800 in words", {"b": "\ufffd"}]}
    for content in (raw, b"[" + raw + b"]", b"[\n1,\n" + raw + b"\n]"):
        found = [one for _, one in json_values(write(tmp_path, content))]
        assert found[-1] == value
        json.dumps(found, ensure_ascii=False).encode()


LEAVES = st.text() | st.integers() | st.none() | st.booleans()


@settings(deadline=None)
@given(st.recursive(LEAVES, lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=8))
def test_any_value_is_read_as_pythons_own_reader_does(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    clean = json.loads(json.dumps(value).replace("\\u0000", "\\ufffd"))
    path = tmp_path_factory.getbasetemp() / "any.json"
    rows = [{"value": value}] * 2
    for text in (json.dumps(rows), json.dumps(rows, indent=1), "\n".join(map(json.dumps, rows))):
        path.write_text(text, encoding="utf-8")
        assert [row["value"] for _, row in json_objects(path)] == [clean] * 2
