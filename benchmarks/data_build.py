"""`python -m benchmarks.data_build`: the ESCI tasks of v8 and v9b from a dataset of ESCI's full size.

The dataset is made up, the same for the same size, where the real one is not at hand: its counts and shares are the
published ones (2,621,288 judgments, 130,652 queries, 1,814,924 products; us 69%, es 14%, jp 17%; labels E 65%, S 22%,
C 3%, I 10%; train 77%), its text lengths those of the released products.

Three runs in processes of their own: one to the end (time, and the memory of the whole process tree), one killed
with SIGKILL half-way and one that takes it up again; the bytes must be the same. Claim: under 5 minutes and under
4 GB on two cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil

from shopbench.errors import DONE, NOT_GOOD, UserError, run_command
from shopbench.files import read_json, replacing

CLAIM_SECONDS, CLAIM_BYTES = 300, 4 * 1024**3
JUDGMENTS, QUERIES, PRODUCTS = 2_621_288, 130_652, 1_814_924
EXAMPLES_FILE = "shopping_queries_dataset_examples.parquet"
PRODUCTS_FILE = "shopping_queries_dataset_products.parquet"

_SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va", "we"]
_LOCALE = "CASE WHEN {0} % 100 < 69 THEN 'us' WHEN {0} % 100 < 83 THEN 'es' ELSE 'jp' END"
CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
from training.data.build.run import build
from training.data.catalogue import mixture_of
from training.recipes import RECIPES
if __name__ == "__main__":
    tasks = {}
    for name in ("v8", "v9b"):
        sizes = mixture_of(RECIPES[name])
        tasks |= {task: size for task, size in sizes.items() if task.startswith("esci_")}
    recipe = replace(RECIPES["v8"], name="esci", tasks=tasks)
    build(recipe, Path(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]))
"""


def write_dataset(folder: Path, scale: float = 1.0) -> Path:
    """Write both tables under `folder`/esci (kept if they are there already) and return `folder`."""
    target = folder / "esci"
    target.mkdir(parents=True, exist_ok=True)
    judgments, queries, products = (max(40, int(count * scale)) for count in (JUDGMENTS, QUERIES, PRODUCTS))
    words = [a + b + end for a in _SYLLABLES for b in _SYLLABLES for end in ("", "n", "r", "la", "to")]
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder / "duckdb")}) as connection:
        connection.execute("SET VARIABLE words = ?", [words])
        # Squaring a uniform number makes some words frequent and most of them rare, as in real titles.
        connection.execute(
            f"""CREATE MACRO word(seed, i) AS getvariable('words')[
                1 + CAST(floor(pow((hash(seed, i) % 100000) / 100000.0, 2) * {len(words)}) AS INTEGER)]"""
        )
        connection.execute(
            """CREATE MACRO text(seed, n) AS
                array_to_string(list_transform(range(CAST(n AS BIGINT)), lambda i: word(seed, i)), ' ')"""
        )
        _write(
            connection,
            target / PRODUCTS_FILE,
            f"""SELECT printf('B%09d', p) AS product_id,
                    -- Three of four titles name their brand.
                    CASE WHEN hash(p, 't') % 4 < 3 THEN upper(word(p % 90000, 'brand')) || ' ' ELSE '' END
                        || text(p, 12 + hash(p) % 12) AS product_title,
                    CASE WHEN hash(p, 'd') % 100 < 52 THEN text(p + 1e9, 30 + hash(p, 'dn') % 180) END
                        AS product_description,
                    CASE WHEN hash(p, 'b') % 100 < 84 THEN array_to_string(list_transform(range(5),
                        lambda b: text(p * 7 + b + 2e9, 10 + hash(p, b) % 24)), chr(10)) END AS product_bullet_point,
                    CASE WHEN hash(p, 'n') % 100 < 93 THEN upper(word(p % 90000, 'brand')) END AS product_brand,
                    CASE WHEN hash(p, 'c') % 100 < 60 THEN word(p % 50, 'color') END AS product_color,
                    {_LOCALE.format("p")} AS product_locale
                FROM range({products}) t(p)""",
        )
        _write(
            connection,
            target / EXAMPLES_FILE,
            f"""WITH pairs AS (SELECT e, hash(e // {max(1, judgments // queries)}) % {queries} AS q,
                    hash(e, 'product') % {products} AS any_p FROM range({judgments}) t(e)),
                placed AS (SELECT e, q, q % 100 AS place, any_p - any_p % 100 + q % 100 AS p FROM pairs)
                SELECT e AS example_id, text(q + 5e9, 2 + hash(q) % 4) AS query, q AS query_id,
                    printf('B%09d', p) AS product_id, {_LOCALE.format("place")} AS product_locale,
                    CASE WHEN hash(e, 'l') % 100 < 65 THEN 'E' WHEN hash(e, 'l') % 100 < 87 THEN 'S'
                        WHEN hash(e, 'l') % 100 < 90 THEN 'C' ELSE 'I' END AS esci_label,
                    CAST(hash(q, 'small') % 2 AS INTEGER) AS small_version, 1 AS large_version,
                    CASE WHEN hash(q, 'split') % 100 < 77 THEN 'train' ELSE 'test' END AS split
                FROM placed WHERE p < {products}""",
        )
    return folder


def _write(connection: duckdb.DuckDBPyConnection, path: Path, sql: str) -> None:
    if not path.exists():
        with replacing(path, "wb") as file:  # DuckDB writes by name
            connection.execute(f"COPY ({sql}) TO '{file.name}' (FORMAT parquet, COMPRESSION snappy)")


@dataclass(frozen=True)
class Usage:
    """What a build took: seconds on the clock and of processors, and the tree's largest memory in bytes (PSS).

    `status` is its exit code; negative: the signal that killed it.
    """

    seconds: float
    cpu: float
    peak: int
    status: int


def measured(command: Sequence[str], kill_after: float | None = None) -> Usage:
    """Run a command; the whole tree is killed with SIGKILL after so many seconds, if given."""
    process, peak, start = subprocess.Popen(command, start_new_session=True), 0, time.monotonic()
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        peak = max(peak, _tree_bytes(process.pid))
        if kill_after is not None and time.monotonic() - start > kill_after:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.5)
    cpu = usage.ru_utime + usage.ru_stime
    return Usage(time.monotonic() - start, cpu, peak, os.waitstatus_to_exitcode(status))


def _tree_bytes(pid: int) -> int:
    total = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.Error):  # it ended between the listing and the reading
            total += process.memory_full_info().pss
    return total


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; exit code 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.data_build", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of ESCI's size")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmark"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-kill", action="store_true", help="only the plain run")
    given = parser.parse_args(argv)
    sources = write_dataset(given.folder / f"esci-{given.scale:g}", given.scale)
    whole, resumed = given.folder / "whole", given.folder / "resumed"
    for folder in (whole, resumed):
        shutil.rmtree(folder, ignore_errors=True)

    def command(output: Path) -> list[str]:
        return [sys.executable, "-c", CHILD, str(sources), str(output), str(given.workers)]

    run = measured(command(whole))
    if run.status:
        raise UserError(f"the build failed with exit code {run.status}; mend what it says above")
    manifest = read_json(whole / "manifest.json", "the build's manifest")
    print(
        f"{manifest['samples']['train']} samples, {run.seconds:.0f} s ({run.cpu:.0f} s of processor time), "
        f"peak {run.peak / 1024**3:.2f} GB, {given.workers} workers"
    )
    kept = run.seconds < CLAIM_SECONDS and run.peak < CLAIM_BYTES
    if not given.no_kill:
        killed = measured(command(resumed), kill_after=run.seconds / 2)
        finished = [path.stem for path in (resumed / "parts").glob("*.json")]
        again = measured(command(resumed))
        same = again.status == 0 and (
            read_json(resumed / "manifest.json", "the build's manifest")["sha256"] == manifest["sha256"]
        )
        print(
            f"killed after {killed.seconds:.0f} s with {len(finished)} parts finished, taken up again in "
            f"{again.seconds:.0f} s: {'the same bytes' if same else 'OTHER BYTES'}"
        )
        kept = kept and same
    return DONE if kept else NOT_GOOD


if __name__ == "__main__":
    run_command(main)
