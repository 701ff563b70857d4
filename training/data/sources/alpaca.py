"""Alpaca-Cleaned: general instructions, unchanged (Table 7 row 37).

Published as `yahma/alpaca-cleaned`, a JSON list of instruction, input (may be empty) and output, 51,760 of them;
JSON lines with the same fields are read too. It lies under `alpaca/` in the sources folder. Weights trained on
it may not be used commercially, so they are marked as not shareable.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import Dataset, DataTask, Row, SourceFolder, make_sample
from training.data.reading import database, need_fields, quoted, stream

DATASETS = (Dataset("alpaca", "CC-BY-NC-4.0", "yahma/alpaca-cleaned", ("*.json",)),)


def rows(sources: SourceFolder) -> Iterator[Row]:
    """The instructions: {"id", "instruction", "input", "output"}, in hash order."""
    paths = sources.need_files("alpaca", "alpaca/**/*.json", "alpaca/**/*.jsonl")
    need_fields(paths, "instruction", "output")
    with database() as connection:
        yield from stream(
            connection,
            f"""SELECT DISTINCT md5(instruction || coalesce(input, '') || output) AS id, instruction,
                    coalesce(input, '') AS input, output
                FROM read_json({quoted(paths)}, format='auto',
                    columns={{instruction: 'VARCHAR', input: 'VARCHAR', output: 'VARCHAR'}})
                WHERE instruction <> '' AND output <> '' ORDER BY md5_number_lower(id), id, input""",
        )


def instruction(row: Row, rng: random.Random) -> Sample | None:
    """Table 7 row 37: the instruction and its input as they are; None for an answer without a letter or digit."""
    if not re.search(r"[a-zA-Z0-9]", row["output"]):
        return None
    question = "\n".join(part for part in (row["instruction"].strip(), row["input"].strip()) if part)
    return make_sample(question, row["output"].strip(), TaskType.GENERATION, "rougel")


EXAMPLE: Row = {
    "id": "A1",
    "instruction": "Name the colour you get from mixing these two paints.",
    "input": "blue and yellow",
    "output": "Mixing blue and yellow paint gives green.",
}

TASKS = (
    DataTask(
        name="alpaca_instruction",
        rows=rows,
        to_sample=instruction,
        example=EXAMPLE,
        row_id=lambda row: row["id"],
        licence=DATASETS[0].licence,
        shareable=False,
        domain="general",
        table7=37,
        limit=51_760,
    ),
)
