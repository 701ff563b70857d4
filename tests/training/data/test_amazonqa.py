"""Answers of AmazonQA that say yes, and as many that say no."""

from __future__ import annotations

import json
import random
from pathlib import Path

from training.data.formats import SourceFolder
from training.data.sources import amazonqa


def test_answers_of_amazonqa_say_yes_as_often_as_no(tmp_path: Path) -> None:
    kinds = ["Y"] * 5 + ["?"] * 4 + ["N"] * 3 + [None]
    rows = [
        {"asin": str(number), "question": f"Is it {number}?", "answer": f"Well, {number}.", "answerType": kind}
        for number, kind in enumerate(kinds)
    ]
    (tmp_path / "amazonqa").mkdir()
    (tmp_path / "amazonqa/qa_Kettles.json").write_text("broken\n" + "".join(json.dumps(row) + "\n" for row in rows))
    read = list(amazonqa.decided(SourceFolder(tmp_path)))
    assert [row.get("answerType") for row in read] == [None, "Y", "N", "Y", "N", "Y", "N"]
    assert "_problem" in read[0], "what cannot be read is passed on, to be counted"
    for row in read[1:]:
        sample = amazonqa.yes_or_no(row, random.Random(0))
        assert sample is not None and "not say" not in sample.input_field
        lines = sample.input_field.splitlines()
        right = next(line for line in lines if line.strip(" (").startswith(str(sample.output_field)))
        assert right.endswith({"Y": "yes", "N": "no"}[row["answerType"]])
    assert amazonqa.yes_or_no({**read[1], "answerType": "?"}, random.Random(0)) is None
