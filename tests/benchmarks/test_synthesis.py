"""The measurement of requests at once: on a server of known behaviour."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from benchmarks.synthesis import compare
from shopbench.errors import UserError
from tests.training.synthesize.servers import Fake, serving
from tests.training.synthesize.test_synthesize import TASK, label_and_check, product_rows


def options(url: str, rows: Path, **more: int) -> argparse.Namespace:
    numbers = {"rows": 8, "rows_alone": 3, "rounds": 2, "concurrency": 4, **more}
    return argparse.Namespace(task=TASK, model="m", endpoint=url, input=rows, **numbers)


def test_every_run_has_rows_of_its_own_and_both_ways_are_measured(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in product_rows(24)))
    fake = Fake(label_and_check)
    with serving(fake) as url:
        measured = compare(options(url, rows))
        with pytest.raises(UserError, match="24 rows, 68 are needed"):
            compare(options(url, rows, rounds=6))
    assert [(run["at_once"], run["rows"]) for run in measured["runs"]] == [(1, 3), (4, 8), (4, 8), (1, 3)]
    firsts = [said for said in fake.user_messages() if "Reply with the number" not in said]
    assert len(firsts) == len(set(firsts)) == 24, "two to warm up, and no row twice"
    assert fake.most_at_once <= 4 and measured["ratio"] > 0
    assert all(run["answer_tokens"] == 20 * run["requests"] for run in measured["runs"])
