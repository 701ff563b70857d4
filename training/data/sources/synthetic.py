"""Questions that a language model has made from seeds: `python -m training.synthesize rewrite` and `... traits`.

`synthetic/rewrite.jsonl` and `synthetic/traits.jsonl` under the sources folder hold ShopBench rows
(shopbench/sample.py) with the "id" of their seed and, for the latter, "traits". They are used as they are. Whether
weights trained on them may be passed on depends on the seeds and on the model, so they are marked as not shareable.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from shopbench.sample import Sample
from training.data.formats import DataTask, Row
from training.data.reading import files
from training.data.small_files import json_rows

LICENCE = "that of the seeds, under the terms of the model that wrote them"


def _rows(job: str) -> Callable[[Path], Iterator[Row]]:
    def rows(sources: Path) -> Iterator[Row]:
        found = files(sources, f"synthetic/{job}.jsonl")
        if not found:
            raise FileNotFoundError(
                f"{sources}: no synthetic/{job}.jsonl; make it with: python -m training.synthesize {job}"
            )
        return json_rows(found, "id", "input_field", "output_field", "task_type")

    return rows


def as_written(task: str) -> Callable[[Row, random.Random], Sample | None]:
    """A pure function that takes a row for the sample that it is."""

    def to_sample(row: Row, rng: random.Random) -> Sample:
        return replace(Sample.from_dict(row), task_name=task)

    return to_sample


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
        name=f"synthetic_{job}",
        rows=_rows(job),
        to_sample=as_written(f"synthetic_{job}"),
        example=EXAMPLE,
        row_id=lambda row: str(row["id"]),
        licence=LICENCE,
        shareable=False,
        domain="synthetic",
    )
    for job in ("rewrite", "traits")
)
