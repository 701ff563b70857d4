"""What vLLM finds in the environment when we start it."""

from __future__ import annotations

import pytest

from models.engine.core import prepare_environment

SAMPLER = "VLLM_USE_FLASHINFER_SAMPLER"


def test_vllm_samples_without_flashinfer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would compile itself with nvcc on every GPU from sm_80 on; the image has no compiler."""
    monkeypatch.delenv(SAMPLER, raising=False)
    prepare_environment()
    from vllm import envs

    assert envs.VLLM_USE_FLASHINFER_SAMPLER is False
    monkeypatch.setenv(SAMPLER, "1")  # what the user says stays
    prepare_environment()
    assert envs.VLLM_USE_FLASHINFER_SAMPLER is True


def test_workers_on_a_ray_cluster_do_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SAMPLER, raising=False)
    prepare_environment()
    from vllm.ray.ray_env import get_env_vars_to_copy

    assert SAMPLER in get_env_vars_to_copy()
