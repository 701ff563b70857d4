"""Rows of other data sets in ShopBench's format: those that ShopBench could ask."""

from __future__ import annotations

from pathlib import Path

from evaluation.scoring import check_sample
from shopbench.sample import Sample, read_json_lines


def askable_samples(file: Path) -> list[Sample]:
    """A file's rows, their task named after it; those of a metric or form that is not ShopBench's are left out.

    Raises:
        BadSample: the file cannot be read.
    """
    samples = []
    for _, row in read_json_lines(file):
        try:
            sample = Sample.from_dict({**row, "task_name": f"{file.parent.name}/{file.stem}"})
            check_sample(sample)
        except ValueError:
            continue
        samples.append(sample)
    return samples
