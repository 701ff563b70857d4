"""Held-out questions: which tasks are unseen, where their questions come from, and what the table says of weights."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from evaluation.scoring import Outcome
from shopbench.errors import UserError, exit_code_of
from shopbench.tasks import TaskType
from training.data.catalogue import all_tasks
from training.recipes.embedded import HELD_OUT, RECIPES, UNSEEN
from training.sweep import command
from training.sweep.held_out import rows_of, with_tests
from training.sweep.report import held_out_table


def test_no_embedded_mixture_trains_on_an_unseen_task() -> None:
    trained = {task for recipe in RECIPES for task in recipe.tasks}
    assert trained == set(HELD_OUT.tasks) and not trained & set(UNSEEN.tasks)
    assert not any(all_tasks()[task].shareable for task in UNSEEN.tasks), "the rule: no mixture may read their datasets"
    assert {recipe.validation_share for recipe in (*RECIPES, HELD_OUT)} == {HELD_OUT.validation_share}


def test_unseen_tasks_are_of_all_five_types() -> None:
    asked = [all_tasks()[task] for task in UNSEEN.tasks for _ in range(8)]
    made = [task.sample(task.example, random.Random(place)) for place, task in enumerate(asked)]
    assert {sample.task_type for sample in made if sample} == set(TaskType)


def test_only_here_tests_stand_in_for_training_rows(tmp_path: Path) -> None:
    sources = tmp_path / "datasets"
    folder = sources / "ecom_instruct" / "ABSA" / "EN-ABSA-CLS-review"
    folder.mkdir(parents=True)
    (folder / "meta-info.json").write_text("{}")
    (folder / "test.jsonl").write_text("rows")
    (sources / "sources" / "amazonqa").mkdir(parents=True)
    for _ in range(2):  # the same command may be given again
        view = with_tests(sources, tmp_path / "view")
    assert (view / "ecom_instruct" / folder.name / "train.jsonl").read_text() == "rows"
    assert (view / "ecom_instruct" / folder.name / "meta-info.json").read_text() == "{}"
    assert (view / "amazonqa").is_dir() and not list(sources.rglob("train*"))
    (tmp_path / "others" / "commonsense").mkdir(parents=True)
    view = with_tests(tmp_path / "others", tmp_path / "view")
    assert [link.name for link in view.iterdir()] == ["commonsense"], "nothing of the sources before"
    assert (sources / "sources" / "amazonqa").is_dir()


def test_no_folder_of_the_user_s_is_taken_for_its_own_links(tmp_path: Path) -> None:
    """As with `--sources data/sources --output data`."""
    datasets, linked = tmp_path / "datasets", tmp_path / "linked"
    (datasets / "amazonqa").mkdir(parents=True)
    (datasets / "amazonqa" / "rows.json").write_text("rows")
    linked.mkdir()
    (linked / "amazonqa").symlink_to(datasets / "amazonqa")
    for sources, view in ((datasets, datasets), (linked, datasets), (linked, linked)):
        with pytest.raises(UserError, match="give another --output"):
            with_tests(sources, view)
        assert (sources / "amazonqa" / "rows.json").read_text() == "rows"


def answered(*values: float) -> list[Outcome]:
    return [Outcome("task", "ranking", "ndcg", value) for value in values]


def test_gains_are_over_the_weights_before() -> None:
    found = {
        "a/base": {"seen": answered(0.0, 0.5), "unseen": answered(0.5, 0.5)},
        "a/new": {"seen": answered(1.0, 0.5), "unseen": answered(0.25, 0.25)},
    }
    first, second = rows_of(found)
    assert "gain" not in first["seen"] and first["seen"]["score"] == 0.25
    assert second["seen"]["gain"] == 0.5 and second["unseen"]["gain"] == -0.25
    assert second["unseen"]["gain_interval"] == (-0.25, -0.25), "drawn in pairs: every question loses as much"
    results = {"command": "the command", "questions": {"seen": 2, "unseen": 2}, "weights": [first, second]}
    table = held_out_table(results)
    line = next(line for line in table.splitlines() if line.startswith("| a/new"))
    assert re.findall(r"[+-]?\d\.\d{3}", line)[:1] == ["0.750"] and "-0.250 (-0.250 to -0.250)" in line
    assert "## Unseen tasks, by task type" in table and "the command" in table


@pytest.mark.parametrize("weights", [["{tmp}/none"], ["{base}", "{base}"]])
def test_weights_that_cannot_be_compared_are_one_line(
    weights: list[str], tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = repository / "weights/base/smollm2-135m-instruct"
    named = [name.format(tmp=tmp_path, base=base) for name in weights]
    line = ["held_out", "--sources", str(tmp_path / "datasets"), "--weights", *named, "--output", str(tmp_path / "out")]
    assert exit_code_of(command.main, line) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and ("two folders" in error or str(tmp_path / "none") in error)
