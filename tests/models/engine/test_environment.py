"""What stands in the environment of the engine's process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from models.engine.environment import engine_environment
from models.settings import EngineSettings


def settings(**changes: Any) -> EngineSettings:
    given = {"on_gpu": False, "tensor_parallel": 1, "dtype": "bfloat16", "context": 512, "block_size": 32}
    return EngineSettings(**{"weights": Path("w"), "eager": True, "sequences": 16, **given, **changes})  # type: ignore[arg-type]


def test_what_must_be_is_and_what_the_user_set_stays() -> None:
    environment = engine_environment(
        settings(), {"VLLM_ENABLE_V1_MULTIPROCESSING": "1", "KMP_BLOCKTIME": "7", "A": "b"}
    )
    assert environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert (environment["KMP_BLOCKTIME"], environment["A"]) == ("7", "b")


def test_one_process_computes_with_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    assert 1 <= int(engine_environment(settings(), {})["OMP_NUM_THREADS"]) <= cores
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    assert engine_environment(settings(), {})["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("changes", [{"tensor_parallel": 2}, {"on_gpu": True}])
def test_vllm_gives_its_own_workers_their_cores(changes: dict[str, Any]) -> None:
    assert "OMP_NUM_THREADS" not in engine_environment(settings(**changes), {})


def test_gpus_need_nothing_of_what_cpus_do() -> None:
    environment = engine_environment(settings(on_gpu=True), {})
    assert not {"MALLOC_TRIM_THRESHOLD_", "KMP_BLOCKTIME", "LD_PRELOAD"} & set(environment)
