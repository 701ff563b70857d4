"""ShopBench, the benchmark of KDD Cup 2024, asked and scored as the competition's hidden evaluator does.

The model sees the question's text and whether it is multiple choice, nothing else; a batch never mixes multiple
choice with the rest. The score is the mean over tasks (the starter kit's rule; the winning solution's paper, section 2,
says over questions, a mean that results.json holds too). Task types and tracks are means over their tasks as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from evaluation.benchmark import Benchmark, Groups, Item, Model, Options, Scored, TaskScores, places_by
from evaluation.scoring import check_sample, score_by_metric, task_score
from shopbench.answers import parse
from shopbench.files import default_questions
from shopbench.sample import BadSample, Sample, read_samples
from shopbench.tasks import TaskType
from shopbench.tracks import TRACKS, Track

ALL_AROUND = TRACKS[5]


class ShopBench(Benchmark):
    name = "shopbench"
    title = "ShopBench"
    questions = "a JSON-lines file of ShopBench questions"
    options = ("track", "enforce_limits")
    method = "batch_predict"

    def default_questions(self) -> Path:
        return default_questions()

    def read(self, path: Path, options: Options) -> list[Item]:
        """The questions of a file, or those of one track; All-Around is all of them."""
        samples = read_samples(path, check_sample)
        if options.track not in (None, ALL_AROUND.number):
            samples = [sample for sample in samples if sample.track == TRACKS[options.track].challenge_id]
            if not samples:
                raise BadSample(
                    f"{path}: holds no questions of track {options.track}; leave out --track or give another file"
                )
        return items_of(samples[: options.limit])

    def batch_kind(self, item: Item) -> int:
        return int(not item.is_multiple_choice)

    def ask(self, model: Model, items: Sequence[Item]) -> list[str]:
        return model.batch_predict({"prompt": [item.text for item in items]}, items[0].is_multiple_choice)

    def seconds_allowed(self, item: Item) -> float:
        """A question's share of its track's time."""
        track = item.track or ALL_AROUND
        return track.minutes * 60 / track.questions

    def load_metrics(self, items: Sequence[Item]) -> None:
        """Score an empty answer by each of the items' metrics."""
        one_of_each = {item.metric: item for item in items}
        self.score_answers(list(one_of_each.values()), [""] * len(one_of_each))

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        return score_by_metric(items, outputs, parse)

    def score_task(self, scored: Sequence[Scored]) -> TaskScores:
        """One metric; named by all of them if the task's questions have several."""
        metric = ", ".join(dict.fromkeys(one.item.metric for one in scored))
        return TaskScores(metric, {metric: task_score((one.item.metric, one.value) for one in scored)})

    def groupings(self, items: Sequence[Item]) -> dict[str, Groups]:
        """Tasks in natural order (task2 before task10), types in that of TaskType, and tracks by number.

        All-Around, which is all questions, is there too if they are of several tracks.
        """
        tasks = places_by(items, lambda item: item.task)
        types = places_by(items, lambda item: str(item.task_type))
        tracks = places_by(items, lambda item: str((item.track or ALL_AROUND).number))
        if len(tracks) > 1:
            tracks[str(ALL_AROUND.number)] = list(range(len(items)))
        return {
            "per_task": {name: tasks[name] for name in sorted(tasks, key=_natural)},
            "per_type": {name: types[name] for name in map(str, TaskType) if name in types},
            "per_track": {name: tracks[name] for name in sorted(tracks)},
        }


def items_of(samples: Iterable[Sample]) -> list[Item]:
    return [
        Item(
            task=sample.task_name,
            text=sample.input_field,
            truth=list(sample.output_field) if isinstance(sample.output_field, tuple) else sample.output_field,
            task_type=sample.task_type,
            is_multiple_choice=sample.is_multiple_choice,
            metric=sample.metric,
            track=track_of_sample(sample),
        )
        for sample in samples
    ]


def track_of_sample(sample: Sample) -> Track:
    """The track a question says it belongs to; All-Around if it names none of the five."""
    return next((track for track in TRACKS.values() if track.challenge_id == sample.track), ALL_AROUND)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", name)]


SHOPBENCH = ShopBench()
