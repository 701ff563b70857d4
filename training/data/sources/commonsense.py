"""Everyday and school knowledge as multiple choice: CommonsenseQA, OpenBookQA and ARC.

- `commonsense_qa/train.jsonl` (tau/commonsense_qa): id, answerKey,
  question {stem, question_concept, choices [{label, text}]}.
- `openbookqa/train.jsonl`, `arc/ARC-{Easy,Challenge}_train.jsonl` as AGI-Edgerunners/LLM-Adapters
  publishes them: instruction with "Answer1: ... Answer2: ...", answer ("answer2").
"""

from __future__ import annotations

import random
import re
from functools import partial

from shopbench.sample import Sample
from training.data.formats import Dataset, DataTask, Row, SourceFolder
from training.data.options import first_number, multiple_choice, same_key
from training.data.small_files import small_set
from training.data.wordings import choice

DATASETS = (
    Dataset(
        "arc",
        "CC-BY-SA-4.0 (the copy's repository: Apache-2.0)",
        place="GitHub AGI-Edgerunners/LLM-Adapters: ARC-Easy and ARC-Challenge, train",
    ),
    Dataset(
        "commonsense_qa",
        "not stated by the copy's owner",
        place="the CommonsenseQA home page: train_rand_split.jsonl",
    ),
    Dataset("openbookqa", "Apache-2.0", place="GitHub AGI-Edgerunners/LLM-Adapters: openbookqa, train"),
)
ARC, COMMONSENSE_QA, OPENBOOKQA = DATASETS
_OPTION = re.compile(r"Answer\d: (.*?)(?= Answer\d: |\n|$)", re.DOTALL)


def commonsense(row: Row, rng: random.Random) -> Sample | None:
    """A CommonsenseQA question with its right answer and three of the four wrong ones."""
    texts = {option["label"]: option["text"] for option in row["question"]["choices"]}
    right = texts.pop(row["answerKey"], None)
    shown = multiple_choice(right, texts.values(), rng, first=first_number(rng))
    return choice(rng, row["question"]["stem"], shown)


def instructed(row: Row, rng: random.Random) -> Sample | None:
    """A question whose options stand inside the instruction."""
    head, *rest = row["instruction"].split("\n\nAnswer1:", 1)
    texts = [text.strip() for text in _OPTION.findall("Answer1:" + rest[0])] if rest else []
    number = int(re.sub(r"\D", "", row["answer"]) or 0)
    if not 1 <= number <= len(texts):
        return None
    right = texts.pop(number - 1)
    question = head.removeprefix("Please choose the correct answer to the question: ")
    shown = multiple_choice(right, texts, rng, count=len(texts) + 1, first=first_number(rng))
    return choice(rng, question, shown)


def rows(sources: SourceFolder, dataset: str, pattern: str, fields: tuple[str, ...]) -> list[Row]:
    """The rows of one dataset, mixed."""
    return small_set(sources, dataset, [pattern], *fields)


def _stem(row: Row) -> str:
    return same_key(row["question"]["stem"])


def _instruction(row: Row) -> str:
    return same_key(row["instruction"])


def _school(name: str, dataset: Dataset, pattern: str) -> DataTask:
    return DataTask(
        name=name,
        rows=partial(rows, dataset=dataset.name, pattern=pattern, fields=("instruction", "answer")),
        to_sample=instructed,
        example={
            "instruction": "Please choose the correct answer to the question: A kettle whistles because of\n\nAnswer1: "
            "steam Answer2: dust Answer3: sugar Answer4: light\n\nAnswer format: answer1/answer2/answer3/answer4",
            "answer": "answer1",
        },
        row_id=_instruction,
        licence=dataset.licence,
        shareable=True,
        domain="knowledge",
    )


TASKS = (
    _school("arc_challenge", ARC, "arc/**/ARC-C*train*.json*"),
    _school("arc_easy", ARC, "arc/**/ARC-E*train*.json*"),
    DataTask(
        name="commonsense_qa",
        rows=partial(
            rows, dataset=COMMONSENSE_QA.name, pattern="commonsense_qa/**/*.json*", fields=("question", "answerKey")
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
        licence=COMMONSENSE_QA.licence,
        shareable=False,
        domain="knowledge",
    ),
    _school("openbookqa", OPENBOOKQA, "openbookqa/**/train*.json*"),
)
