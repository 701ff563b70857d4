"""Two workers: one answers as two do, a worker's death is noticed; and weights that vLLM refuses get one line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from models.engine.process import Engine
from models.engine.requests import EngineDied, Request
from models.serving import Serving
from models.settings import Behaviour
from models.spaces.free_text import FreeText
from models.user_config import UserModel
from models.weights import check_weights
from shopbench.files import read_json_if_any, write_json

pytestmark = pytest.mark.engine

REQUESTS = [Request(list(range(10, 20 + place)), FreeText(8)) for place in range(3)]


def started(folder: Path, parts: int, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("SHOPBENCH_DTYPE", "float32")
    monkeypatch.setenv("SHOPBENCH_TENSOR_PARALLEL", str(parts))
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "|".join(map(str, range(parts))))
    return Serving.of(check_weights(folder), Behaviour()).start_engine()


@pytest.fixture
def two_workers(made_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core: no place for two workers")
    with closing(started(made_weights, 2, monkeypatch)) as engine:
        yield engine


def test_two_workers_answer_as_one_does(two_workers: Engine, made_model: UserModel) -> None:
    two_workers.wait_until_ready()
    assert len(two_workers.process_ids()) >= 3, "vLLM's core and two workers"
    of_two = two_workers.generate(REQUESTS, 60)
    assert made_model.engine.generate(REQUESTS, 60) == of_two
    assert all(one.finished and one.token_ids for one in of_two)

    processes = [psutil.Process(number) for number in two_workers.process_ids()]
    os.kill(two_workers.process_ids()[-1], signal.SIGKILL)
    with pytest.raises(EngineDied):
        two_workers.generate(REQUESTS, 60)
    two_workers.close(patience=0.0)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive


def test_weights_that_vllm_refuses_get_one_line(
    made_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "unknown"
    folder.mkdir()
    for path in made_weights.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "config.json").unlink()
    write_json(
        folder / "config.json", {**read_json_if_any(made_weights / "config.json"), "architectures": ["NobodyKnowsThis"]}
    )
    with (
        closing(started(folder, 1, monkeypatch)) as engine,
        pytest.raises(EngineDied, match="NobodyKnowsThis") as raised,
    ):
        engine.wait_until_ready()
    assert "\n" not in str(raised.value)
    assert engine.process_ids() == []
