"""Everyday and school knowledge as multiple choice: CommonsenseQA, OpenBookQA and ARC.

- `commonsense_qa/train.jsonl` (tau/commonsense_qa; the copy at hand names no licence): id, answerKey,
  question {stem, question_concept, choices [{label, text}]}.
- `openbookqa/train.jsonl`, `arc/ARC-{Easy,Challenge}_train.jsonl` as AGI-Edgerunners/LLM-Adapters (Apache-2.0)
  publishes them: instruction with "Answer1: ... Answer2: ...", answer ("answer2").
"""

from __future__ import annotations

import random
import re
from functools import partial
from pathlib import Path

from shopbench.sample import Sample
from training.data.formats import DataTask, Row
from training.data.options import multiple_choice, same_key
from training.data.small_files import small_set
from training.data.wordings import choice

_OPTION = re.compile(r"Answer\d: (.*?)(?= Answer\d: |\n|$)", re.DOTALL)


def commonsense(row: Row, rng: random.Random) -> Sample | None:
    """A CommonsenseQA question with its right answer and three of the four wrong ones."""
    texts = {option["label"]: option["text"] for option in row["question"]["choices"]}
    right = texts.pop(row["answerKey"], None)
    shown = multiple_choice(right, texts.values(), rng, first=rng.choice((0, 0, 0, 0, 1)))
    return choice("commonsense_qa", rng, row["question"]["stem"], shown)


def instructed(task: str, row: Row, rng: random.Random) -> Sample | None:
    """A question whose options stand inside the instruction."""
    head, *rest = row["instruction"].split("\n\nAnswer1:", 1)
    texts = [text.strip() for text in _OPTION.findall("Answer1:" + rest[0])] if rest else []
    number = int(re.sub(r"\D", "", row["answer"]) or 0)
    if not 1 <= number <= len(texts):
        return None
    right = texts.pop(number - 1)
    question = head.removeprefix("Please choose the correct answer to the question: ")
    shown = multiple_choice(right, texts, rng, count=len(texts) + 1, first=rng.choice((0, 0, 0, 0, 1)))
    return choice(task, rng, question, shown)


def rows(sources: Path, dataset: str, pattern: str, fields: tuple[str, ...]) -> list[Row]:
    """The rows of one dataset, mixed."""
    return small_set(sources, dataset, [pattern], *fields)


def _stem(row: Row) -> str:
    return same_key(row["question"]["stem"])


def _instruction(row: Row) -> str:
    return same_key(row["instruction"])


def _school(name: str, dataset: str, pattern: str) -> DataTask:
    return DataTask(
        name=name,
        rows=partial(rows, dataset=dataset, pattern=pattern, fields=("instruction", "answer")),
        to_sample=partial(instructed, name),
        example={
            "instruction": "Please choose the correct answer to the question: A kettle whistles because of\n\nAnswer1: "
            "steam Answer2: dust Answer3: sugar Answer4: light\n\nAnswer format: answer1/answer2/answer3/answer4",
            "answer": "answer1",
        },
        row_id=_instruction,
        licence="Apache-2.0",
        shareable=True,
        domain="knowledge",
    )


TASKS = (
    _school("arc_challenge", "arc", "arc/**/ARC-C*train*.json*"),
    _school("arc_easy", "arc", "arc/**/ARC-E*train*.json*"),
    DataTask(
        name="commonsense_qa",
        rows=partial(
            rows, dataset="commonsense_qa", pattern="commonsense_qa/**/*.json*", fields=("question", "answerKey")
        ),
        to_sample=commonsense,
        example={
            "answerKey": "B",
            "question": {
                "stem": "Where does a kettle stand?",
                "choices": [
                    {"label": "A", "text": "in a river"},
                    {"label": "B", "text": "on a stove"},
                    {"label": "C", "text": "in a bed"},
                    {"label": "D", "text": "on a cloud"},
                    {"label": "E", "text": "in a shoe"},
                ],
            },
        },
        row_id=_stem,
        licence="not stated by the copy's owner",
        shareable=False,
        domain="knowledge",
    ),
    _school("openbookqa", "openbookqa", "openbookqa/**/train*.json*"),
)
