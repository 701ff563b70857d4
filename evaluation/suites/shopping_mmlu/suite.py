"""Shopping MMLU, ShopBench's public release (57 tasks of four skills), in the form in which it is published.

evaluation/suites/shopping_mmlu/files.py says what is read. Every question is asked as ShopBench's are, with its type's
answer space. A task's score is its metric of FACTS 1, two ways: by the benchmark's own looser reading of an answer
(under the metric's name; the headline, comparable with its leaderboard), and as the evaluator of KDD Cup 2024 reads
it (shopbench/answers.py; under "competition"). Tasks are averaged within their skill, then the skills, as on the
leaderboard.

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

Options heeded: limit (questions of each task), drop_failed (answers that cannot be read are left out).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shopbench.classify import Classified, classify

from evaluation.benchmark import Options, Question, Reading, Scores, Test
from evaluation.suites.shopping_mmlu.files import read_folder
from models.planning import answer_space
from shopbench.answers import parse
from shopbench.metrics import METRICS, ModelMissing, micro_f1
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from shopbench.tracks import TRACKS

COMPETITION = "competition"
_NAMES = {track.challenge_id: track.name for track in TRACKS.values()}


class ShoppingMMLU:
    """The benchmark; see the module's docstring."""

    name = "shopping_mmlu"
    wanted = "the unpacked data folder of Shopping MMLU (csv files of multiple choice, json files of all else)"
    averages = "groups"
    heeds = ("drop_failed",)

    def read(self, path: Path, options: Options) -> list[Question]:
        """The questions of every file under `path`; those of one task follow each other."""
        tasks: dict[tuple[str, str, str], list[Sample]] = {}
        for sample in read_folder(path):
            tasks.setdefault((sample.task_name, sample.track, sample.metric), []).append(sample)
        namesakes = Counter(task for task, _, _ in tasks)
        questions = []
        for (task, track, metric), samples in tasks.items():
            skill = _NAMES.get(track, track or "no skill named")
            test = task if namesakes[task] == 1 else f"{task} ({skill}, {metric})"
            questions += [_question(test, skill, sample) for sample in samples[: options.limit]]
        return questions

    def score(self, questions: Sequence[Question], outputs: Sequence[str], options: Options) -> Scores:
        """Both readings of every answer, and their scores; metrics whose model is missing are named."""
        answers = list(zip((question.task_type for question in questions), outputs, strict=True))
        loose = [parse_loosely(task_type, text) for task_type, text in answers]
        strict = [parse(task_type, text) for task_type, text in answers]
        missing: dict[str, str] = {}
        published, competition = (_raw_scores(questions, read, missing) for read in (loose, strict))
        readings = [
            Reading(read, read in (-1, [], ""), micro_f1([score]) if isinstance(score, tuple) else score)
            for read, score in zip(loose, published, strict=True)
        ]
        tests = {}
        for name in dict.fromkeys(question.test for question in questions):
            places = [place for place, question in enumerate(questions) if question.test == name]
            kept = [place for place in places if not (options.drop_failed and readings[place].failed)]
            metric = questions[places[0]].details["metric"]
            metrics = {
                metric: _aggregate(metric, [published[place] for place in kept]),
                COMPETITION: _aggregate(metric, [competition[place] for place in kept]),
            }
            tests[name] = Test(metric, metrics, sum(readings[place].failed for place in places))
        return Scores(readings, tests, missing)


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


def _question(test: str, skill: str, sample: Sample) -> Question:
    shown = classify(sample.input_field, sample.is_multiple_choice).options
    truth = list(sample.output_field) if isinstance(sample.output_field, tuple) else sample.output_field
    return Question(
        test=test,
        group=skill,
        text=sample.input_field,
        space=answer_space(sample.input_field, Classified(sample.task_type, shown)),
        truth=truth,
        task_type=sample.task_type,
        details={"metric": sample.metric},
    )


def _raw_scores(questions: Sequence[Question], read: Sequence[Any], missing: dict[str, str]) -> list[Any]:
    """The metrics' own values, None where a metric's model is missing; a metric at a time."""
    scores: list[Any] = [None] * len(questions)
    for metric in dict.fromkeys(question.details["metric"] for question in questions):
        places = [place for place, question in enumerate(questions) if question.details["metric"] == metric]
        truths = [questions[place].truth for place in places]
        try:
            found = METRICS[metric].score_many([read[place] for place in places], truths)
        except ModelMissing as error:
            missing[metric] = str(error)
            continue
        for place, score in zip(places, found, strict=True):
            scores[place] = score
    return scores


def _aggregate(metric: str, scores: Sequence[Any]) -> float | None:
    """A task's score; None where the metric's model is missing, 0 where no answer is left."""
    if any(score is None for score in scores):
        return None
    return METRICS[metric].aggregate(scores) if scores else 0.0


BENCHMARK = ShoppingMMLU()
