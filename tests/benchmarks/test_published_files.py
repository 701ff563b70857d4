"""Files in the published forms, made small: every row of Table 7 makes samples of them that read as their type."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from benchmarks.published_files import write_all
from shopbench.question import Question
from training.data.catalogue import all_tasks
from training.data.formats import DataTask, SourceFolder

pytestmark = pytest.mark.slow  # seconds together
TABLE7 = [task for task in all_tasks().values() if task.table7]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = write_all(tmp_path_factory.mktemp("published"), 0.003)
    return folder


@pytest.mark.parametrize("task", TABLE7, ids=lambda task: task.name)
def test_every_row_makes_samples(task: DataTask, files: Path) -> None:
    rows = list(islice(task.rows(SourceFolder(files)), 400))
    made = [sample for row in rows if (sample := task.sample(row))]
    assert len(made) >= 3
    for sample in made:
        assert Question.read(sample.input_field, sample.is_multiple_choice).task_type is sample.task_type


def test_the_same_scale_gives_the_same_files(files: Path, tmp_path: Path) -> None:
    again = write_all(tmp_path, 0.003)
    names = sorted(path.relative_to(files) for path in files.rglob("*") if path.suffix in (".csv", ".json", ".jsonl"))
    assert len(names) >= 5
    for name in names:
        assert (files / name).read_bytes() == (again / name).read_bytes(), name
