"""ECInstruct, the benchmark of eCeLLM [Peng et al., ICML 2024]: ten tasks, in and out of domain, seen and unseen
instructions.

A task of results.json is one of the ten in one setting, such as "PRP, out-of-domain, unseen instruction, 0-shot".
Questions have the wording of the file (shopbench/ecinstruct.py), with a worked example where --shots 1 asks for one.
Letters, yes or no and orders are held to their spaces; attribute values and answers are free text. Rows and settings
are read in rows.py, outputs in answers.py; scores.py and metrics.py score them.

--split chooses the rows; --drop-failed leaves unreadable answers to questions of letters and of yes or no out of the
scores, as the published script does (the paper counts them wrong, and so do we without it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Item, Options, Scored, TaskScores, places_by
from evaluation.suites.ecinstruct import scores
from evaluation.suites.ecinstruct.answers import option_letters, read_entries, read_letter, read_ranking, read_yes_no
from evaluation.suites.ecinstruct.rows import AskedRow, asked_rows, product_labels
from evaluation.suites.ecinstruct.scores import PRIMARY_METRICS, YES_NO
from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.number_list import NumberList
from models.spaces.one_of import OneOf
from shopbench.ecinstruct import render
from shopbench.sample import BadSample

OPTIONS = {"PRP": 3, "SA": 5, "SR": 20, "MPC": 4}
"""Tasks answered by a letter, and how many options they have where a row lists none."""
VALUE_TOKENS, ANSWER_TOKENS = 256, 100
"""Most tokens of a list of values (the longest of 97 real ones has about 200) and, as published, of an answer."""


class ECInstruct(Benchmark):
    """The benchmark; see the module's docstring."""

    name = "ecinstruct"
    title = "ECInstruct"
    questions = "ECInstruct's JSON file or its folder"
    options = ("split", "shots", "drop_failed")

    def read(self, path: Path, options: Options) -> list[Item]:
        """The rows of a file or folder, task by task in the paper's order; a BadSample for one that is none."""
        asked = asked_rows(path, options)
        labels = product_labels(path, asked)
        items = [_item(one, known) for one, known in zip(asked, labels, strict=True)]
        order = list(PRIMARY_METRICS)
        return sorted(items, key=lambda item: (item.group, order.index(item.details["task"])))

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        """Read and score each output, a task at a time."""
        missing: dict[str, str] = {}
        scored: dict[int, Scored] = {}
        for places in places_by(items, lambda item: item.task).values():
            chosen, answers = [items[place] for place in places], [outputs[place] for place in places]
            scored.update(zip(places, scores.score_answers(chosen, answers, missing), strict=True))
        return [scored[place] for place in range(len(items))], missing

    def score_task(self, scored: Sequence[Scored], options: Options) -> TaskScores:
        """All metrics that the paper has for the task."""
        return scores.score_task(scored, options.drop_failed)


def _item(asked: AskedRow, labels: dict[str, str] | None) -> Item:
    space, truth = _space(asked)
    details: dict[str, Any] = {"task": asked.task}
    if asked.task == "QPR":
        details |= {"assumed": labels is None, "labels": labels or dict(zip(truth, "ESCI" + "I" * 22, strict=False))}
    return Item(
        task=f"{asked.task}, {asked.group}",
        text=render(asked.row, asked.example),
        truth=truth,
        space=space,
        group=asked.group,
        details=details,
    )


def _space(asked: AskedRow) -> tuple[AnswerSpace, Any]:
    """What may be answered, and the truth; a BadSample where the row's output is neither."""
    output = asked.row["output"]
    if asked.task == "AG":
        return FreeText(ANSWER_TOKENS), output.strip()
    if asked.task == "AVE":
        entries = read_entries(output)
        return FreeText(VALUE_TOKENS), [asdict(entry) for entry in _wanted(asked, entries)]
    if asked.task in YES_NO:
        return OneOf(("yes", "no")), _wanted(asked, read_yes_no(output))
    if asked.task == "QPR":
        truth = _wanted(asked, read_ranking(output))
        return NumberList(tuple(sorted(truth)), len(truth)), truth
    letters = list(option_letters(asked.row, OPTIONS[asked.task]))
    return OneOf(tuple(letters)), _wanted(asked, read_letter(output, letters))


def _wanted(asked: AskedRow, truth: Any) -> Any:
    if truth is None:
        raise BadSample(
            f"{asked.where}: output {asked.row['output']!r:.60} is no answer of {asked.row['task']}; mend it"
        )
    return truth


ECINSTRUCT = ECInstruct()
