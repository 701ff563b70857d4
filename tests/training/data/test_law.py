"""The law of the repository, over every dataset task: it classifies as its own type, its right answer scores 1."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from shopbench.question import Question
from training.data.build.parts import PartSpec, Tally, part_samples
from training.data.catalogue import OTHER_SYSTEMS, all_tasks
from training.data.formats import DataTask, MissingDataset, SourceFolder

from .test_table7 import law

TASKS = list(all_tasks().values())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_example_obeys_the_law(task: DataTask) -> None:
    made = [task.sample(dict(task.example), random.Random(seed)) for seed in range(20)]
    for sample in made:
        assert sample is not None, "the example must make a sample"
        assert sample.task_name == task.name
        law(sample)
    assert task.row_id(task.example) and (task.group is None or task.group(task.example))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_real_rows_obey_the_law(task: DataTask, shared: Path) -> None:
    """What the build keeps of the developers' slices; hardly any sample may read as another type."""
    spec = PartSpec(task.name, 25, 0.0, None, 100_000, str(shared / "data"), (), "")
    tally = Tally()
    try:
        kept = [sample for _, sample in part_samples(task, spec, tally)]
    except MissingDataset as error:
        pytest.skip(f"no real slice: {error}")
    if not kept:
        pytest.skip(f"the slice is too small for this task: {dict(tally.dropped)}")
    for sample in kept:
        law(sample)
    if not OTHER_SYSTEMS & set(task.tags):  # eCeLLM's and EcomGPT's wordings are not ours to choose
        assert tally.dropped["reads as another task type"] <= 0.2 * len(kept), tally.dropped_examples


@pytest.mark.slow
def test_questions_of_one_row_are_the_same_every_time(shared: Path) -> None:
    for task in TASKS:
        if not task.name.startswith(("ave_", "ec_guide_", "query_")):
            continue
        row = next(iter(islice(task.rows(SourceFolder(shared / "data")), 1)))
        once, again = (task.sample(row) for _ in range(2))
        assert once == again


@pytest.mark.slow
def test_answer_positions_are_even(shared: Path) -> None:
    """Shuffled options: no position holds the right answer much more often than another one."""
    for name in ("ec_guide_reasoning", "ave_value", "gsm8k", "openbookqa", "query_relation"):
        spec = PartSpec(name, 400, 0.0, None, 100_000, str(shared / "data"), (), "")
        tally = Tally()
        samples = [sample for _, sample in part_samples(all_tasks()[name], spec, tally)]
        positions = [
            int(sample.output_field) - Question.read(sample.input_field, True).numbers[0]  # type: ignore[arg-type]
            for sample in samples
            if len(Question.read(sample.input_field, True).numbers) == 4
        ]
        shares = [positions.count(position) / len(positions) for position in range(4)]
        assert max(shares) < 0.34, (name, shares)
