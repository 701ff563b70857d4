"""Milliseconds a prompt token and a decode step of a large model's sizes, against tools/budget's projection."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.gpu.gpus import gpu_of, names
from models.engine.process import Engine
from models.engine.requests import Request
from models.settings import EngineSettings
from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.one_digit import OneDigit
from models.weights import Weights
from tools.budget.devices import CASES, Gpu
from tools.budget.projection import decode_step_seconds, prefill_seconds
from tools.budget.roofline import Shape
from tools.budget.workload import BatchLoad, QuestionLoad

QUESTIONS, PROMPT, ANSWER = 16, 256, 50
"""A full batch of prompts of the usual length: exactly the 4,096 tokens of one step."""
_ROUNDS = 4
_FIRST_WORD = 1000
"""Tokens below may be special ones."""
_PATIENCE = 300.0


def measure(engine: Engine, weights: Weights, settings: EngineSettings) -> dict[str, Any]:
    """`measured` and, for a GPU that tools/budget knows, `projected` milliseconds: a prompt token, a decode step."""
    rng = random.Random(1)
    words = int(weights.config["vocab_size"])

    def call(space: AnswerSpace) -> tuple[float, float]:
        prompts = [[rng.randrange(_FIRST_WORD, words) for _ in range(PROMPT)] for _ in range(QUESTIONS)]
        return milliseconds(engine, [Request(prompt, space) for prompt in prompts])

    rounds = [(call(OneDigit((0, 1)))[0], call(FreeText(ANSWER))[1]) for _ in range(_ROUNDS)][1:]
    measured = [round(statistics.median(values), 4) for values in zip(*rounds, strict=True)]
    found: dict[str, Any] = {"measured_ms": dict(zip(("prompt_token", "decode_step"), measured, strict=True))}
    gpu = gpu_of(names()) if settings.on_gpu else None
    if gpu:
        found["projected_on"] = f"{settings.tensor_parallel} x {gpu.name}"
        found["projected_ms"] = projected(Shape.from_config(weights.config), gpu, settings.tensor_parallel)
    return found


def milliseconds(engine: Engine, requests: Sequence[Request]) -> tuple[float, float]:
    """Of the engine's steps in one call: a prompt token, a decode step (0 where there was none)."""
    before, steps = dict(engine.seconds), engine.decode_steps
    engine.generate(requests, _PATIENCE)
    tokens, steps = sum(len(request.prompt) for request in requests), engine.decode_steps - steps
    prefill, decode = (1e3 * (engine.seconds[phase] - before[phase]) for phase in ("prefill", "decode"))
    return prefill / tokens, decode / max(steps, 1)


def projected(shape: Shape, gpu: Gpu, parts: int) -> dict[str, list[float]]:
    """Milliseconds of the same batch in every case: pessimistic, typical, optimistic."""
    load = BatchLoad.of([QuestionLoad(PROMPT, PROMPT, ANSWER - 1, ANSWER - 1)] * QUESTIONS)
    devices = [gpu.sustained(case) for case in CASES]
    prefill = [prefill_seconds(shape, device, parts, load) / load.uncached_tokens for device in devices]
    decode = [decode_step_seconds(shape, device, parts, QUESTIONS, PROMPT + ANSWER / 2) for device in devices]
    return {
        "prompt_token": [round(1e3 * seconds, 4) for seconds in prefill],
        "decode_step": [round(1e3 * seconds, 2) for seconds in decode],
    }
