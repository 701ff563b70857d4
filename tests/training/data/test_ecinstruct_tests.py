"""The tests that our builders write are what the benchmark reads."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from evaluation.benchmark import Options
from evaluation.suites.ecinstruct.suite import ECINSTRUCT, PRIMARY_METRICS
from shopbench.ecinstruct import FIELDS
from shopbench.errors import exit_code_of
from tests.evaluation.fakes import score
from training.data.ecinstruct_tests import main

from .test_ecinstruct import raw_sources


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    arguments = ["--sources", str(raw_sources(folder / "raw")), "--output", str(folder / "tests.jsonl")]
    assert main([*arguments, "--per-test", "7"]) == 0
    return folder / "tests.jsonl"


@pytest.mark.slow
def test_all_tasks_are_there_in_both_domains_under_both_instructions(built: Path) -> None:
    rows = [json.loads(line) for line in built.read_text(encoding="utf-8").splitlines()]
    assert all(set(FIELDS) <= set(row) and row["split"] == "test" for row in rows)
    tests = Counter(question.task for question in ECINSTRUCT.read(built, Options()))
    assert {name.split(",")[0] for name in tests} == set(PRIMARY_METRICS)
    assert len(tests) == (10 + 6) * 2
    assert max(tests.values()) == 7 and sum(tests.values()) == len(rows)


def test_true_answers_score_one_with_the_builders_own_labels(built: Path) -> None:
    questions = [question for question in ECINSTRUCT.read(built, Options()) if question.details["task"] != "AG"]
    outputs = [
        json.dumps(truth) if one.details["task"] == "AVE" else truth if isinstance(truth, str) else ",".join(truth)
        for one in questions
        for truth in [one.truth]
    ]
    scores = score(ECINSTRUCT, questions, outputs)
    assert {test.metric for name, test in scores.tasks.items() if name.startswith("QPR")} == {"NDCG"}
    assert not any(one.unreadable for one in scores.answers)
    # Tests of few rows may lack one of the answers, and F1 of what does not occur is 0.
    assert {test.score for name, test in scores.tasks.items() if name[:3] not in ("PM,", "PSI", "AP,")} == {1.0}


def test_a_worked_example_is_a_training_row(built: Path) -> None:
    questions = ECINSTRUCT.read(built, Options(shots=1, limit=1))
    assert len(questions) == 32
    assert all("\nExample:\nInput: " in question.text and "\nResponse: " in question.text for question in questions)


def test_a_folder_without_datasets_gets_one_line_a_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    assert exit_code_of(main, ["--sources", str(sources), "--output", str(tmp_path / "tests.jsonl")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("left out: ") for line in lines) == 16
    assert lines[-1] == f"error: {sources}: no test of ECInstruct's can be built from it"
    assert list(tmp_path.iterdir()) == [sources]
