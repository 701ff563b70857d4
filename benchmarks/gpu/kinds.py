"""What the steps do, each in its own process: ask an engine, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.gpu.models import Models, adapter_merge
from benchmarks.gpu.running import PATIENCE, cut_call, numbers_only, requests_of, running, timed
from benchmarks.gpu.shaped import measure
from benchmarks.gpu.steps import Step
from benchmarks.inference import ask
from evaluation.benchmark import Model
from models.shopbench_model import ShopBenchModel
from shopbench.errors import UserError
from shopbench.question import Question
from shopbench.sample import Sample

_MOST_AT_ONCE = 256
"""Sequences, as vLLM itself allows."""


def run(step: Step, models: Models, samples: Sequence[Sample]) -> dict[str, Any]:
    """What a step found; UserError where it could not be done."""
    return KINDS[step.kind](step, models, samples)


def answers(step: Step, models: Models, samples: Sequence[Sample]) -> dict[str, Any]:
    """Answers and questions a second of the model as it is served; then a call that is cut, and one after it."""
    with running(models.weights(step.weights), step) as started:
        model = started.model()
        found = timed(started, model, samples, ask)
        found["cut_call_s"] = cut_call(started, samples)
    return started.facts | found


def winners(step: Step, models: Models, samples: Sequence[Sample]) -> dict[str, Any]:
    """The winners' flow; UserError if their processors let anything but numbers into an answer of numbers."""
    with running(models.weights(step.weights), step) as started:
        found = timed(started, ByTaskType(started.model()), samples, ask)
        good, total = numbers_only(started, samples)
    if good < total:
        raise UserError(f"{total - good} of {total} answers that should be numbers hold something else")
    return started.facts | found


def plain(step: Step, models: Models, samples: Sequence[Sample]) -> dict[str, Any]:
    """All questions in one call of an engine that takes them all at once; only the time counts."""
    with running(models.weights(step.weights), step, sequences=min(len(samples), _MOST_AT_ONCE)) as started:

        def call(model: Model, asked: Sequence[Sample]) -> tuple[list[str], float]:
            requests = requests_of(started, asked)
            began = time.perf_counter()
            completions = started.engine.generate(requests, PATIENCE)
            took = time.perf_counter() - began
            if not all(completion.finished for completion in completions):
                raise UserError(f"not all questions were answered in {PATIENCE:.0f} s")
            return [], took

        found = timed(started, started.model(), samples, call)
    return started.facts | {"questions_per_s": found["questions_per_s"]}


def lora(step: Step, models: Models, samples: Sequence[Sample]) -> dict[str, Any]:
    """Answers with an adapter beside its base; `others` has those of the merged weights."""
    merge, merged = adapter_merge(), models.weights("merged")
    named_by, (rank,) = merge.answer_by(), merge.ranks()
    with running(models.weights(step.weights), step, named_by, lora_rank=rank) as started:
        found = timed(started, started.model(merge.adapters[0].folder), samples, ask)
    with running(merged, step) as alone:
        whole = timed(alone, alone.model(), samples, ask)
    found["merged_questions_per_s"] = whole["questions_per_s"]
    return started.facts | found | {"others": {"merged": whole["answers"]}}


def shaped(step: Step, models: Models, samples: Sequence[Sample]) -> dict[str, Any]:
    """Times of a large model's sizes; its answers mean nothing."""
    weights = models.weights(step.weights)
    with running(weights, step) as started:
        found = measure(started.engine, weights, started.serving.settings)
    return started.facts | found


KINDS = {"answers": answers, "winners": winners, "plain": plain, "lora": lora, "shaped": shaped}


class ByTaskType:
    """A model of which each batch is asked in one call for each task type in it, as the winners asked."""

    def __init__(self, model: ShopBenchModel) -> None:
        self._model = model
        self.stats = model.stats
        self.get_batch_size = model.get_batch_size
        self.answer = model.answer

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        """Answers in the batch's order."""
        questions: list[str] = batch["prompt"]
        types = [Question.read(text, is_multiple_choice).task_type for text in questions]
        found = [""] * len(questions)
        for one in dict.fromkeys(types):
            places = [place for place, task_type in enumerate(types) if task_type is one]
            prompts = [questions[place] for place in places]
            for place, text in zip(
                places, self._model.batch_predict({"prompt": prompts}, is_multiple_choice), strict=True
            ):
                found[place] = text
        return found
