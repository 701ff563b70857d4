"""Reading published datasets with DuckDB: bounded memory, fixed order, rows streamed.

A reader never loads a file whole: DuckDB scans it, spills to a temporary folder past its memory limit, and
rows leave it a few thousand at a time. Every query orders its rows by explicit keys (hashes of stable ids),
so the number of threads changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from shopbench.text_files import json_values
from training.data.formats import Row, SourceError, SourceFolder

MEMORY_LIMIT = "1500MB"
ROWS_AT_ONCE = 2000
LARGEST_OBJECT = "maximum_object_size=67108864"
JSON_OBJECTS = f"format='auto', {LARGEST_OBJECT}"
FIRST_ROWS = 100
"""So many rows of a file show its fields: some are absent where they are empty."""
SPILL_PREFIX = "shopbench-duckdb-"
_LOCK = "lock"

Connection = duckdb.DuckDBPyConnection


@contextmanager
def database() -> Iterator[Connection]:
    """An in-memory DuckDB that spills to a temporary folder; a bad file becomes one line of SourceError."""
    with _spill_folder() as folder:
        connection = duckdb.connect(
            config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(folder), "preserve_insertion_order": "false"}
        )
        connection.execute("SET enable_progress_bar = false")  # the build has a bar of its own, for all queries
        try:
            yield connection
        except (duckdb.CatalogException, duckdb.ParserException):
            raise  # a fault of ours, not of the data
        except duckdb.Error as error:
            raise SourceError(_in_one_line(str(error))) from error
        finally:
            connection.close()


def _in_one_line(error: str) -> str:
    """What DuckDB says about a file, the file's name and the remedy, without its settings and its own options."""
    lines = [line.strip() for line in error.strip().split("\n\n")[0].splitlines()]
    said = "; ".join(line for line in lines if not line.startswith(("Try setting", "Possible Solution", "LINE ", "^")))
    if (file := re.search(r"^\s*file = (.+)$", error, re.MULTILINE)) and file[1] not in said:
        said = f"{file[1]}: {said}"
    if re.search(r"not utf-8|invalid unicode", error, re.IGNORECASE):
        return f"{said}; save it as UTF-8 (iconv -f LATIN1 -t UTF-8), or download it again"
    return f"{said}; download that file again, or mend or remove it"


@contextmanager
def _spill_folder() -> Iterator[Path]:
    """A folder for the time of this context; those that killed processes have left are removed first.

    A folder in use holds a file that its process keeps locked; the kernel ends the lock with the process, however
    that ends. (filelock's file exists before it is locked: a folder that is being made would look like a stray.)
    """
    for stray in Path(tempfile.gettempdir()).glob(f"{SPILL_PREFIX}*"):
        # Without a lock file it is being made, with a locked one it is in use, and others' folders are not ours.
        with suppress(OSError), open(stray / _LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(stray, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=SPILL_PREFIX) as name, open(Path(name) / "new", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(lock.name).rename(Path(name) / _LOCK)  # it appears locked: nobody takes the folder for a stray
        yield Path(name)


def stream(connection: Connection, sql: str, parameters: list[Any] | None = None) -> Iterator[Row]:
    """The rows of a query as dicts, fetched a few thousand at a time."""
    cursor = connection.cursor().execute(sql, parameters or [])
    names = [column[0] for column in cursor.description or []]
    while found := cursor.fetchmany(ROWS_AT_ONCE):
        for row in found:
            yield dict(zip(names, row, strict=True))


def in_chunks(connection: Connection, table: str, sql: str, first: int, largest: int) -> Iterator[Row]:
    """The rows of a query over ranges of `table.place` (1, 2, ...): its two parameters are a range's ends.

    The query joins the range with a table of gigabytes, so each range costs a scan: the first one is as large as
    most builds need, later ones are larger.
    """
    last = connection.execute(f"SELECT coalesce(max(place), 0) FROM {table}").fetchall()[0][0]
    start, size = 1, first
    while start <= last:
        yield from stream(connection, sql, [start, start + size - 1])
        start, size = start + size, largest


def need_columns(connection: Connection, table: str, path: str, *names: str) -> None:
    """SourceError if a table (read from `path`) lacks one of these columns."""
    present = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    for name in names:
        if name not in present:
            raise SourceError(f"{path}: no column {name!r} (found: {', '.join(present)}); is it the right file?")


def need_fields(paths: Iterable[str], *names: str) -> None:
    """SourceError if the first rows of one of these files (JSON or parquet) lack a field: it has another schema."""
    for path in paths:
        with database() as connection:
            if path.endswith(".parquet"):
                columns = connection.execute(f"DESCRIBE FROM read_parquet({quoted([path])})").fetchall()
                found = [column[0] for column in columns]
            else:
                first = f"SELECT json FROM read_json_objects({quoted([path])}, {JSON_OBJECTS}) LIMIT {FIRST_ROWS}"
                rows = [json.loads(text) for (text,) in connection.execute(first).fetchall()]
                objects = [row for row in rows if isinstance(row, dict)]
                found = list(dict.fromkeys(name for row in objects for name in row if row[name] is not None))
        for name in names:
            if name not in found:
                present = f"found: {', '.join(found)}" if found else "it holds no rows"
                raise SourceError(f"{path}: no field {name!r} in its first rows ({present}); is it the right file?")


def need_rows(connection: Connection, view: str, table: str, path: str, wanted: dict[str, str]) -> None:
    """SourceError if a view of a table (read from `path`) is empty: its columns hold other values than `wanted`.

    Args:
        wanted: column -> the values that the view takes, in words for the user, who is told what was found instead.
    """
    if connection.execute(f"SELECT 1 FROM {view} LIMIT 1").fetchall():
        return
    found = []
    for column, values in wanted.items():
        rows = connection.execute(
            f'SELECT "{column}"::VARCHAR FROM {table} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 5'
        ).fetchall()
        present = ", ".join("null" if value is None else repr(value)[:60] for (value,) in rows) or "nothing"
        found.append(f"{column} {values} (found: {present})")
    raise SourceError(f"{path}: no row with {' and '.join(found)}; is it the right file?")


def json_scan(paths: list[str], columns: dict[str, str]) -> str:
    """SQL that reads these fields of JSON-lines files (gzipped or not); an absent field is null."""
    fields = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items())
    options = f"format='newline_delimited', columns={{{fields}}}, {LARGEST_OBJECT}, filename=true"
    return f"read_json({quoted(paths)}, {options})"


def quoted(value: str | list[str]) -> str:
    """A text, or a list of files' names, as an SQL literal; a `*`, `?` or `[` in a name is no pattern."""
    if isinstance(value, list):
        return "[" + ", ".join(quoted(re.sub(r"[*?\[]", r"[\g<0>]", path)) for path in value) + "]"
    return "'" + value.replace("'", "''") + "'"


def neighbours(
    rows: Iterable[Row], name: str, value: Callable[[Row], Any], group: Callable[[Row], Any], count: int = 8
) -> Iterator[Row]:
    """Give every row `row[name]`: the values of up to `count` other rows of its group that come near it.

    This is where wrong options come from that no label names: rows come in hash order, so neighbours are a
    random sample of the same locale or category, found without a second pass over the data.
    """
    remaining = iter(rows)
    while chunk := list(islice(remaining, ROWS_AT_ONCE)):
        members: dict[Any, deque[Any]] = defaultdict(deque)
        for row in chunk:
            members[group(row)].append(value(row))
        for row in chunk:
            near = members[group(row)]
            near.rotate(-1)  # now the row's own value is the last
            yield {**row, name: list(islice(near, min(count, len(near) - 1)))}


def said_by_model(sources: SourceFolder, task: str) -> dict[str, Row]:
    """What a language model said about the rows of a task (`training.synthesize`), by row id; empty if it did not.

    The file is `synthetic/<task>.jsonl` under the sources folder: one object a row, with its `id` and labels.
    """
    labels: dict[str, Row] = {}
    for path in sources.files(f"synthetic/{task}.jsonl"):
        for where, label in json_values(Path(path)):
            if not isinstance(label, dict) or "id" not in label:
                raise SourceError(f"{path}, {where}: not an object with an 'id'; remove it")
            labels[str(label["id"])] = label
    return labels


def wordings_of_model(sources: SourceFolder, task: str) -> list[str]:
    """A language model's wordings of a task's request, without those that are kept unseen.

    They lie in `synthetic/wordings.jsonl` under the sources folder: {"id", "task", "wording", "unseen"}.
    """
    offered = said_by_model(sources, "wordings").values()
    return [str(one["wording"]) for one in offered if one.get("task") == task and not one.get("unseen")]


def with_labels(sources: SourceFolder, task: str, rows: Iterable[Row], row_id: Callable[[Row], str]) -> Iterator[Row]:
    """Add a language model's labels to the rows that have some; `label_source` says which ("llm" or "metadata").

    Its wordings of the task's request, where there are some, are added to every row as "wordings".
    """
    labels = said_by_model(sources, task)
    wordings = wordings_of_model(sources, task)
    for row in rows:
        label = labels.get(row_id(row))
        added = {"wordings": wordings} if wordings else {}
        if label is not None:
            added |= {key: value for key, value in label.items() if key != "id"}
        yield {**row, **added, "label_source": "metadata" if label is None else "llm"}


def labelled_only(sources: SourceFolder, task: str, rows: Iterable[Row], row_id: Callable[[Row], str]) -> Iterator[Row]:
    """As `with_labels`, but where a language model has labelled rows of this task, those rows only."""
    labelled = said_by_model(sources, task)
    return (row for row in with_labels(sources, task, rows, row_id) if not labelled or row["label_source"] == "llm")
