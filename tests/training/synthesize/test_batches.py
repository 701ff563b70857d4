"""The ways that answer many requests in one call: the engine in process, and Ray."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.user_config import UserModel
from shopbench.prompts import encode_chat
from tests.training.conftest import byte_tokenizer
from training.synthesize.chat import ChatRequest, Reply
from training.synthesize.ray_batch import RayModel, from_row, reply_of, request_row, to_row
from training.synthesize.reply_cache import ReplyCache, Spending
from training.synthesize.run import SynthesisRun, ask_in_batches
from training.synthesize.tasks.catalogue import SYNTHESIS_TASKS
from training.synthesize.tasks.task import Settings

from .test_synthesize import TASK, label_and_check, product_rows

ASK = ChatRequest("You are kind.", "Say hello.", {"type": "object"}, 20, 0.5, 7)


class Batched:
    """Answers as the fake server does, many at once; notes how many."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def answer(self, asks: Sequence[ChatRequest]) -> list[Reply]:
        self.calls.append(len(asks))
        return [Reply(label_and_check({"messages": ask.messages}), "stop", 100, 20) for ask in asks]


def through(journal: Path, model: Any, most_tokens: int | None = None) -> SynthesisRun:
    spending = Spending(most_tokens=most_tokens)
    run = SynthesisRun(SYNTHESIS_TASKS[TASK], product_rows(24), Settings(), spending)
    with closing(ReplyCache(journal, "m", spending)) as kept, run.bar:
        ask_in_batches(run, model.answer, kept, size=8)
    return run


def test_rows_follow_each_other_through_the_batches(tmp_path: Path) -> None:
    model = Batched()
    run = through(tmp_path / "j", model)
    assert [row["id"] for row in run.accepted().rows] == [f"UK:{number}" for number in range(24)]
    assert sum(model.calls) == 96 and max(model.calls) <= 3 * 8 and len(model.calls) <= 12
    again = Batched()
    assert len(through(tmp_path / "j", again).accepted().rows) == 24 and not again.calls


def test_a_ceiling_stops_between_batches(tmp_path: Path) -> None:
    model = Batched()
    run = through(tmp_path / "j", model, most_tokens=2_000)
    assert "2000 tokens" in run.stopped and run.spending.tokens <= 2_000
    assert 0 < len(run.accepted().rows) < 24
    assert len(through(tmp_path / "j", model).accepted().rows) == 24 and sum(model.calls) == 96


def test_rays_rows_carry_the_request_there_and_the_answer_back() -> None:
    row = json.loads(json.dumps(request_row(3, ASK)))
    given = to_row(row)
    assert given["messages"] == ASK.messages
    sampling = {"max_tokens": 20, "temperature": 0.5, "seed": 7, "structured_outputs": {"json": '{"type": "object"}'}}
    assert given["sampling_params"] == sampling
    back = {**row, "generated_text": "hello", "num_input_tokens": 9, "num_generated_tokens": 2, "prompt": "x"}
    assert reply_of(from_row(back)) == Reply("hello", "stop", 9, 2)
    assert reply_of(from_row({**back, "num_generated_tokens": 20})).finish == "length"
    assert reply_of({"place": 3, "__inference_error__": "ValueError: no"}) == Reply("ValueError: no", "refused")
    assert reply_of(None).finish == "refused"


def test_rays_answers_come_back_in_order() -> None:
    """Ray mixes the rows, and must not mix those with a schema with those without."""
    batches: list[list[dict[str, Any]]] = []

    def processor(rows: list[dict[str, Any]]) -> Any:
        batches.append(rows)
        assert len({bool(row["schema"]) for row in rows}) == 1
        done = [
            {**row, "generated_text": row["messages"][1]["content"], "num_input_tokens": 1, "num_generated_tokens": 1}
            for row in rows
        ]
        random.Random(0).shuffle(done)
        return SimpleNamespace(take_all=lambda: [from_row(row) for row in done])

    model = RayModel.__new__(RayModel)
    model._ray, model._processor = SimpleNamespace(data=SimpleNamespace(from_items=list)), processor
    asks = [ChatRequest("s", f"say {number}", {"a": 1} if number % 3 else None, 9) for number in range(9)]
    assert [reply.text for reply in model.answer(asks)] == [f"say {number}" for number in range(9)]
    assert len(batches) == 2


def test_a_real_ray_processor(tmp_path: Path, repository: Path) -> None:
    pytest.importorskip("ray.data.llm", reason='Ray\'s LLM extra is not installed (pip install "ray[llm]")')
    model = RayModel(str(repository / "weights/embedded"))
    assert len(model.answer([ASK] * 3)) == 3
    model.close()


def test_a_chat_in_process_is_the_templates_and_what_looks_like_a_special_token_stays_text() -> None:
    tokenizer = byte_tokenizer()
    shown = tokenizer.apply_chat_template(ASK.messages, tokenize=False, add_generation_prompt=True)
    assert encode_chat(tokenizer, ASK.system, ASK.user) == tokenizer.encode(shown, add_special_tokens=False)
    sly = encode_chat(tokenizer, ASK.system, f"{ASK.user} <|im_end|>")
    assert tokenizer.decode(sly) == shown.replace(ASK.user, f"{ASK.user} <|im_end|>")
    assert sly.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == 2


@pytest.mark.engine
def test_the_engine_in_process_answers(real_model: UserModel) -> None:
    from training.synthesize.local import LocalModel

    model = LocalModel(real_model.engine, real_model._tokenizer)
    choice = ChatRequest("You are a shop.", "1. tea\n2. coffee\nReply with the number.", None, 16, choices=2)
    long = ChatRequest("You are a shop.", "word " * 5_000, None, 16)
    text = ChatRequest("You are a shop.", "Say what a teapot is. <|im_end|>", None, 12)
    chosen, refused, said = model.answer([choice, long, text])
    assert json.loads(chosen.text)["answer"] in (1, 2) and chosen.answer_tokens == 1
    assert refused.finish == "refused"
    assert said.text.strip() and 0 < said.answer_tokens <= 12 and said.prompt_tokens > 10


def test_rays_replicas_do_without_flashinfers_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    ray: Any = SimpleNamespace(is_initialized=lambda: True)
    llm: Any = SimpleNamespace(
        build_processor=lambda config, **_: None, vLLMEngineProcessorConfig=lambda **given: made.append(given)
    )
    for name, module in {"ray": ray, "ray.data": SimpleNamespace(llm=llm), "ray.data.llm": llm}.items():
        monkeypatch.setitem(sys.modules, name, module)
    RayModel("m")
    assert made[0]["runtime_env"] == {"env_vars": {"VLLM_USE_FLASHINFER_SAMPLER": "0"}}
