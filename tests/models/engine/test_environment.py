"""What stands in the environment of the engine's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.engine import environment
from models.engine.environment import engine_environment, processors
from models.settings import EngineSettings, SettingsError


def settings(**changes: Any) -> EngineSettings:
    given = {"on_gpu": False, "tensor_parallel": 1, "dtype": "bfloat16", "context": 512, "block_size": 32}
    return EngineSettings(**{"weights": Path("w"), "eager": True, "sequences": 16, **given, **changes})  # type: ignore[arg-type]


def test_what_must_be_is_and_what_the_user_set_stays() -> None:
    made = engine_environment(settings(), {"VLLM_ENABLE_V1_MULTIPROCESSING": "1", "KMP_BLOCKTIME": "7", "A": "b"})
    assert made["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert (made["KMP_BLOCKTIME"], made["A"]) == ("7", "b")


def test_one_process_computes_with_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    assert 1 <= int(engine_environment(settings(), {})["OMP_NUM_THREADS"]) <= cores
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    assert engine_environment(settings(), {})["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("listed", "found"), [("0", {0}), ("0-2,5", {0, 1, 2, 5}), ("nobind", os.sched_getaffinity(0))]
)
def test_processors_may_be_listed_as_for_vllm(listed: str, found: set[int]) -> None:
    assert processors({"VLLM_CPU_OMP_THREADS_BIND": listed}) == found


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="VLLM_CPU_OMP_THREADS_BIND=0,x: must list"):
        engine_environment(settings(), {"VLLM_CPU_OMP_THREADS_BIND": "0,x"})


def test_cores_may_be_kept_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_siblings", str)
    ours = {"VLLM_CPU_OMP_THREADS_BIND": "0-7", "VLLM_CPU_NUM_OF_RESERVED_CPU": "3"}
    assert engine_environment(settings(), ours)["OMP_NUM_THREADS"] == "5"
    monkeypatch.setattr(environment, "_siblings", lambda number: str(number // 2))  # two threads a core
    assert engine_environment(settings(), ours)["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("changes", [{"tensor_parallel": 2}, {"on_gpu": True}])
def test_vllm_gives_its_own_workers_their_cores(changes: dict[str, Any]) -> None:
    assert "OMP_NUM_THREADS" not in engine_environment(settings(**changes), {})


def test_gpus_need_nothing_of_what_cpus_do() -> None:
    made = engine_environment(settings(on_gpu=True), {})
    assert not {"MALLOC_TRIM_THRESHOLD_", "KMP_BLOCKTIME", "LD_PRELOAD"} & set(made)


SAMPLER = "VLLM_USE_FLASHINFER_SAMPLER"
"""FlashInfer's would compile itself with nvcc on every GPU from sm_80 on; the image has no compiler."""


def test_vllm_samples_without_flashinfer() -> None:
    for on_gpu in (False, True):
        assert engine_environment(settings(on_gpu=on_gpu), {})[SAMPLER] == "0"
    assert engine_environment(settings(on_gpu=True), {SAMPLER: "1"})[SAMPLER] == "1", "what the user says stays"


@pytest.mark.engine
def test_vllm_reads_which_sampler_and_tells_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm import envs
    from vllm.ray.ray_env import get_env_vars_to_copy

    for value in ("0", "1"):
        monkeypatch.setenv(SAMPLER, value)
        assert getattr(envs, SAMPLER) is (value == "1")
        assert SAMPLER in get_env_vars_to_copy()


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({"cpu.max": "200000 100000"}, "2"),
        ({"cpu.max": "50000 100000"}, "1"),
        ({"cpu.max": "max 100000"}, "6"),
        ({"cpu.max": "900000 100000"}, "6"),
        ({"cpu/cpu.cfs_quota_us": "350000", "cpu/cpu.cfs_period_us": "100000"}, "3"),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "6"),
        ({}, "6"),
    ],
)
def test_a_container_gets_no_more_threads_than_processors_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], threads: str
) -> None:
    monkeypatch.setattr(environment, "_siblings", str)
    monkeypatch.setattr(environment, "_CGROUP", tmp_path)
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    made = engine_environment(settings(), {"VLLM_CPU_OMP_THREADS_BIND": "0-5"})
    assert made["OMP_NUM_THREADS"] == threads


def test_standard_files_that_are_closed_are_opened() -> None:
    """Else the engine's own socket would stand in their place, or vLLM, which writes to them, not start."""
    code = (
        "import os, subprocess, sys; from models.engine.process import _open_standard_files as o; o(); "
        "sys.exit(subprocess.run([sys.executable, '-c', 'import os, sys; print(1, flush=True); sys.stdin.read()'])"
        ".returncode or os.open(os.devnull, os.O_RDONLY) < 3)"
    )
    command = f'exec "{sys.executable}" -c "{code}" <&- >&-'
    told = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert told.returncode == 0, told.stderr
