"""An engine as a step wants it: started, timed, and asked."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.gpus import memory_used
from benchmarks.gpu.steps import Step
from models import settings
from models.engine.process import Engine
from models.engine.requests import Request
from models.planning import Planner
from models.serving import Serving
from models.shopbench_model import ShopBenchModel
from models.weights import Weights, answer_by
from shopbench.errors import UserError
from shopbench.sample import Sample
from training.sweep.engine import WithAdapter

_OTHERWISE = "Please note. "
"""Before a question it makes another of the same size, whose beginning is in no cache."""
PATIENCE = 600.0
Call = Callable[[Any, Sequence[Sample]], tuple[list[str], float]]
"""Asks a model; answers, and seconds."""
_SOON = 0.02
"""Seconds after which a call is cut, to see that it comes back at once and that the engine goes on."""


@dataclasses.dataclass
class Running:
    """An engine that can be asked, and what became of its start."""

    serving: Serving
    engine: Engine
    facts: dict[str, Any]

    def model(self, adapter: Path | None = None) -> ShopBenchModel:
        """The submitted model's code on this engine, with an adapter where one is named."""
        return self.serving.model_on(WithAdapter(self.engine, adapter) if adapter else self.engine)

    @property
    def on_gpu(self) -> bool:
        """Whether kernels may be compiled when they are first used, and must be before anything is timed."""
        return self.serving.settings.on_gpu


@contextlib.contextmanager
def running(weights: Weights, step: Step, named_by: str | None = None, **changes: Any) -> Iterator[Running]:
    """An engine on the weights as the environment and the step say; `changes` are of its settings."""
    behaviour = settings.behaviour(trained_for=named_by or answer_by(weights.folder))
    serving = Serving.of(weights, behaviour)
    changed = dataclasses.replace(serving.settings, vllm_options=step.vllm_options, **changes)
    serving = dataclasses.replace(serving, settings=changed)
    began = time.perf_counter()
    with contextlib.closing(serving.start_engine()) as engine:
        engine.wait_until_ready()
        facts: dict[str, Any] = {"start_s": round(time.perf_counter() - began, 1)}
        facts["settings"] = {
            name: str(value) for name, value in dataclasses.asdict(changed).items() if name != "weights"
        }
        yield Running(serving, engine, facts)
        if changed.on_gpu:
            facts["gpu_memory_mib"] = memory_used()


def timed(started: Running, model: Any, samples: Sequence[Sample], call: Call) -> dict[str, Any]:
    """Answers, and questions a second; on a GPU after other questions of the same sizes."""
    if started.on_gpu:
        call(model, [dataclasses.replace(one, input_field=_OTHERWISE + one.input_field) for one in samples])
    before, steps, counts = dict(started.engine.seconds), started.engine.decode_steps, dict(model.stats)
    found, seconds = call(model, samples)
    stats = {name: count - counts.get(name, 0) for name, count in model.stats.items()}
    if stats.get("unfinished") or stats.get("restarts"):
        raise UserError(f"answers were cut by the evaluator's deadline, or the engine died: {stats}")
    return {
        "questions_per_s": round(len(samples) / seconds, 2),
        "engine_s": {name: round(spent - before[name], 3) for name, spent in started.engine.seconds.items()},
        "decode_steps": started.engine.decode_steps - steps,
        "stats": {name: count for name, count in stats.items() if count},
        "answers": found,
    }


def cut_call(started: Running, samples: Sequence[Sample]) -> float:
    """Seconds after which a call that is cut almost at once comes back; UserError if the next one is not answered."""
    others = [dataclasses.replace(sample, input_field=f"Now. {sample.input_field}") for sample in samples]
    requests = requests_of(started, others)
    began = time.perf_counter()
    started.engine.generate(requests, _SOON)
    took = time.perf_counter() - began
    if not all(completion.finished for completion in started.engine.generate(requests[:4], PATIENCE)):
        raise UserError("after a call that was cut the engine did not answer the next one")
    return round(took, 3)


def numbers_only(started: Running, samples: Sequence[Sample]) -> tuple[int, int]:
    """Of what is generated for questions whose answers are numbers: how much is digits, commas and blanks; and all."""
    requests = [one for one in requests_of(started, samples) if "highest" in one.space.winners_request]
    completions = started.engine.generate(requests, PATIENCE)
    texts = [started.serving.tokenizer.decode(one.token_ids, skip_special_tokens=True) for one in completions]
    return sum(set(text) <= set("0123456789, ") for text in texts), len(texts)


def requests_of(started: Running, samples: Sequence[Sample]) -> list[Request]:
    """What the model asks of its engine for these questions, but for those whose answer is known beforehand."""
    serving = started.serving
    planner = Planner(serving.tokenizer, serving.settings.context, serving.behaviour.answer_by)
    plans = [planner.plan(sample.input_field, sample.is_multiple_choice) for sample in samples]
    return [Request(plan.prompt, plan.space) for plan in plans if plan.space.max_tokens]
