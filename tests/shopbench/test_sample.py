"""Samples: what a file may hold, and one clear line for what it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shopbench.errors import UserError
from shopbench.sample import BadSample, Sample, read_samples, write_samples

ROW = {
    "input_field": "Rank them.\n1. a\n2. b",
    "output_field": [0.1, 1],
    "task_name": "task12",
    "task_type": "ranking",
    "metric": "ndcg",
    "is_multiple_choice": False,
    "track": "amazon-kdd-cup-24-user-behavior-alignment",
}


def test_round_trip(tmp_path: Path) -> None:
    samples = [Sample.from_dict(ROW)]
    assert write_samples(tmp_path / "a.jsonl", samples) == 1
    assert read_samples(tmp_path / "a.jsonl") == samples
    assert samples[0].to_dict() == ROW
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_reads_the_development_file(shared: Path) -> None:
    samples = read_samples(shared / "data/shopbench/development.json")
    assert len(samples) == 96
    assert len({sample.task_name for sample in samples}) == 18


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"output_field": None}, "'output_field' is no truth for ranking: None"),
        ({"output_field": []}, "is no truth for ranking"),
        ({"output_field": ["a"]}, "is no truth for ranking"),
        ({"task_type": "multiple-choice", "output_field": "b"}, "is no truth for multiple-choice: 'b'"),
        ({"task_type": "multiple-choice", "output_field": True}, "is no truth for multiple-choice"),
        ({"task_type": "essay"}, "unknown task type 'essay'; known:"),
        ({"input_field": 3}, "'input_field' must be text, not 3"),
        ({"output_field": [float("nan"), 1]}, "is no truth for ranking"),
        ({"output_field": [float("inf"), 1]}, "is no truth for ranking"),
        ({"output_field": [5000, 1]}, "is no truth for ranking"),
        ({"output_field": [10**400, 1]}, "is no truth for ranking"),
        ({"output_field": [True, False]}, "is no truth for ranking"),
        ({"output_field": ["1", "0"]}, "is no truth for ranking"),
        ({"output_field": {"1": 1}}, "is no truth for ranking"),
        ({"task_type": "retrieval", "output_field": [1.5]}, "is no truth for retrieval"),
        ({"task_type": "retrieval", "output_field": [True]}, "is no truth for retrieval"),
        ({"task_type": "retrieval", "output_field": [-1]}, "is no truth for retrieval"),
        ({"task_type": "retrieval", "output_field": [float("nan")]}, "is no truth for retrieval"),
        ({"task_type": "retrieval", "output_field": 3}, "is no truth for retrieval"),
        ({"task_type": "multiple-choice", "output_field": 1.5}, "is no truth for multiple-choice"),
        ({"task_type": "multiple-choice", "output_field": "9" * 5000}, "is no truth for multiple-choice"),
        ({"task_type": "multiple-choice", "output_field": "²"}, "is no truth for multiple-choice"),
        ({"task_type": "generation", "output_field": 3}, "is no truth for generation"),
        ({"task_type": "generation", "output_field": ["a", None]}, "is no truth for generation"),
        ({"task_type": ["ranking"]}, "'task_type' must be text"),
        ({"task_name": None}, "'task_name' must be text, not None"),
        ({"metric": {}}, "'metric' must be text"),
        ({"is_multiple_choice": "False"}, "'is_multiple_choice' must be true or false, not 'False'"),
        ({"is_multiple_choice": None}, "'is_multiple_choice' must be true or false, not None"),
        ({"is_multiple_choice": 0}, "'is_multiple_choice' must be true or false, not 0"),
        ({"track": 1}, "'track' must be text, not 1"),
        ({"track": "understanding"}, "unknown challenge id 'understanding'; known: amazon-kdd"),
    ],
)
def test_a_value_of_another_kind_is_refused_not_turned_into_one(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sample.from_dict(ROW | changed)


@pytest.mark.parametrize(
    ("kind", "given", "truth"),
    [
        ("multiple-choice", 2.0, 2),
        ("multiple-choice", " 2 ", 2),
        ("retrieval", [3.0, 1], (3, 1)),
        ("ranking", [0.01, 1], (0.01, 1)),
    ],
)
def test_a_number_that_is_whole_is_one_however_it_is_written(kind: str, given: Any, truth: Any) -> None:
    assert Sample.from_dict(ROW | {"task_type": kind, "output_field": given}).output_field == truth


@pytest.mark.parametrize("field", ["input_field", "output_field", "task_type", "metric"])
def test_a_missing_field_is_named(field: str, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n" + json.dumps({key: value for key, value in ROW.items() if key != field}) + "\n")
    with pytest.raises(BadSample, match=rf"questions.jsonl, line 2: field '{field}' is missing"):
        read_samples(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no questions"),
        (b"\n\n", "holds no questions"),
        (b'{"a": 1}\n{"b": \n', "line 1: field 'input_field' is missing"),
        (json.dumps(ROW).encode() + b'\n{"input_field": \n', "line 2: broken JSON"),
        (b"[1]\n", "row 1: a JSON object is wanted, not int"),
        (b"\xff\xfe\n", "is not UTF-8"),
    ],
)
def test_bad_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_samples(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl: cannot be read \(No such file or directory\)"):
        read_samples(tmp_path / "none.jsonl")
