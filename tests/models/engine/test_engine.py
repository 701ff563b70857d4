"""The real engine: answers in their spaces, deadlines, and what happens when its processes stop or die."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from models.engine.requests import EngineDied, Request
from models.planning import Planner, fallback, is_readable
from models.spaces.option_names import OptionNames
from models.spaces.vocabulary import Vocabulary
from models.user_config import UserModel
from shopbench import answers
from shopbench.naming import AnswerBy
from shopbench.prompts import clean
from shopbench.question import Question
from tests.conftest import user_model
from tests.models import hostile

pytestmark = pytest.mark.engine

RETRIEVAL = "Select 3 fruits of the list.\nList:\n" + "\n".join(f"{n}. thing {n}" for n in range(1, 13)) + "\nOutput: "
RANKING = "Rank these products.\nList:\n" + "\n".join(f"{n}. shoe {n}" for n in range(1, 6)) + "\nOutput: "
ENTITY = "Extract the phrases of the entity type 'brand' from the query.\nQuery: lego duplo train set\nOutput: "
CHOICE = "Which is a fruit?\n0. apple\n1. car\n2. shoe\nAnswer: "
LONG_NAMES = "Which is a fruit?\n0. a red apple\n1. a red car\n2. a shoe\nAnswer: "
TEXT = "Explain the product type.\nInput: toggle switch\nOutput: "
ALL = [RETRIEVAL, RANKING, ENTITY, TEXT]


def test_what_the_engine_writes_lies_within_the_space(real_model: UserModel) -> None:
    vocabulary = Vocabulary.of(real_model._tokenizer)
    planners = [Planner(real_model._tokenizer, 3072, way) for way in AnswerBy]
    plans = [planner.plan(question, question == CHOICE) for planner in planners for question in (*ALL, CHOICE)]
    completions = real_model.engine.generate([Request(plan.prompt, plan.space) for plan in plans], 60)
    for plan, completion in zip(plans, completions, strict=True):
        assert completion.finished and completion.token_ids
        for place, token in enumerate(completion.token_ids):
            assert token in plan.space.next_tokens(vocabulary, completion.token_ids[:place])


def test_no_token_is_spent_on_what_the_form_fixes(real_model: UserModel) -> None:
    planner = Planner(real_model._tokenizer, 3072)
    ranking, choice = planner.plan(RANKING, False), planner.plan(CHOICE, True)
    requests = [Request(plan.prompt, plan.space) for plan in (ranking, choice)]
    lengths = [len(completion.token_ids) for completion in real_model.engine.generate(requests, 60)]
    assert lengths == [7, 1]  # four numbers and three commas; one digit; no end tokens


def test_a_named_choice_ends_with_its_name(real_model: UserModel) -> None:
    planner = Planner(real_model._tokenizer, 3072, AnswerBy.TEXT)
    plans = [planner.plan(question, True) for question in (CHOICE, LONG_NAMES)]
    spaces = [plan.space for plan in plans if isinstance(plan.space, OptionNames)]
    assert [space.max_tokens > 1 for space in spaces] == [False, True]
    completions = real_model.engine.generate([Request(plan.prompt, plan.space) for plan in plans], 60)
    for space, completion in zip(spaces, completions, strict=True):
        assert completion.finished and tuple(completion.token_ids) in space.names


def test_the_processors_follow_requests_that_change_places(real_model: UserModel) -> None:
    """Answers must not depend on what else is in the batch, which moves requests between rows as others finish."""
    alone = [real_model.batch_predict({"prompt": [question]}, False)[0] for question in ALL]
    mixed = real_model.batch_predict({"prompt": [*ALL, RANKING, TEXT, RETRIEVAL, *reversed(ALL)]}, False)
    readable = [answers.parse(Question.read(clean(q), False).task_type, a) for q, a in zip(ALL, alone, strict=True)]
    assert all(readable)
    assert mixed[0] == mixed[6] == mixed[10] and mixed[1] == mixed[4] == mixed[9]
    assert len(set(answers.parse("retrieval", mixed[0]))) == 3  # type: ignore[arg-type]


def test_the_winners_constraints_write_digits_and_cite(made_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # `make test` sets it: here is an engine on all cores
    with user_model(made_weights, SHOPBENCH_CONSTRAINTS="winners", SHOPBENCH_CONTEXT="512") as winners:
        plans = [Planner(winners._tokenizer, 512).plan(question, False) for question in ALL]
        completions = winners.engine.generate([Request(plan.prompt, plan.space) for plan in plans], 60)
    texts = [winners._tokenizer.decode(completion.token_ids, skip_special_tokens=True) for completion in completions]
    assert set(texts[0]) <= set("0123456789,") and set(texts[1]) <= set("012345,")
    assert "none" not in " ".join(texts).lower()


@settings(max_examples=hostile.batches("HOSTILE_ENGINE_BATCHES", 20), deadline=None, derandomize=True)
@given(batch=st.lists(hostile.questions(60), min_size=14, max_size=16), is_multiple_choice=st.booleans())
def test_hundreds_of_hostile_questions_are_answered(
    made_model: UserModel, batch: list[Any], is_multiple_choice: bool
) -> None:
    before = dict(made_model.stats)
    hostile.check(batch, is_multiple_choice, made_model.batch_predict({"prompt": batch}, is_multiple_choice))
    for name in ("failed", "unfinished", "restarts"):
        assert made_model.stats[name] == before.get(name, 0)
    event(
        f"answers repaired: {made_model.stats['repaired'] - before.get('repaired', 0)}"
    )  # --hypothesis-show-statistics
    event(f"questions: {len(batch)}")


def test_a_question_longer_than_the_context_is_answered(real_model: UserModel) -> None:
    review = "The shoe fits well and looks good, " * 4000
    (answer,) = real_model.batch_predict({"prompt": [CHOICE.replace("fruit?", f"fruit?\nReview: {review}")]}, True)
    assert answer in {"0", "1", "2"}


def test_a_stalled_engine_makes_no_batch_late(made_model: UserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.shopbench_model.SECONDS_PER_SAMPLE", 3.0)
    processes = made_model.engine.process_ids()
    unfinished = made_model.stats["unfinished"]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert made_model.batch_predict({"prompt": [RANKING]}, False) == ["1,2,3,4,5"]
        assert time.monotonic() - began < 3.0  # the evaluator's own limit, not a wish for speed
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    assert made_model.stats["unfinished"] == unfinished + 1
    monkeypatch.undo()
    assert all(made_model.batch_predict({"prompt": ALL}, False))
    assert made_model.stats["unfinished"] == unfinished + 1


def assert_answered(model: UserModel, questions: list[str]) -> None:
    """Every question has an answer of its own. (Which one may change with the batch: bfloat16 sums are not exact.)"""
    planner = Planner(model._tokenizer, 3072)
    for question, answer in zip(questions, model.batch_predict({"prompt": questions}, False), strict=True):
        plan = planner.plan(question, False)
        assert is_readable(plan, answer)
        assert question != TEXT or answer != fallback(plan)


def test_an_engine_that_hangs_is_replaced(made_model: UserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.engine.process._SILENCE_SECONDS", 6.0)
    made_model.engine._slowest_step = 0.0
    restarts, unfinished = made_model.stats["restarts"], made_model.stats["unfinished"]
    processes = made_model.engine.process_ids()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    assert_answered(made_model, ALL * 4)
    assert made_model.stats["restarts"] == restarts + 1 and made_model.stats["unfinished"] == unfinished
    assert not {process.pid for process in psutil.process_iter() if process.status() != "zombie"} & set(processes)


def test_a_killed_engine_is_started_again_and_the_batch_answered(made_model: UserModel) -> None:
    restarts, unfinished = made_model.stats["restarts"], made_model.stats["unfinished"]
    os.kill(made_model.engine.process_ids()[0], signal.SIGKILL)
    assert_answered(made_model, ALL * 4)
    assert made_model.stats["restarts"] == restarts + 1
    assert made_model.stats["unfinished"] == unfinished


def test_a_fork_of_our_process_leaves_the_engine_alone(made_model: UserModel) -> None:
    restarts = made_model.stats["restarts"]
    if (fork := os.fork()) == 0:
        code = 1
        try:
            made_model.engine.wait_until_ready()
        except EngineDied:
            made_model.engine.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(fork, 0)[1] == 0
    assert made_model.batch_predict({"prompt": [CHOICE]}, True)[0] in ("0", "1", "2")
    assert made_model.stats["restarts"] == restarts
