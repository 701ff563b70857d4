"""The metadata of Amazon's products as of 2014 (McAuley Lab, UCSD): what eCeLLM fills gaps of the 2018 metadata with.

`amazon_reviews_2014/**/meta_<Category>.json`, plain or gzipped: a Python dict literal (as published) or JSON a line,
with asin, title, brand, categories (a list of paths) and others. A line that is neither is passed over: here every line
is but a supplement.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from itertools import islice

from training.data.formats import Dataset, SourceFolder
from training.data.options import one_line
from training.data.reading import Connection
from training.data.small_files import text_lines
from training.data.sources.amazon_reviews import LICENCE

DATASETS = (
    Dataset(
        "amazon_reviews_2014",
        LICENCE,
        place="Amazon product data 2014 of UCSD: meta_<Category>.json.gz (a supplement: nothing needs it)",
    ),
)
AT_ONCE = 20_000
_ASIN = re.compile(r"""['"]asin['"]\s*:\s*['"]([^'"]+)['"]""")
Product = tuple[str, str, list[str], str]
"""asin, title, the first path of categories, brand."""


def add_metadata_of_2014(connection: Connection, sources: SourceFolder, wanted: set[str]) -> None:
    """Make the table `items14` (asin, title, category, brand) of the wanted products; empty without files."""
    connection.execute("CREATE TABLE items14 (asin VARCHAR, title VARCHAR, category VARCHAR[], brand VARCHAR)")
    found = _products(sources.files("amazon_reviews_2014/**/meta_*.json*"), wanted)
    while batch := list(islice(found, AT_ONCE)):
        connection.execute(
            "INSERT INTO items14 SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[][]), "
            "unnest(?::VARCHAR[])",
            [list(column) for column in zip(*batch, strict=True)],
        )


def _products(paths: list[str], wanted: set[str]) -> Iterator[Product]:
    seen: set[str] = set()
    for path in paths:
        for _, line in text_lines(path):
            asin = _ASIN.search(line)
            if asin and asin[1] in wanted and asin[1] not in seen and (product := _product(line)):
                seen.add(asin[1])
                yield product


def _product(line: str) -> Product | None:
    for parse in (json.loads, ast.literal_eval):
        try:
            row = parse(line)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if not isinstance(row, dict):
            return None
        paths = row.get("categories")
        first = paths[0] if isinstance(paths, list) and paths and isinstance(paths[0], list) else []
        category = [one_line(part) for part in first]
        return str(row.get("asin")), one_line(row.get("title")), category, one_line(row.get("brand"))
    return None
