"""Two workers: one answers as two do, a worker's death is noticed; and weights that vLLM refuses get one line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from models.engine.process import Engine
from models.engine.requests import EngineDied, Request
from models.serving import Serving
from models.settings import Behaviour
from models.spaces.free_text import FreeText
from models.weights import check_weights
from shopbench.files import read_json_if_any, write_json

pytestmark = pytest.mark.engine

REQUESTS = [Request(list(range(10, 20 + place)), FreeText(8)) for place in range(3)]
SIZES = {"hidden_size": 128, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model("qwen2", tie_word_embeddings=True, **SIZES)


def started(folder: Path, parts: int, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("SHOPBENCH_DTYPE", "float32")
    monkeypatch.setenv("SHOPBENCH_TENSOR_PARALLEL", str(parts))
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "|".join(map(str, range(parts))))
    return Serving.of(check_weights(folder), Behaviour()).start_engine()


@pytest.fixture
def two_workers(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core: no place for two workers")
    with closing(started(model, 2, monkeypatch)) as engine:
        yield engine


def test_two_workers_answer_as_one_does(model: Path, two_workers: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(started(model, 1, monkeypatch)) as engine:  # both start at once: mostly each uses one core
        two_workers.wait_until_ready()
        assert len(two_workers.process_ids()) >= 3, "vLLM's core and two workers"
        of_two = two_workers.generate(REQUESTS, 60)
        engine.wait_until_ready()
        assert engine.generate(REQUESTS, 60) == of_two
    assert all(one.finished and one.token_ids for one in of_two)

    processes = [psutil.Process(number) for number in two_workers.process_ids()]
    os.kill(two_workers.process_ids()[-1], signal.SIGKILL)
    with pytest.raises(EngineDied):
        two_workers.generate(REQUESTS, 60)
    two_workers.close(patience=0.0)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive


def test_weights_that_vllm_refuses_get_one_line(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "unknown"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "config.json").unlink()
    write_json(
        folder / "config.json", {**read_json_if_any(model / "config.json"), "architectures": ["NobodyKnowsThis"]}
    )
    with (
        closing(started(folder, 1, monkeypatch)) as engine,
        pytest.raises(EngineDied, match="NobodyKnowsThis") as raised,
    ):
        engine.wait_until_ready()
    assert "\n" not in str(raised.value)
    assert engine.process_ids() == []
