"""MMLU with its auxiliary training set (Hendrycks et al.): general multiple choice (Table 7 row 38).

Published as `cais/mmlu`: parquet of question, subject, choices (four), answer (0-3), in one folder a subject and
`all/`, which holds every split: test 14,042, validation 1,531, dev 285, auxiliary_train 99,842 - the 115,700 of
Table 7. JSON lines with the same fields are read too. They lie under `mmlu/` in the sources folder.

The winners trained on every split, so weights trained on this cannot be measured with MMLU.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from shopbench.sample import Sample
from training.data.formats import Dataset, DataTask, Row, SourceFolder
from training.data.options import Shown, draw_style, one_line
from training.data.reading import database, json_scan, need_columns, need_fields, quoted, stream
from training.data.wordings import choice, request

DATASETS = (Dataset("mmlu", "MIT", "cais/mmlu", ("all/*.parquet",)),)

QUESTIONS = (
    "{question}",
    "Answer the following question.\n{question}",
    "The following is a multiple-choice question{subject}.\n{question}",
    "Question: {question}",
)
_COLUMNS = {"question": "VARCHAR", "subject": "VARCHAR", "choices": "VARCHAR[]", "answer": "INT"}


def rows(sources: SourceFolder) -> Iterator[Row]:
    """The questions of every split: {"id", "question", "subject", "choices", "answer"}, in hash order."""
    tables = sources.files("mmlu/**/all/*.parquet") or sources.files("mmlu/*.parquet")
    with database() as connection:
        if tables:
            connection.execute(f"CREATE VIEW mmlu AS SELECT * FROM read_parquet({quoted(tables)})")
            need_columns(connection, "mmlu", tables[0], *_COLUMNS)
        else:
            lines = sources.need_files("mmlu", "mmlu/**/*.jsonl")
            need_fields(lines, *_COLUMNS)
            connection.execute(f"CREATE VIEW mmlu AS SELECT * FROM {json_scan(lines, _COLUMNS)}")
        yield from stream(
            connection,
            """SELECT DISTINCT md5(question || choices::VARCHAR) AS id, question, subject, choices, answer FROM mmlu
                WHERE question <> '' ORDER BY md5_number_lower(id), id, subject, answer""",
        )


def question(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 38: the question with its choices in their own order; None for a row without a right answer."""
    options = [one_line(option) for option in row["choices"] or []]
    if not 2 <= len(options) <= 9 or row["answer"] not in range(len(options)) or not all(options):
        return None
    style = draw_style(rng, options=options)
    subject = f" about {row['subject'].replace('_', ' ')}" if row["subject"] else ""
    text = request(rng, row, QUESTIONS, question=row["question"].strip(), subject=subject)
    return choice(rng, text, Shown(style.show(options), row["answer"] + style.first, style))


EXAMPLE: Row = {
    "id": "M1",
    "question": "Which of these quantities is conserved in every elastic collision?",
    "subject": "conceptual_physics",
    "choices": ["Kinetic energy", "Speed of each body", "Direction of each body", "Temperature"],
    "answer": 0,
}

TASKS = (
    DataTask(
        name="mmlu_question",
        rows=rows,
        to_sample=question,
        example=EXAMPLE,
        row_id=lambda row: row["id"],
        licence=DATASETS[0].licence,
        shareable=True,
        domain="general",
        table7=38,
        limit=115_700,
        tags=("contains-test-split",),
    ),
)
