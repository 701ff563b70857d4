"""Reading Shopping MMLU (KL4805/ShoppingMMLU, NeurIPS 2024 Datasets and Benchmarks), ShopBench's public release.

A folder of files, at any depth; `<task>_dataset.csv` and `.json`:
- multiple choice: csv with `question`, `choices` (a Python list or tuple of texts) and `answer` (its index, also as
  "1.0"). The question is asked as the published script asks it: the choices numbered from 0, a line each, then
  "Answer: ". In a task whose name holds review_rating_prediction `answer` is the rating itself, 1 to 5, and choices
  (empty or "nan" in the release) are not asked.
- all else: json, one object a line (or one list), with `input_field` and `target_field`.
The type of a task is its folder's (multiple_choice, retrieval, ranking, named_entity_recognition, generation), else
what its truth looks like; the metric of a generation task follows from its name, as published.

Skills: a folder above the file, or a file itself, is named for one (skill1_concept, skill2_knowledge, skill3_behavior,
skill4_multilingual). The release also holds each skill whole, as skills/<skill>.json with ShopBench's own rows
(`input_field, output_field, task_name, task_type, metric`): where there are such files, only they are read, as
the tasks' files hold the same questions again.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.published.shopping_mmlu import RATING, generation_metric
from evaluation.scoring import TASK_TYPE_OF_METRIC, check_sample
from shopbench.sample import BadSample, Sample
from shopbench.tasks import TaskType
from shopbench.text_files import json_values, text_lines
from shopbench.tracks import TRACKS

TYPE_OF_FOLDER = {str(task_type).replace("-", "_"): task_type for task_type in TaskType}
METRIC_OF_TYPE = {task_type: metric for metric, task_type in TASK_TYPE_OF_METRIC.items()}
_SKILL_NUMBER = re.compile(r"(?:skill|track)[ _-]?([1-4])(?!\d)", re.IGNORECASE)
RATINGS = (1, 2, 3, 4, 5)
_NO_CHOICES = ("", "nan")
_SKILL_WORDS = {1: "concept", 2: "knowledge", 3: "behavio", 4: "lingual"}


def read_folder(folder: Path) -> list[tuple[Sample, dict[str, Any]]]:
    """All questions of a folder (or of one file), with `track` set to their skill; BadSample for what cannot be read.

    Each with its row as the published scripts read it (evaluation/published/shopping_mmlu.py). The order is that of
    the files' paths, and within a file its own.
    """
    found = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    files = [path for path in found if path.suffix in (".csv", ".json", ".jsonl") and path.is_file()]
    whole = [path for path in files if path.parent.name == "skills"]
    root = folder if folder.is_dir() else folder.parent
    return [sample for path in whole or files for sample in _read_file(path, path.relative_to(root))]


def skill_of(relative: Path) -> str:
    """The skill that a file's path names, as a track's challenge id; else its outermost folder's name, or ""."""
    folders = relative.parent.parts
    numbers = [int(match[1]) for part in (*folders, relative.stem) if (match := _SKILL_NUMBER.search(part))]
    numbers += [number for part in folders for number, word in _SKILL_WORDS.items() if word in part.lower()]
    if numbers:
        return TRACKS[numbers[0]].challenge_id
    named = [part for part in folders if part not in (*TYPE_OF_FOLDER, "skills")]
    return named[0] if named else ""


def _read_file(path: Path, relative: Path) -> Iterator[tuple[Sample, dict[str, Any]]]:
    skill, task = skill_of(relative), path.stem.removesuffix("_dataset")
    folder_type = next(
        (TYPE_OF_FOLDER[part] for part in reversed(relative.parent.parts) if part in TYPE_OF_FOLDER), None
    )
    for where, row in _csv_rows(path) if path.suffix == ".csv" else json_values(path):
        try:
            fields, own = _choice(row, task) if path.suffix == ".csv" else _other(row, folder_type, task)
            sample = replace(Sample.from_dict({"task_name": task, **fields, "track": ""}), track=skill)  # a folder too
            check_sample(sample)
            yield sample, own
        except (ValueError, TypeError) as error:
            raise BadSample(f"{path}, {where}: {error}") from None


def _choice(row: dict[str, Any], task: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of a multiple-choice file as a ShopBench row, and as the scripts read it."""
    for field in ("question", "answer") if RATING in task else ("question", "choices", "answer"):
        if row.get(field) is None:
            raise ValueError(f"column {field!r} is missing")
    answer = _whole(row["answer"])
    fields = {"output_field": answer, "task_type": TaskType.MULTIPLE_CHOICE, "metric": "accuracy"}
    question = row["question"]
    if RATING in task:
        if answer not in RATINGS:
            raise ValueError(f"answer {row['answer']!r:.40} is no rating from 1 to 5")
        return {"input_field": f"{question}\nAnswer: ", **fields}, {"answer": answer}
    choices = _choices(row["choices"])
    if answer is None or (choices and answer >= len(choices)):
        raise ValueError(f"answer {row['answer']!r:.40} is no index of {len(choices)} choices")
    shown = "".join(f"\n{number}. {choice}" for number, choice in enumerate(choices))
    return {"input_field": f"{question}{shown}\nAnswer: ", **fields}, {"choices": choices, "answer": answer}


def _whole(text: str) -> int | None:
    """The number of "1", or of "1.0" as data frames write it; None where it is none."""
    number = text.strip().removesuffix(".0")
    return int(number) if number.isdecimal() else None


def _choices(text: str) -> list[str]:
    if text.strip().lower() in _NO_CHOICES:
        return []
    try:
        value = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError, TypeError):
        value = None
    if not isinstance(value, list | tuple):
        raise ValueError(f"choices {text!r:.60} are no list of texts")
    return [str(choice) for choice in value]


def _other(row: Any, folder_type: TaskType | None, task: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of a json file as a ShopBench row, and as the scripts read it; what the row itself says comes first."""
    if not isinstance(row, dict):
        raise ValueError(f"a JSON object is wanted, not {type(row).__name__}")
    truth = row.get("target_field", row.get("output_field"))
    if truth is None:
        raise ValueError("field 'target_field' is missing")
    task_type = row.get("task_type") or folder_type or _type_of_truth(truth)
    metric = METRIC_OF_TYPE.get(task_type) or generation_metric(str(row.get("task_name") or task))
    if task_type == TaskType.MULTIPLE_CHOICE and (number := _whole(str(truth))) is not None:
        truth = number
    return {"metric": metric, **row, "output_field": truth, "task_type": task_type}, {"target_field": truth}


def _type_of_truth(truth: Any) -> TaskType:
    if isinstance(truth, str):
        return TaskType.GENERATION
    if isinstance(truth, list) and truth and all(isinstance(part, str) for part in truth):
        return TaskType.NER
    is_list = isinstance(truth, list) and all(isinstance(part, int) and part > 0 for part in truth)
    return TaskType.RETRIEVAL if is_list and len(set(truth)) == len(truth) <= 3 else TaskType.RANKING


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        for number, row in enumerate(csv.DictReader((line for _, line in text_lines(path)), strict=True), 1):
            yield f"row {number}", row
    except csv.Error as error:
        raise BadSample(f"{path}: cannot be read as csv ({error}); save it as UTF-8 csv with a header") from None
