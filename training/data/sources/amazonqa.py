"""AmazonQA: questions of shoppers and their answers (McAuley lab).

`amazonqa/**/qa_<Category>.json`, plain or gzipped, a Python dict literal (as published) or JSON a line: questionType,
asin, question, answerType (Y, N, ?; yes/no questions only), answer. The other release, with review snippets, feeds
eCeLLM's tasks (ecinstruct_texts.py).

Each category's lines come by product: a share of them by hash, in hash order, is taken from what is very large.
"""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from shopbench.sample import Sample
from training.data.formats import Dataset, DataTask, Reader, Row, SourceFolder, ToSample
from training.data.hashes import digest
from training.data.options import multiple_choice, one_line, same_key
from training.data.small_files import mixed, sampled_lines
from training.data.wordings import choice, request, written

DATASETS = (
    Dataset(
        "amazonqa",
        "not stated by its owner (research use)",
        place="Amazon question/answer data of UCSD: qa_<Category>.json.gz; and GitHub amazonqa/amazonqa: "
        "train-qar.jsonl, val-qar.jsonl, test-qar.jsonl",
    ),
)
LICENCE = DATASETS[0].licence
ANSWER = (
    "A shopper asks about a product: '{question}' Write a helpful answer.",
    "Answer this question on a product of the category {category}.\nQuestion: {question}",
    "Give a short answer to a customer's question.\nQuestion: {question}",
)
YES_NO = (
    "A shopper asks: '{question}' Somebody's answer is below. Does it say yes or no?\nAnswer text: {answer}",
    "Does the answer say yes or no to the question?\nQuestion: {question}\nAnswer text: {answer}",
)
SAID = {"Y": "yes", "N": "no"}
"""What answers say by their type. "?" is no third: it says that the dataset's classifier could not tell."""


def questions(sources: SourceFolder) -> Iterator[Row]:
    """Rows in hash order; a line that is neither JSON nor a Python literal is passed on as a problem."""
    rows: list[Row] = []
    for path, number, line in sampled_lines(sources.need_files("amazonqa", "amazonqa/**/qa_*.json*")):
        category = Path(path).name.split(".")[0].removeprefix("qa_").replace("_", " ")
        rows.append({**_parsed(line), "category": category, "_file": path, "_place": f"line {number}"})
    yield from mixed(rows)


def decided(sources: SourceFolder) -> Iterator[Row]:
    """Rows that say yes or no (answerType Y or N), in turn and as many of one as of the other."""
    by_type: dict[str, list[Row]] = {kind: [] for kind in SAID}
    for row in questions(sources):
        if "_problem" in row:
            yield row
        elif (kind := str(row.get("answerType"))) in by_type:
            by_type[kind].append(row)
    yield from chain.from_iterable(zip(*by_type.values(), strict=False))


def _parsed(line: str) -> Row:
    for parse in (json.loads, ast.literal_eval):
        try:
            row = parse(line)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(row, dict) and row.get("question") and row.get("answer"):
            return row
        return {"_problem": "no question or answer"}
    return {"_problem": "neither JSON nor a Python literal"}


def answer(row: Row, rng: random.Random) -> Sample | None:
    """A shopper's question, answered in a shopper's words."""
    question, text = one_line(row["question"], 400), one_line(row["answer"], 400)
    if len(text.split()) < 3:
        return None
    asked = request(rng, row, ANSWER, question=question, category=row["category"])
    return written(rng, asked, text, "sent-transformer")


def yes_or_no(row: Row, rng: random.Random) -> Sample | None:
    """What an answer says to a yes/no question, as the dataset labels it."""
    right = SAID.get(row.get("answerType", ""))
    if right is None:
        return None
    wrong = [text for text in SAID.values() if text != right]
    shown = multiple_choice(right, wrong, rng, count=2, first=0)
    asked = request(rng, row, YES_NO, question=one_line(row["question"], 300), answer=one_line(row["answer"], 300))
    return choice(rng, asked, shown)


def question_id(row: Row) -> str:
    """Identity of a question and answer."""
    return digest(row.get("asin"), row["question"], row["answer"])


def question_key(row: Row) -> str:
    """What splits go by: the question, whoever answers it."""
    return same_key(row["question"])


EXAMPLE: Row = {
    "asin": "X1",
    "category": "Kettles",
    "questionType": "yes/no",
    "question": "Does this kettle whistle?",
    "answerType": "Y",
    "answer": "Yes, it does so as soon as the water boils.",
}


def _task(name: str, rows: Reader, build: ToSample) -> DataTask:
    return DataTask(
        name=name,
        rows=rows,
        to_sample=build,
        example=EXAMPLE,
        row_id=question_id,
        licence=LICENCE,
        shareable=False,
        domain="knowledge",
        limit=10_000,
        group=question_key,
    )


TASKS = (_task("amazonqa_answer", questions, answer), _task("amazonqa_yes_or_no", decided, yes_or_no))
