"""Reading datasets that fit in memory: JSON (shopbench/text_files.py) as rows in hash order.

The larger published sets go through DuckDB (training/data/reading.py). Here a row keeps where it stands
("_file", "_place"), so that whatever is wrong with it can be named.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from shopbench.text_files import json_values, text_lines
from training.data.formats import Row, SourceError, SourceFolder
from training.data.hashes import digest

SAMPLED_BYTES = 200_000_000
"""Of more than this (gzipped files count four times), a share of the lines is taken."""


def sampled_lines(paths: list[str]) -> Iterator[tuple[str, int, str]]:
    """(file, line number, line) of large files: of what is past SAMPLED_BYTES, the lines that a hash picks."""
    size = sum(Path(path).stat().st_size * (4 if path.endswith(".gz") else 1) for path in paths)
    share = min(1.0, SAMPLED_BYTES / max(size, 1))
    for path in paths:
        for number, line in text_lines(path):
            if line.strip() and (share == 1.0 or zlib.crc32(line.encode("utf-8", "replace")) < share * 2**32):
                yield path, number, line


def json_rows(paths: Iterable[str], *fields: str) -> Iterator[Row]:
    """The objects of JSON-lines files, in file order.

    Args:
        fields: what each must hold (any value but null). A file whose first row lacks one has another schema:
            SourceError. A later row that lacks one is passed on with "_problem", which the build counts.
    """
    for path in paths:
        for number, (where, row) in enumerate(json_values(path)):
            missing = [name for name in fields if not isinstance(row, dict) or row.get(name) is None]
            if missing and number == 0:
                raise SourceError(f"{path}: no field {missing[0]!r} in its first row; is it the right file?")
            if missing:
                row = {"_problem": f"no {missing[0]}"}
            yield {**row, "_file": path, "_place": where}


def mixed(rows: Iterable[Row]) -> list[Row]:
    """The rows in the order of their content's hash: a limit takes a random part, the same every time."""
    return sorted(rows, key=lambda row: digest(*(f"{key}={row[key]}" for key in sorted(row) if key[0] != "_")))


def small_set(sources: SourceFolder, dataset: str, patterns: Iterable[str], *fields: str) -> list[Row]:
    """All rows of a dataset's files, mixed; MissingDataset with the remedy where there are none."""
    return mixed(json_rows(sources.need_files(dataset, *patterns), *fields))
