"""On a real engine: the winners' way to ask, a call that is cut, and what processors let through."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu.kinds import ByTaskType
from benchmarks.gpu.running import Running, cut_call, numbers_only, requests_of, timed
from benchmarks.inference import ask
from models.serving import Serving
from models.user_config import UserModel
from shopbench.errors import UserError
from shopbench.sample import Sample, read_samples


@pytest.fixture(scope="module")
def samples(repository: Path) -> list[Sample]:
    return read_samples(repository / "data/sample_questions.jsonl")[::15]


@pytest.fixture(scope="module")
def started(real_model: UserModel) -> Running:
    engine = real_model.engine
    return Running(Serving(engine.settings, real_model.behaviour), engine, {})  # type: ignore[arg-type, attr-defined]


@pytest.mark.engine
def test_a_call_for_each_task_type_gives_the_same_kinds_of_answers(
    started: Running, real_model: UserModel, samples: list[Sample]
) -> None:
    found = timed(started, ByTaskType(real_model), samples, ask)
    assert len(found["answers"]) == len(samples) and all(found["answers"])
    assert found["questions_per_s"] > 0 and found["decode_steps"] > 0
    assert found["stats"]["questions"] == len(samples)


@pytest.mark.engine
def test_a_call_that_is_cut_comes_back_and_the_engine_goes_on(started: Running, samples: list[Sample]) -> None:
    assert 0 < cut_call(started, samples) < 5
    good, total = numbers_only(started, samples)
    asked = requests_of(started, samples)
    assert good <= total <= len(asked) <= len(samples)


@pytest.mark.engine
def test_answers_that_the_evaluator_s_deadline_cut_are_no_measurement(
    started: Running, real_model: UserModel, samples: list[Sample]
) -> None:
    class Late(ByTaskType):
        def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:
            self.stats["unfinished"] += 1
            return super().batch_predict(batch, is_multiple_choice)

    with pytest.raises(UserError, match="deadline"):
        timed(started, Late(real_model), samples[:2], ask)
