"""The same requests under Ray Data's LLM batch inference, beyond one machine (`--engine ray`; pip install "ray[llm]").

Ray pins a vLLM of its own, so it lives in an environment beside this one. RAY_ADDRESS names the cluster.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from typing import Any

from shopbench.errors import UserError
from training.synthesize.chat import ChatRequest, Reply


class RayModel:
    """A model that Ray's vLLM replicas serve, in batches; a UserError if Ray is not installed."""

    def __init__(self, model: str, replicas: int = 1) -> None:
        try:
            import ray
            from ray.data.llm import build_processor, vLLMEngineProcessorConfig
        except ImportError as error:
            raise UserError(
                f'--engine ray needs Ray with its LLM extra ({error.name}): pip install "ray[llm]" in an environment '
                "of its own, or leave --engine out"
            ) from None
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(log_to_driver=False, **({} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}))
        config = vLLMEngineProcessorConfig(
            model_source=model,
            engine_kwargs={"max_model_len": 4096, "enable_prefix_caching": True, "trust_remote_code": False},
            batch_size=64,
            concurrency=replicas,
            # FlashInfer's sampler, the default from sm_80 on, compiles itself with nvcc, which not every machine has.
            runtime_env={"env_vars": {"VLLM_USE_FLASHINFER_SAMPLER": "0"}},
            should_continue_on_error=True,
        )
        self._processor = build_processor(config, preprocess=to_row, postprocess=from_row)

    def answer(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        """Answers in the order of the requests; Ray gives them back in any."""
        found: dict[int, dict[str, Any]] = {}
        for structured in (True, False):  # a column has one type: rows with a schema and rows without do not mix
            rows = [row for row in map(request_row, itertools.count(), requests) if bool(row["schema"]) is structured]
            if rows:
                found |= {row["place"]: row for row in self._processor(self._ray.data.from_items(rows)).take_all()}
        return [reply_of(found.get(place)) for place in range(len(requests))]

    def close(self) -> None:
        """Leave the cluster, if this is what joined it."""
        if self._started:
            self._ray.shutdown()


def request_row(place: int, request: ChatRequest) -> dict[str, Any]:
    """A request as a Ray Data row; the schema is text, as a column of objects would mix those of all rows."""
    return {
        "place": place,
        "messages": request.messages,
        "schema": "" if request.schema is None else json.dumps(request.schema),
        "most_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }


def to_row(row: dict[str, Any]) -> dict[str, Any]:
    """What Ray's stages are given of a row: the chat and vLLM's sampling parameters."""
    sampling = {"max_tokens": row["most_tokens"], "temperature": row["temperature"], "seed": row["seed"]}
    if row["schema"]:
        sampling["structured_outputs"] = {"json": row["schema"]}
    return {"messages": row["messages"], "sampling_params": sampling}


def from_row(row: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a row when Ray's stages are through with it (failed rows do not come by here)."""
    names = ("place", "most_tokens", "generated_text", "num_input_tokens", "num_generated_tokens")
    return {name: row[name] for name in names}


def reply_of(row: dict[str, Any] | None) -> Reply:
    """A row from Ray as a Reply; one that failed or is missing counts as refused."""
    problem = "Ray gave no answer" if row is None else row.get("__inference_error__")
    if row is None or problem:
        return Reply(str(problem)[:300], "refused")
    finish = "length" if row["num_generated_tokens"] >= row["most_tokens"] else "stop"
    return Reply(row["generated_text"], finish, row["num_input_tokens"], row["num_generated_tokens"])
