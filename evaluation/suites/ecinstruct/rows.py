"""ECInstruct's file or files: its rows, which task each belongs to, and the worked example of a 1-shot question.

One JSON list of rows (as published), JSON lines, or a folder of such files; rows of our own builders have the same
fields and "labels" besides. `label.json` beside them holds the labels of the ranked products, as published apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.benchmark import Options, grouped
from evaluation.suites.ecinstruct.answers import read_ranking
from shopbench.ecinstruct import ESCI_GAINS, FIELDS, QPR, TASKS, Fields, short_name, value
from shopbench.sample import BadSample
from shopbench.text_files import json_values

LABELS = "label.json"
_SETTING = re.compile(r"(IND|OOD)_(Diverse|Single|Unseen)_Instruction(_1-shot)?")
_DOMAINS = {"IND": "in-domain", "OOD": "out-of-domain"}
_INSTRUCTIONS = {"Diverse": "seen instructions", "Single": "one instruction", "Unseen": "unseen instruction"}


@dataclass(frozen=True)
class AskedRow:
    where: str  # file and line or place, for messages
    row: Fields
    task: str  # the short name
    group: str  # domain, instructions and shots in words
    example: Fields | str | None = None  # the worked example to show


def read_rows(path: Path) -> Iterator[tuple[str, Fields, str]]:
    """(where, row, short name of its task) of every row in a file or folder; BadSample for what is none."""
    files = [path]
    if path.is_dir():
        found = (*path.rglob("*.json"), *path.rglob("*.jsonl"))
        files = sorted(file for file in found if file.name != LABELS)
        if not files:
            raise BadSample(f"{path}: holds no .json or .jsonl file; give ECInstruct's file or its folder")
    for file in files:
        for place, row in json_values(file):
            where = f"{file}, {place}"
            yield where, row, _task_of(where, row)


def _task_of(where: str, row: Any) -> str:
    if not isinstance(row, dict):
        raise BadSample(f"{where}: a JSON object is wanted, not {type(row).__name__}")
    for field in ("task", "instruction", "input", "output"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise BadSample(f"{where}: field {field!r} must be a text; rows have the fields {', '.join(FIELDS)}")
    if not isinstance(row.get("options"), str | None):
        row["options"] = json.dumps(row["options"], ensure_ascii=False)
    task = short_name(row["task"])
    if task is None:
        raise BadSample(f"{where}: unknown task {row['task']!r:.60}; known: {', '.join(TASKS.values())}")
    return task


def asked_rows(path: Path, options: Options) -> list[AskedRow]:
    """The rows of a split to ask with so many shots, at most `limit` of each task; BadSample for none."""
    rows = list(read_rows(path))
    chosen = [(*one, *_setting(one[1])) for one in rows if one[1].get("split") in (None, options.split)]
    ready_made = {(task, group) for _, _, task, group, shots in chosen if shots == options.shots}
    asked: list[AskedRow] = []
    counts: Counter[tuple[str, str]] = Counter()
    training = grouped((one for one in rows if one[1].get("split") in (None, "train")), lambda one: one[2])
    for where, row, task, group, shots in chosen:
        # A 0-shot row is given an example only where the file has no 1-shot rows of that task and setting.
        if shots > options.shots or (shots < options.shots and (task, group) in ready_made):
            continue
        counts[task, group] += 1
        if options.limit is not None and counts[task, group] > options.limit:
            continue
        example = _example(where, row, training.get(task, [])) if options.shots else None
        asked.append(AskedRow(where, row, task, f"{group}, {options.shots}-shot", example))
    if not asked:
        held = Counter(str(row.get("split")) for _, row, _ in rows)
        splits = ", ".join(f"{split} {count}" for split, count in sorted(held.items())) or "none"
        raise BadSample(f"{path}: no {options.split} rows for {options.shots} shots (rows: {splits}); give --split")
    return asked


def _setting(row: Fields) -> tuple[str, int]:
    """The row's setting in words, and its shots."""
    setting = str(row.get("setting") or "")
    found = _SETTING.fullmatch(setting)
    if not found:
        return setting.removesuffix("_1-shot") or "no setting named", int(setting.endswith("_1-shot"))
    return f"{_DOMAINS[found[1]]}, {_INSTRUCTIONS[found[2]]}", int(bool(found[3]))


def _example(where: str, row: Fields, training: Sequence[tuple[str, Fields, str]]) -> Fields | str:
    """The row's own example if it has one, else a training row that its input's hash chooses."""
    if given := row.get("few_shot_example"):
        return _own_example(given)
    others = [other for _, other, _ in training if other["input"] != row["input"]]
    if not others:
        raise BadSample(
            f"{where}: has no few_shot_example, and the file no other training row of {row['task']}; leave out --shots"
        )
    number = int(hashlib.md5(row["input"].encode("utf-8", "replace"), usedforsecurity=False).hexdigest(), 16)
    return others[number % len(others)]


def _own_example(given: Any) -> Fields | str:
    parsed = value(given) if isinstance(given, str) else given
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    if isinstance(parsed, dict) and {"input", "output"} <= set(parsed):
        return {name: _text(parsed.get(name)) for name in ("input", "options", "output")}
    return _text(given)


def _text(field: Any) -> str:
    return "" if field is None else field if isinstance(field, str) else json.dumps(field, ensure_ascii=False)


def product_labels(path: Path, asked: Sequence[AskedRow]) -> list[dict[str, str] | None]:
    """For each row of QPR its products' labels (E, S, C, I by letter); None where they are not known.

    Our builders' rows hold them; those of the published file stand in label.json, in the order of its test rows.
    """
    file = (path if path.is_dir() else path.parent) / LABELS
    listed = [entry for _, entry in json_values(file)] if file.is_file() else []
    numbers: Counter[str] = Counter()
    found: list[dict[str, str] | None] = []
    for one in asked:
        labels = None
        if isinstance(one.row.get("labels"), list):
            labels = _by_letter(one, one.row["labels"], one.where)
        elif one.task == "QPR" and numbers[one.group] < len(listed):
            labels = _by_letter(one, listed[numbers[one.group]], f"{file}, entry {numbers[one.group] + 1}")
            numbers[one.group] += 1
        found.append(labels)
    return found


def _by_letter(one: AskedRow, labels: Any, where: str) -> dict[str, str]:
    order = read_ranking(one.row["output"]) or []
    named = [str(label) for label in labels] if isinstance(labels, list) else []
    by_letter = dict(zip(sorted(order), named, strict=False))
    in_order = [by_letter.get(letter, "?") for letter in order]
    if len(named) != len(order) or not set(named) <= set(ESCI_GAINS) or in_order != sorted(in_order, key="ESCI".index):
        raise BadSample(f"{where}: does not fit the order {one.row['output']!r:.40} of {one.where}; {QPR} needs both")
    return by_letter
