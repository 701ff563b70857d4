"""Reading datasets that fit in memory: JSON lines (plain or gzipped) as rows in hash order.

The larger published sets go through DuckDB (training/data/reading.py). Here a row keeps where it stands
("_file", "_line"), so that whatever is wrong with it can be named.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.data.formats import Row
from training.data.reading import SourceError, need_files


def digest(*parts: object) -> str:
    """A short stable identity of some texts."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def text_lines(path: str) -> Iterator[tuple[int, str]]:
    """(line number, line) of a text file, gzipped if its name says so; SourceError for a broken one."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield number, line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise SourceError(f"{path}, after line {number}: broken file ({error}); download it again") from error


def json_rows(paths: Iterable[str], *fields: str) -> Iterator[Row]:
    """The objects of JSON-lines files, in file order.

    Args:
        fields: what each must hold (any value but null). A file whose first row lacks one has another schema:
            SourceError. A later row that lacks one is passed on with "_problem", which the build counts.
    """
    for path in paths:
        for number, line in text_lines(path):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise SourceError(f"{path}, line {number}: broken JSON ({error.msg}); mend or remove it") from None
            missing = [name for name in fields if not isinstance(row, dict) or row.get(name) is None]
            if missing and number == 1:
                raise SourceError(f"{path}: no field {missing[0]!r} in its first row; is it the right file?")
            if missing:
                row = {"_problem": f"no {missing[0]}"}
            yield {**row, "_file": path, "_line": number}


def mixed(rows: Iterable[Row]) -> list[Row]:
    """The rows in the order of their content's hash: a limit takes a random part, the same every time."""
    return sorted(rows, key=lambda row: digest(*(f"{key}={row[key]}" for key in sorted(row) if key[0] != "_")))


def small_set(sources: Path, dataset: str, patterns: Iterable[str], *fields: str) -> list[Row]:
    """All rows of a dataset's files, mixed; FileNotFoundError with the remedy where there are none."""
    return mixed(json_rows(need_files(sources, dataset, *patterns), *fields))
