"""Shopping MMLU, ShopBench's public release (57 tasks of four skills), in the form in which it is published.

files.py says what is read. Every question is asked as ShopBench's are, with its type's answer space. A task's score is
its metric of shopbench/metrics.py, two ways: by the benchmark's own looser reading of an answer (under the metric's
name; the score, comparable with its leaderboard), and as the evaluator of KDD Cup 2024 reads it (shopbench/answers.py;
under "competition"). Tasks are averaged within their skill, then the skills, as on the leaderboard.

How the published scripts (task_wise_eval, skill_wise_eval/metrics.py) read an answer:
- multiple choice: the first digit, wherever it stands (the competition: the first character).
- retrieval, ranking: the first line's parts between commas that are whole numbers ("No. 1, 2" holds one; the
  competition drops all letters first and reads two). A ranking may repeat an item, whose gain then counts again,
  and is cut to the length of the truth.
- entities: the first line between commas; a Python list is not read as one.
- texts: as the competition.
Where the scripts differ among themselves (skill_wise_eval wants the choice in the first place, and splits all lines
of a retrieval answer, so its last number is lost before a line end), this follows task_wise_eval. A number below 0
is no item here; there it counts from the end of the list, or ends the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Item, Options, Scored, TaskScores, grouped
from evaluation.scoring import score_by_metric
from evaluation.suites.shopbench import items_of
from evaluation.suites.shopping_mmlu.files import read_folder
from models.planning import answer_space
from shopbench.answers import parse
from shopbench.metrics import METRICS
from shopbench.question import Question
from shopbench.sample import BadSample, Sample
from shopbench.tasks import TaskType
from shopbench.tracks import TRACKS

COMPETITION = "competition"
_NAMES = {track.challenge_id: track.name for track in TRACKS.values()}


class ShoppingMMLU(Benchmark):
    name = "shopping_mmlu"
    title = "Shopping MMLU"
    questions = "the unpacked data folder of Shopping MMLU (csv files of multiple choice, json files of all else)"
    averages = "groups"

    def read(self, path: Path, options: Options) -> list[Item]:
        """The questions of every file under `path`; those of one task follow each other."""
        samples = read_folder(path)
        if not samples:
            raise BadSample(f"{path}: holds no questions; give {self.questions}")
        tasks = grouped(samples, lambda sample: (sample.task_name, sample.track, sample.metric))
        namesakes = Counter(task for task, _, _ in tasks)
        items = []
        for (task, track, metric), own in tasks.items():
            skill = _NAMES.get(track, track or "no skill named")
            name = task if namesakes[task] == 1 else f"{task} ({skill}, {metric})"
            items += [_item(name, skill, sample) for sample in own[: options.limit]]
        return items

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        """Every answer read as published; `details` is its metric's value as the competition reads it."""
        published, missing = score_by_metric(items, outputs, parse_loosely)
        competition, _ = score_by_metric(items, outputs, parse)
        return [replace(one, details=other.value) for one, other in zip(published, competition, strict=True)], missing

    def score_task(self, scored: Sequence[Scored]) -> TaskScores:
        metric = scored[0].item.metric
        readings = {metric: [one.value for one in scored], COMPETITION: [one.details for one in scored]}
        return TaskScores(metric, {name: _aggregate(metric, scores) for name, scores in readings.items()})


def parse_loosely(task_type: TaskType, text: str) -> Any:
    """The answer that the published scripts read, in the forms of shopbench.answers.parse."""
    if task_type is TaskType.MULTIPLE_CHOICE:
        return next((int(character) for character in text if character in "0123456789"), -1)
    if task_type is TaskType.GENERATION:
        return parse(task_type, text)
    line = text.strip().split("\n")[0]
    parts = line.split(",")
    if task_type is TaskType.NER:
        return [part.strip(" ") for part in parts if part]
    numbers = [number for part in parts if (number := _whole_number(part)) is not None]
    return numbers[:3] if task_type is TaskType.RETRIEVAL else numbers


def _whole_number(text: str) -> int | None:
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number >= 0 else None


def _item(task: str, skill: str, sample: Sample) -> Item:
    question = Question.read(sample.input_field, sample.is_multiple_choice).as_type(sample.task_type)
    [item] = items_of([sample])
    return replace(item, task=task, group=skill, space=answer_space(question), track=None)


def _aggregate(metric: str, scores: Sequence[Any]) -> float | None:
    """A task's score; None where the metric's model is missing."""
    if any(score is None for score in scores):
        return None
    return METRICS[metric].aggregate(scores)


SHOPPING_MMLU = ShoppingMMLU()
