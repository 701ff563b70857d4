"""`python -m evaluation.published`: the authors' own numbers, and files that do not match or are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.published.__main__ import main
from shopbench.errors import exit_code_of

CASE: dict[str, Any] = {
    "case": "c1",
    "benchmark": "ecellm",
    "task": "Product_Matching",
    "setting": "IND_Diverse_Instruction",
    "reading": "published",
    "rows": [{"output": "yes"}, {"output": "no"}],
    "answers": ["yes", "no."],
    "metric": "f1",
    "value": None,
}
DEFINED = {**CASE, "case": "c2", "answers": ["yes", "no"], "parsed": ["yes", "no"], "value": 1.0}


def replay(path: Path, *cases: Any) -> int:
    path.write_text("".join(f"{case if isinstance(case, str) else json.dumps(case)}\n" for case in cases), "utf-8")
    return exit_code_of(main, [str(path)])


def test_the_authors_own_numbers(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(shared / "data/conformance/ecellm.jsonl")]) == 0
    assert "156 of 156 cases match (630 of 630 lines)" in capsys.readouterr().out


def test_counts_cases_and_names_the_lines_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(tmp_path / "good.jsonl", CASE, DEFINED, {**DEFINED, "metric": "acc"}) == 0
    assert "2 of 2 cases match (3 of 3 lines)" in capsys.readouterr().out
    wrong = [
        {**DEFINED, "value": 0.9999},
        {**DEFINED, "value": None},
        {**CASE, "value": 0},
        {**DEFINED, "parsed": ["yes", None]},
        {**DEFINED, "gold_texts": []},
        {**DEFINED, "metric": "F1"},
    ]
    for case in wrong:
        assert replay(tmp_path / "bad.jsonl", {**CASE, "case": "c0"}, case) == 1
        out = capsys.readouterr().out
        assert "1 of 2 cases match (1 of 2 lines)" in out
        assert f"line 2, case {case['case']} Product_Matching: " in out


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("{", "broken JSON"),
        ("[]", "a JSON object is wanted"),
        ({**CASE, "benchmark": "glue"}, "unknown benchmark 'glue'"),
        ({**CASE, "task": "Nonsense"}, "'Nonsense'"),
        ({**CASE, "answers": ["yes"]}, "1 answers to 2 rows"),
        ({**CASE, "answers": ["yes", None]}, "answers texts"),
        ({**CASE, "rows": []}, "0 rows"),
        ({**CASE, "rows": [{}, {}]}, "row 1: field 'output'"),
        ({**CASE, "value": "1"}, "field 'value'"),
        ({name: field for name, field in CASE.items() if name != "value"}, "field 'value'"),
        ({**CASE, "meta": 3}, "field 'meta'"),
    ],
)
def test_a_line_that_is_no_case_ends_with_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Any, says: str
) -> None:
    assert replay(tmp_path / "x.jsonl", DEFINED, case) == 2
    error = capsys.readouterr().err.strip().rpartition("\n")[2]
    assert "line 2: " in error and says in error


def test_an_empty_or_missing_file_is_bad_input(tmp_path: Path) -> None:
    assert replay(tmp_path / "x.jsonl") == 2
    assert exit_code_of(main, [str(tmp_path / "none.jsonl")]) == 2
