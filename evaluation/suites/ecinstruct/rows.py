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

from evaluation.benchmark import Options
from evaluation.suites.ecinstruct.answers import read_ranking
from shopbench.ecinstruct import ESCI_GAINS, FIELDS, QPR, TASKS, Fields, value
from shopbench.sample import BadSample, read_json_lines

LABELS = "label.json"
_SETTING = re.compile(r"(IND|OOD)_(Diverse|Single|Unseen)_Instruction(_1-shot)?")
_DOMAINS = {"IND": "in-domain", "OOD": "out-of-domain"}
_INSTRUCTIONS = {"Diverse": "seen instructions", "Single": "one instruction", "Unseen": "unseen instruction"}
_SPELLINGS = {
    "queryproductranking": "QPR",
    "productsubstitueidentification": "PSI",
    "productrelationpredicition": "PRP",
} | {re.sub("[_ ]", "", task).lower(): short for short, task in TASKS.items()}
"""Short names by the file's spellings (and those of the published scripts), without underscores, in lower case."""


@dataclass(frozen=True)
class AskedRow:
    """A row to ask.

    Attributes:
        where: file and line or place, for messages.
        task: the short name.
        group: domain, instructions and shots in words.
        example: the worked example to show, if any.
    """

    where: str
    row: Fields
    task: str
    group: str
    example: Fields | str | None = None


def read_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """(where, row) of every row in a file or folder; BadSample for what is none."""
    if not path.is_dir():
        return list(_file_rows(path))
    files = sorted(file for file in path.rglob("*.json*") if file.suffix in (".json", ".jsonl") and file.name != LABELS)
    if not files:
        raise BadSample(f"{path}: holds no .json or .jsonl file; give ECInstruct's file or its folder")
    return [row for file in files for row in _file_rows(file)]


def _file_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix == ".json" and _begins_a_list(path):
        for place, row in enumerate(_load(path), 1):
            yield _checked(f"{path}, row {place}", row)
    else:
        for number, row in read_json_lines(path):
            yield _checked(f"{path}, line {number}", row)


def _begins_a_list(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"["
    except OSError as error:
        raise BadSample(f"{path}: cannot be read ({error.strerror}); give ECInstruct's file or its folder") from None


def _load(path: Path) -> list[Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadSample(f"{path}: is no JSON list of rows ({error}); get it again") from None
    return loaded if isinstance(loaded, list) else []


def _checked(where: str, row: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(row, dict):
        raise BadSample(f"{where}: a JSON object is wanted, not {type(row).__name__}")
    for field in ("task", "instruction", "input", "output"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise BadSample(f"{where}: field {field!r} must be a text; rows have the fields {', '.join(FIELDS)}")
    if not isinstance(row.get("options"), str | None):
        row["options"] = json.dumps(row["options"], ensure_ascii=False)
    if _spelling(row["task"]) not in _SPELLINGS:
        raise BadSample(f"{where}: unknown task {row['task']!r:.60}; known: {', '.join(TASKS.values())}")
    return where, row


def _spelling(task: str) -> str:
    return re.sub(r"[_\s]", "", task).lower()


def asked_rows(path: Path, options: Options) -> list[AskedRow]:
    """The rows of a split to ask with so many shots, at most `limit` of each task; BadSample for none."""
    rows = [(where, row, _SPELLINGS[_spelling(row["task"])]) for where, row in read_rows(path)]
    chosen = [one for one in rows if one[1].get("split") in (None, options.split)]
    settings = [_setting(row) for _, row, _ in chosen]
    ready_made = {
        (task, group) for (_, _, task), (group, shots) in zip(chosen, settings, strict=True) if shots == options.shots
    }
    asked: list[AskedRow] = []
    counts: Counter[tuple[str, str]] = Counter()
    pool = _examples(rows) if options.shots else {}
    for (where, row, task), (group, shots) in zip(chosen, settings, strict=True):
        # A 0-shot row is given an example only where the file has no 1-shot rows of that task and setting.
        if shots > options.shots or (shots < options.shots and (task, group) in ready_made):
            continue
        if options.limit is not None and counts[task, group] >= options.limit:
            continue
        counts[task, group] += 1
        example = _example(where, row, pool.get(task, [])) if options.shots else None
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


def _examples(rows: Sequence[tuple[str, Fields, str]]) -> dict[str, list[Fields]]:
    """Training rows that can be shown as examples, by task."""
    pool: dict[str, list[Fields]] = {}
    for _, row, task in rows:
        if row.get("split") in (None, "train"):
            pool.setdefault(task, []).append(row)
    return pool


def _example(where: str, row: Fields, pool: Sequence[Fields]) -> Fields | str:
    """The row's own example if it has one, else a training row that its input's hash chooses."""
    if given := row.get("few_shot_example"):
        return _own_example(given)
    others = [other for other in pool if other["input"] != row["input"]]
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
    found: list[dict[str, str] | None] = [None] * len(asked)
    for place, one in enumerate(asked):
        if isinstance(one.row.get("labels"), list):
            found[place] = _by_letter(one, one.row["labels"], one.where)
    file = (path if path.is_dir() else path.parent) / LABELS
    if file.is_file():
        numbers: Counter[str] = Counter()
        listed = _load(file)
        for place, one in enumerate(asked):
            if one.task == "QPR" and found[place] is None and numbers[one.group] < len(listed):
                found[place] = _by_letter(one, listed[numbers[one.group]], f"{file}, entry {numbers[one.group] + 1}")
                numbers[one.group] += 1
    return found


def _by_letter(one: AskedRow, labels: Any, where: str) -> dict[str, str]:
    order = read_ranking(one.row["output"]) or []
    named = [str(label) for label in labels] if isinstance(labels, list) else []
    by_letter = dict(zip(sorted(order), named, strict=False))
    in_order = [by_letter.get(letter, "?") for letter in order]
    if len(named) != len(order) or not set(named) <= set(ESCI_GAINS) or in_order != sorted(in_order, key="ESCI".index):
        raise BadSample(f"{where}: does not fit the order {one.row['output']!r:.40} of {one.where}; {QPR} needs both")
    return by_letter
