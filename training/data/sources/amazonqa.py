"""AmazonQA: questions of shoppers and their answers (no licence stated; research data).

Two published forms, both under `amazonqa/`, gzipped or not:
- McAuley lab, `qa_<Category>.json[.gz]`: a Python dict literal a line (or JSON): questionType, asin, question,
  answerType (Y, N, ?; yes/no questions only), answer.
- amazonqa/amazonqa, `{train,val,test}-qar*.jsonl`: questionText, is_answerable, questionType, review_snippets,
  answers [{answerText, helpful [up, votes]}], category. Source of ECInstruct's AP and AG (paper 001, appendix A.4).
"""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterator
from pathlib import Path

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import DataTask, Row
from training.data.options import multiple_choice, one_line, same_key
from training.data.reading import need_files
from training.data.small_files import digest, json_rows, text_lines
from training.data.wordings import choice, request, written

LICENCE = "not stated by its owner (research use)"
ANSWER = (
    "A shopper asks about a product: '{question}' Write a helpful answer.",
    "Answer this question on a product of the category {category}.\nQuestion: {question}",
    "Give a short answer to a customer's question.\nQuestion: {question}",
)
YES_NO = (
    "A shopper asks: '{question}' The seller's answer is below. What does it say?\nAnswer text: {answer}",
    "Does the answer say yes or no to the question?\nQuestion: {question}\nAnswer text: {answer}",
)
ANSWERABLE = (
    "Given a question and its related document, predict if the question is answerable based on the information "
    "provided in the document. Output only yes or no.",
    "Do the reviews below hold what it takes to answer the question? Output only yes or no.",
)
FROM_REVIEWS = (
    "Given a question and the related document, generate the answer to the question based on the document.",
    "Answer the shopper's question from what the reviews say.",
)


def questions(sources: Path) -> Iterator[Row]:
    """Rows of the first form; a line that is neither JSON nor a Python literal is passed on as a problem."""
    for path in need_files(sources, "amazonqa", "amazonqa/**/qa_*.json*"):
        category = Path(path).name.split(".")[0].removeprefix("qa_").replace("_", " ")
        for number, line in text_lines(path):
            if line.strip():
                yield {**_parsed(line), "category": category, "_file": path, "_line": number}


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


def answered(sources: Path) -> Iterator[Row]:
    """Rows of the second form, training split."""
    paths = need_files(sources, "amazonqa", "amazonqa/**/train-qar*.jsonl*")
    yield from json_rows(paths, "questionText", "review_snippets")


def answer(row: Row, rng: random.Random) -> Sample | None:
    """A shopper's question, answered in a shopper's words."""
    question, text = one_line(row["question"], 400), one_line(row["answer"], 400)
    if len(text.split()) < 3:
        return None
    asked = request(rng, row, ANSWER, question=question, category=row["category"])
    return written("amazonqa_answer", rng, asked, text, "sent-transformer")


def yes_or_no(row: Row, rng: random.Random) -> Sample | None:
    """What an answer says to a yes/no question, as the dataset labels it."""
    right = {"Y": "yes", "N": "no", "?": "it does not say"}.get(row.get("answerType", ""))
    if right is None:
        return None
    wrong = [text for text in ("yes", "no", "it does not say") if text != right]
    shown = multiple_choice(right, wrong, rng, count=3, first=0)
    asked = request(rng, row, YES_NO, question=one_line(row["question"], 300), answer=one_line(row["answer"], 300))
    return choice("amazonqa_yes_or_no", rng, asked, shown)


def _from_reviews(name: str, row: Row, instruction: str, output: str) -> Sample:
    document = " ".join(one_line(snippet, 300) for snippet in row["review_snippets"])
    given = json.dumps({"question": one_line(row["questionText"]), "document": document}, ensure_ascii=False)
    return Sample(f"{instruction}\nInput: {given}", output, name, TaskType.GENERATION, "rougel", False)


def answerability(row: Row, rng: random.Random) -> Sample | None:
    """ECInstruct's AP: can the reviews answer the question?"""
    if row.get("is_answerable") not in (0, 1):
        return None
    return _from_reviews("amazonqa_answerability", row, rng.choice(ANSWERABLE), "yes" if row["is_answerable"] else "no")


def generated(row: Row, rng: random.Random) -> Sample | None:
    """ECInstruct's AG: the most helpful answer to an answerable open question."""
    if not row.get("is_answerable") or row.get("questionType") == "yesno" or not row.get("answers"):
        return None
    best = max(row["answers"], key=lambda one: (one.get("helpful") or [0])[0])
    text = one_line(best["answerText"], 600)
    return _from_reviews("amazonqa_generation", row, rng.choice(FROM_REVIEWS), text) if text else None


def question_id(row: Row) -> str:
    """Identity of a question and answer."""
    return digest(row.get("asin"), row["question"], row["answer"])


def question_key(row: Row) -> str:
    """What splits go by: the question, whoever answers it."""
    return same_key(row["question"])


def reviewed_id(row: Row) -> str:
    """Identity of a question with reviews."""
    return digest(row.get("asin"), row["questionText"])


EXAMPLE: Row = {
    "asin": "X1",
    "category": "Kettles",
    "questionType": "yes/no",
    "question": "Does this kettle whistle?",
    "answerType": "Y",
    "answer": "Yes, it does so as soon as the water boils.",
}
REVIEWED: Row = {
    "asin": "X1",
    "questionText": "How loud is this kettle?",
    "questionType": "descriptive",
    "is_answerable": 1,
    "review_snippets": ["It wakes the whole house.", "Loud whistle."],
    "answers": [{"answerText": "Loud enough for two floors.", "helpful": [3, 4]}],
}


def _task(name: str, build: object, reviewed: bool) -> DataTask:
    return DataTask(
        name=name,
        rows=answered if reviewed else questions,
        to_sample=build,  # type: ignore[arg-type]
        example=REVIEWED if reviewed else EXAMPLE,
        row_id=reviewed_id if reviewed else question_id,
        licence=LICENCE,
        shareable=False,
        domain="knowledge",
        limit=10_000,
        tags=("ecinstruct_source",) if reviewed else (),
        group=None if reviewed else question_key,
    )


TASKS = (
    _task("amazonqa_answer", answer, False),
    _task("amazonqa_answerability", answerability, True),
    _task("amazonqa_generation", generated, True),
    _task("amazonqa_yes_or_no", yes_or_no, False),
)
