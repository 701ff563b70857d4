"""GSM8K (`openai/gsm8k`): grade-school word problems, asked as multiple choice.

JSON lines under `gsm8k/`: question, answer (a solution that ends in "#### 12").
"""

from __future__ import annotations

import random
import re

from shopbench.sample import Sample
from training.data.formats import Dataset, DataTask, Row, SourceFolder
from training.data.options import first_number, multiple_choice, same_key
from training.data.small_files import small_set
from training.data.wordings import choice

DATASETS = (Dataset("gsm8k", "MIT", place="GitHub openai/grade-school-math: train.jsonl"),)
_FINAL = re.compile(r"#### (-?[\d,]+(?:\.\d+)?)\s*$")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def problems(sources: SourceFolder) -> list[Row]:
    """The rows of the training split."""
    return small_set(sources, "gsm8k", ["gsm8k/**/train*.jsonl"], "question", "answer")


def problem(row: Row, rng: random.Random) -> Sample | None:
    """The result among numbers of the question and of the steps, and near misses."""
    final = _FINAL.search(row["answer"])
    if final is None:
        return None
    right = float(final[1].replace(",", ""))
    steps = _NUMBER.findall(row["answer"][: final.start()].replace(",", ""))
    near = [right + 1, right * 2, right + 10, right / 2, right * 1.5]
    wrong = [value for value in [float(step) for step in steps] + near if value != right and value >= 0]
    shown = multiple_choice(f"{right:g}", [f"{value:g}" for value in wrong], rng, first=first_number(rng))
    return choice(rng, row["question"], shown)


def question_key(row: Row) -> str:
    """Identity of a row: its question (which EC-Guide's arithmetic repeats in part)."""
    return same_key(row["question"])


TASKS = (
    DataTask(
        name="gsm8k",
        rows=problems,
        to_sample=problem,
        example={"question": "A pot holds 3 cups. How many cups do 4 pots hold?", "answer": "4 x 3 = 12\n#### 12"},
        row_id=question_key,
        licence=DATASETS[0].licence,
        shareable=True,
        domain="knowledge",
    ),
)
