"""Questions that a language model has made from seeds: `python -m training.synthesize rewrite` and `... traits`.

`synthetic/rewrite.jsonl` and `synthetic/traits.jsonl` under the sources folder hold ShopBench rows
(shopbench/sample.py) with the "id" of their seed and, for the latter, "traits". They are used as they are. Whether
weights trained on them may be passed on depends on the seeds and on the model, so they are marked as not shareable.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import DataTask, MissingDataset, Reader, Row, SourceFolder
from training.data.small_files import json_rows

LICENCE = "that of the seeds, under the terms of the model that wrote them"


def _rows(kind: str) -> Reader:
    def rows(sources: SourceFolder) -> Iterator[Row]:
        found = sources.files(f"synthetic/{kind}.jsonl")
        if not found:
            raise MissingDataset(
                f"{sources}: no synthetic/{kind}.jsonl; make it with: python -m training.synthesize {kind}"
            )
        return json_rows(found, "id", "input_field", "output_field", "task_type")

    return rows


def as_written(row: Row, rng: random.Random) -> Sample:
    """A row is taken for the sample that it is."""
    return Sample.from_dict(row)


EXAMPLE: Row = {
    "id": "esci_query_of_title:X1",
    "input_field": "Which of these would keep a pot of tea warm?\n1. wall clock\n2. tea cosy\n3. garden hose\nAnswer:",
    "output_field": 2,
    "task_type": "multiple-choice",
    "metric": "accuracy",
    "is_multiple_choice": True,
}

TASKS = tuple(
    DataTask(
        name=f"synthetic_{kind}",
        rows=_rows(kind),
        to_sample=as_written,
        example=EXAMPLE,
        row_id=lambda row: str(row["id"]),
        licence=LICENCE,
        shareable=False,
        domain="synthetic",
    )
    for kind in ("rewrite", "traits")
)
