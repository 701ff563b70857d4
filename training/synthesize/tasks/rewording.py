"""Other wordings of an instruction (Table 7 rows 11-15 and 21-26), for the templates of the dataset tasks.

Input rows are {"id", "task", "instruction"} with a dataset task, whose builder then shows what a wording reads as; or
{"id", "instruction", "task_type", "example"}, the example being a whole question that holds the instruction.
The output is `synthetic/wordings.jsonl` under the sources folder: {"id", "task", "wording", "unseen"}. The builders
choose among their own wordings and these, but for the unseen ones, which are kept to ask a trained model with.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from typing import Any

from shopbench.question import Question
from shopbench.tasks import TaskType
from training.data.catalogue import all_tasks
from training.data.formats import Row, SourceFolder
from training.data.hashes import digest
from training.data.wordings import placeholders
from training.synthesize.checks import Rejected, alike, in_language
from training.synthesize.tasks.task import Candidates, CheckQuestion, SynthesisTask

UNSEEN = 5
"""One in so many wordings is kept unseen."""
WHICH_SAME = "Instruction: <<<{wording}>>>\nWhich of these instructions asks for the same?"


def instructions(sources: SourceFolder) -> Iterator[Row]:
    """Every wording of the dataset tasks that language models' wordings belong to; needs no source files."""
    for name, task in sorted(all_tasks().items()):
        for number, instruction in enumerate(task.wordings):
            yield {"id": f"{name}/{number}", "task": name, "instruction": instruction}


def _reads_as(wording: str, row: Row) -> tuple[TaskType, TaskType]:
    """What a question with this wording reads as, and what it must."""
    if "task" in row:
        task = all_tasks()[row["task"]]
        sample = task.sample({**task.example, "wording": wording}, random.Random(0))
        if sample is None:
            raise Rejected("not of the form", wording)
        return Question.read(sample.input_field, sample.is_multiple_choice).task_type, sample.task_type
    kind = TaskType(row["task_type"])
    question = row["example"].replace(row["instruction"], wording)
    return Question.read(question, kind is TaskType.MULTIPLE_CHOICE).task_type, kind


def _checked(wording: str, row: Row) -> str:
    wanted = sorted(map(str, placeholders(row["instruction"])))
    parsed = string.Formatter().parse(wording) if None not in placeholders(wording) else ()
    if sorted(field for _, field, _, _ in parsed if field is not None) != wanted:
        raise Rejected("placeholders", f"{wording} (wanted: {', '.join(wanted)})")
    in_language(wording, "English", "wording")
    found, kind = _reads_as(wording, row)
    if found is not kind:
        raise Rejected("reads as another task type", f"{found}: {wording}")
    return wording


def wordings(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """The wordings that hold the placeholders, read as their task type and differ from the instruction and each other.

    If none does, the answer is rejected for what is wrong with its last one.
    """
    kept: list[str] = []
    problem = Rejected("too few")
    for wording in answer["wordings"]:
        try:
            text = _checked(wording.strip(), row)
            if any(alike(text, other) for other in (row["instruction"], *kept)):
                raise Rejected("copy of the seed", text)
            kept.append(text)
        except Rejected as error:
            problem = error
    if not kept:
        raise problem
    strangers = [other["instruction"] for other in others if other.get("task") != row.get("task")]
    rows: list[Row] = []
    questions = []
    for text in kept:
        key, task = digest(text), row.get("task") or str(row["id"])
        rows.append({"id": f"{row['id']}/{key}", "task": task, "wording": text, "unseen": int(key, 16) % UNSEEN == 0})
        wrong = rng.sample(strangers, min(3, len(strangers)))
        questions.append([CheckQuestion.on(WHICH_SAME, row["instruction"], wrong, wording=text)])
    return Candidates(rows, questions)


def _values(row: Row, rng: random.Random) -> dict[str, object]:
    names = ", ".join(f"{{{name}}}" for name in sorted(map(str, placeholders(row["instruction"]))))
    return {"count": 6, "placeholders": names or "there are none", "instruction": row["instruction"]}


TASKS = (
    SynthesisTask(
        name="reword",
        kind="reword",
        fields=("instruction",),
        values=_values,
        make=wordings,
        rows=instructions,
        source=lambda row: str(row["instruction"]),
        max_tokens=500,
    ),
)
