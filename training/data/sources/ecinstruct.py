"""ECInstruct (eCeLLM, Peng et al., ICML 2024): how its rows are read, and the tasks that eCeLLM trains on.

Published as `NingLab/ECInstruct`, one JSON file of rows with split (train, val, test), task, setting (such as
IND_Diverse_Instruction), instruction, input, options (null where there are none), output, few_shot_example.
`input` is JSON (Sequential_Recommendation: a printed Python list; Sentiment_Analysis: the review itself);
`options` is a JSON or Python list of "A: ..." texts; `output` a letter with or without its text, yes/no, letters
in order, a JSON list of attribute, value and source, or an answer. Slices may lack split and setting. It lies
under `ecinstruct/` in the sources folder.

The file holds every training sample twice, under one instruction a task (IND_Single_Instruction) and under one of five
(IND_Diverse_Instruction). eCeLLM trains on the latter alone, as its published script does; the former is for the study
of instruction diversity. The tasks here keep the published wording and letters: they are what eCeLLM trains on.

The rows of Table 7, in ShopBench's form, are in ecinstruct_choice.py and ecinstruct_lists.py. They have wordings of
their own, so a sample's second setting is the same sample in other words. Two sizes of Table 7 can only come from both
settings (4,044 = 2 x 2,022 product matches; 19,622 of 2 x 10,000 attribute values), the others from one: so all
samples come once, as in IND_Diverse_Instruction, and then, as far as a size asks for more, once more.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any

from shopbench.ecinstruct import AG, AP, AVE, FIELDS, MPC, PM, PRP, PSI, QPR, SA, SR, render, value
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import Dataset, DataTask, Reader, Row, SourceFolder, make_sample
from training.data.options import one_line
from training.data.reading import database, need_fields, need_rows, quoted, stream

DATASETS = (Dataset("ecinstruct", "CC-BY-4.0", "NingLab/ECInstruct", ("*.json", "*.jsonl")),)
LICENCE = DATASETS[0].licence


TRAINED_ON = "IND_Diverse_Instruction"
"""The setting that eCeLLM trains on; rows without a setting count as of it."""


def read_rows(sources: SourceFolder, task: str, splits: tuple[str, ...] = ("train",)) -> Iterator[Row]:
    """Published rows of a task; rows without a split count as training rows.

    Added to each: "id"; "sample", which the settings of one sample share, and "copy", their number: 0 in
    IND_Diverse_Instruction (or the first setting that a sample has), then 1. All of copy 0 come first, each copy in the
    same hash order. "labels" (ESCI labels of ranked products) is null where the file has none, as the published one.
    """
    paths = sources.need_files("ecinstruct", "ecinstruct/**/*.json", "ecinstruct/**/*.jsonl")
    need_known_names(paths)
    names = (*FIELDS, "labels")
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    wanted = ", ".join(map(quoted, splits))
    known = f"coalesce(setting, {quoted(TRAINED_ON)})"
    with database() as connection:
        yield from stream(
            connection,
            f"""WITH found AS (SELECT DISTINCT md5(concat_ws('|', task, setting, instruction, input, output)) AS id,
                    md5(concat_ws('|', input, options, output)) AS sample, {", ".join(names)}
                FROM read_json({quoted(paths)}, format='auto', columns={{{columns}}}, maximum_object_size=67108864)
                WHERE task = ? AND coalesce(split, 'train') IN ({wanted})
                    AND instruction <> '' AND input <> '' AND output <> '')
                SELECT *, dense_rank() OVER (
                    PARTITION BY sample ORDER BY {known} <> {quoted(TRAINED_ON)}, {known}) - 1 AS copy
                FROM found ORDER BY copy, md5_number_lower(sample), id, split""",
            [task],
        )


def task_rows(task: str) -> Reader:
    """A reader of a task's training rows in the setting that eCeLLM trains on."""

    def rows(sources: SourceFolder) -> Iterator[Row]:
        return (row for row in read_rows(sources, task) if row["setting"] in (None, TRAINED_ON))

    return rows


def copy_of(row: Row) -> str:
    """Which of a sample's settings a row is: near repeats are looked for within each."""
    return str(row.get("copy", 0))


def option_texts(row: Row) -> list[str]:
    """The options without their letter marks ("A: ", "A. "), whatever else they hold; empty where there are none."""
    listed = value(row["options"])
    if not isinstance(listed, list):
        return []
    options = [one_line(option) for option in listed]
    marks = [
        re.match(rf"{letter}(?::|[.)](?=\s|$))\s*", option)
        for letter, option in zip(ascii_uppercase, options, strict=False)
    ]
    cut = [option[mark.end() :] for option, mark in zip(options, marks, strict=False) if mark]
    return cut if len(cut) == len(options) else options


def letter_place(row: Row) -> int | None:
    """The place (0, 1, ...) of the right option; None if the output is no letter of the list, alone or as a mark."""
    found = re.match(r"([A-Z])(?:$|[:.)])", row["output"].strip())
    place = ascii_uppercase.index(found[1]) if found else -1
    return place if 0 <= place < len(option_texts(row)) else None


def need_known_names(paths: list[str]) -> None:
    """SourceError if the files have other fields, or spell tasks or splits in another way: no row would be read."""
    need_fields(paths, "task", "instruction", "input", "output")
    tasks, splits = sorted(_DOMAINS), ("train", "val", "test")
    with database() as connection:
        connection.execute(
            f"""CREATE VIEW named AS SELECT * FROM read_json({quoted(paths)}, format='auto',
                columns={{task: 'VARCHAR', split: 'VARCHAR'}}, maximum_object_size=67108864)"""
        )
        known = f"""(SELECT 1 FROM named WHERE task IN ({", ".join(map(quoted, tasks))})
            AND coalesce(split, 'train') IN ({", ".join(map(quoted, splits))}))"""
        wanted = {"task": f"one of {', '.join(tasks)}", "split": f"one of {', '.join(splits)}"}
        need_rows(connection, known, "named", paths[0], wanted)


def says_yes(row: Row) -> bool | None:
    """True for "yes", False for "no", None for anything else."""
    return {"yes": True, "no": False}.get(row["output"].strip().strip(".").lower())


def product_fields(row: Row, *names: str) -> dict[str, Any]:
    """The input as a dict, keys in lower case without trailing colons; empty if it lacks one of the names."""
    parsed = value(row["input"])
    fields = {str(key).rstrip(":").lower(): parsed[key] for key in parsed} if isinstance(parsed, dict) else {}
    return fields if all(name in fields for name in names) else {}


def as_published(row: Row, rng: random.Random) -> Sample | None:
    """An eCeLLM task: the published output is the text to write; None if it is empty."""
    if not row["output"].strip():
        return None
    return make_sample(render(row), row["output"].strip(), TaskType.GENERATION, "rougel")


def example(task: str, instruction: str, given: Any, options: list[str] | None, output: str) -> Row:
    """A row in the published form, for examples and tests."""
    return {
        "id": f"{task}:example",
        "split": "train",
        "task": task,
        "setting": "IND_Diverse_Instruction",
        "instruction": instruction,
        "input": given if isinstance(given, str) else json.dumps(given),
        "options": json.dumps(options) if options else None,
        "output": output,
        "few_shot_example": None,
    }


_RELEVANCE = ["A: It is what the query asks for.", "B: It could replace it.", "C: It goes with it.", "D: Neither."]
EXAMPLES: dict[str, Row] = {
    row["task"]: row
    for row in (
        example(
            AVE,
            "Give the value of the target attribute and where it was found.",
            {"product title": "Hillside Teapot", "product description": "Clay.", "target attributes": "Material"},
            None,
            '[{"attribute": "material", "value": "clay", "source": "product description"}]',
        ),
        example(
            PRP,
            "Say how the two products are related.",
            {"Product 1:": "Hillside Clay Teapot", "Product 2:": "Wool Tea Cosy"},
            ["A: Often bought together.", "B: Often viewed together.", "C: The two are similar."],
            "A",
        ),
        example(
            PM,
            "Are the two products the same?",
            {
                "product 1": {
                    "title": "hillside teapot",
                    "description": "clay",
                    "manufacturer": "hillside",
                    "price": "19",
                },
                "product 2": {
                    "title": "hillside clay tea pot",
                    "description": "",
                    "manufacturer": "nan",
                    "price": "21",
                },
            },
            None,
            "yes",
        ),
        example(
            SA,
            "Which sentiment does the review show?",
            "It pours well and keeps the tea warm, I would buy it again at once.",
            ["A: very positive", "B: positive", "C: neutral", "D: negative", "E: very negative"],
            "A: very positive",
        ),
        example(
            SR,
            "Say what the user buys next.",
            str(["1st: Hillside Clay Teapot", "2nd: Clay Cups, Set of Two"]),
            ["A: Bicycle Bell", "B: Steel Tea Strainer", "C: Garden Hose", "D: Wall Clock", "E: Oat Flour"],
            "B",
        ),
        example(
            MPC,
            "How relevant is the product to the query?",
            {"query": "clay teapot", "product title": "Glass Teapot, 1 Litre"},
            _RELEVANCE,
            _RELEVANCE[1],
        ),
        example(
            PSI,
            "Can the product stand in for what the query asks for? Say yes or no.",
            {"query": "clay teapot", "product": "Glass Teapot, 1 Litre"},
            None,
            "yes",
        ),
        example(
            QPR,
            "Put the products in the order of their relevance.",
            {"query": "clay teapot", "product list": ["A: Tea Cosy", "B: Hillside Clay Teapot", "C: Glass Teapot"]},
            None,
            "B,C,A",
        ),
        example(
            AP,
            "Can the question be answered from the document? Say yes or no.",
            {"question": "Does it drip?", "document": ["The spout pours cleanly.", "Lovely colour."]},
            None,
            "yes",
        ),
        example(
            AG,
            "Answer the question from the document.",
            {"question": "How much does it hold?", "document": ["It fills two cups.", "Lovely colour."]},
            None,
            "It holds two cups.",
        ),
    )
}


def task_of(
    task: str, rows: Reader, domain: str, built: bool, licence: str = LICENCE, shareable: bool = True
) -> DataTask:
    """The dataset task of rows in the published form: published ones, or (`built`) ones made from raw datasets."""
    return DataTask(
        name=f"ecinstruct_{'built' if built else 'published'}_{task.lower()}",
        rows=rows,
        to_sample=as_published,
        example=EXAMPLES[task],
        row_id=lambda row: row["id"],
        group=lambda row: row["input"],
        licence=licence,
        shareable=shareable,
        domain=domain,
        limit=2_022 if task == PM else 10_000,
        tags=("ecinstruct_source",) if built else ("ecellm",),
    )


_DOMAINS = {
    AVE: "concepts",
    PRP: "knowledge",
    PM: "concepts",
    SA: "concepts",
    SR: "behaviour",
    MPC: "behaviour",
    PSI: "behaviour",
    QPR: "behaviour",
    AP: "knowledge",
    AG: "knowledge",
}
TASKS = tuple(task_of(task, task_rows(task), domain, built=False) for task, domain in _DOMAINS.items())
