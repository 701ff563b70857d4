"""Shopping MMLU, ShopBench's public release (57 tasks of four skills), in the form in which it is published.

files.py says what is read. Every question is asked as ShopBench's are, with its type's answer space. Tasks are averaged
within their skill, then the skills, as on the leaderboard. A task's score is its metric of shopbench/metrics.py, of
answers read leniently (`parse_loosely`); under "competition" stands the same of answers as the evaluator of KDD Cup
2024 reads them (shopbench/answers.py). Lenient is:
- multiple choice: the first digit, wherever it stands (the competition: the first character).
- retrieval, ranking: the first line's parts between commas that are whole numbers, none below 0 ("No. 1, 2" holds one;
  the competition drops all letters first and reads two). A ranking is cut to the number of products; one that it
  repeats gains again.
- entities: the first line between commas; a Python list is not read as one.
- texts: as the competition.

Beside them stands what the published scripts give (evaluation/published/shopping_mmlu.py), which differ between
themselves and from the above: "skill_wise", from which the leaderboard comes, and "task_wise".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.benchmark import Benchmark, Item, Options, PublishedScores, Scored, TaskScores, grouped
from evaluation.published import Published, shopping_mmlu
from evaluation.scoring import score_by_metric
from evaluation.suites.shopbench import items_of
from evaluation.suites.shopping_mmlu.files import RATINGS, read_folder
from models.planning import answer_space
from models.spaces.one_digit import OneDigit
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
        tasks = grouped(samples, lambda pair: (pair[0].task_name, pair[0].track, pair[0].metric))
        namesakes = Counter(task for task, _, _ in tasks)
        items = []
        for (task, track, metric), own in tasks.items():
            skill = _NAMES.get(track, track or "no skill named")
            name = task if namesakes[task] == 1 else f"{task} ({skill}, {metric})"
            items += [_item(name, skill, sample, row) for sample, row in own[: options.limit]]
        return items

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        """Every answer read leniently; `details` is its metric's value as the competition reads it."""
        lenient, missing = score_by_metric(items, outputs, parse_loosely)
        competition, _ = score_by_metric(items, outputs, parse)
        return [replace(one, details=other.value) for one, other in zip(lenient, competition, strict=True)], missing

    def score_task(self, scored: Sequence[Scored]) -> TaskScores:
        metric = scored[0].item.metric
        readings = {metric: [one.value for one in scored], COMPETITION: [one.details for one in scored]}
        return TaskScores(metric, {name: _aggregate(metric, scores) for name, scores in readings.items()})

    def published(self, scored: Sequence[Scored]) -> PublishedScores:
        """Both of the authors' scripts on the answers; the leaderboard's is the one that counts."""
        first = scored[0].item
        rows, outputs = [one.item.details["row"] for one in scored], [one.output for one in scored]
        found = {
            reading: shopping_mmlu.score(first.task, "", reading, {"metric": first.metric}, rows, outputs)
            for reading in (shopping_mmlu.SKILL_WISE, shopping_mmlu.TASK_WISE)
        }
        metrics = {reading: given.metrics[first.metric] for reading, given in found.items()}
        parsed = [{reading: one.parsed[place] for reading, one in found.items()} for place in range(len(outputs))]
        undefined = "; ".join(f"{reading}: {one.undefined}" for reading, one in found.items() if one.undefined) or None
        return PublishedScores(shopping_mmlu.SKILL_WISE, Published(metrics, parsed, undefined))


def parse_loosely(task_type: TaskType, text: str) -> Any:
    """The answer read leniently, in the forms of shopbench.answers.parse."""
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


def _item(task: str, skill: str, sample: Sample, row: dict[str, Any]) -> Item:
    question = Question.read(sample.input_field, sample.is_multiple_choice).as_type(sample.task_type)
    is_rating = shopping_mmlu.RATING in task and sample.is_multiple_choice
    space = OneDigit(RATINGS) if is_rating else answer_space(question)
    [item] = items_of([sample])
    return replace(item, task=task, group=skill, space=space, track=None, details={"row": row})


def _aggregate(metric: str, scores: Sequence[Any]) -> float | None:
    """A task's score; None where the metric's model is missing."""
    if any(score is None for score in scores):
        return None
    return METRICS[metric].aggregate(scores)


SHOPPING_MMLU = ShoppingMMLU()
