"""The real engine: answers in their spaces, deadlines, and what happens when its processes stop or die."""

from __future__ import annotations

import os
import random
import signal
import time

import psutil
import pytest

from models.jobs import Request
from models.user_config import UserModel
from models.vocabulary import Vocabulary
from shopbench import answers
from shopbench.classify import classify
from shopbench.prompts import clean
from shopbench.tasks import TaskType

pytestmark = pytest.mark.engine

RETRIEVAL = "Select 3 fruits of the list.\nList:\n" + "\n".join(f"{n}. thing {n}" for n in range(1, 13)) + "\nOutput: "
RANKING = "Rank these products.\nList:\n" + "\n".join(f"{n}. shoe {n}" for n in range(1, 6)) + "\nOutput: "
ENTITY = "Extract the phrases of the entity type 'brand' from the query.\nQuery: lego duplo train set\nOutput: "
CHOICE = "Which is a fruit?\n0. apple\n1. car\n2. shoe\nAnswer: "
TEXT = "Explain the product type.\nInput: toggle switch\nOutput: "
ALL = [RETRIEVAL, RANKING, ENTITY, TEXT]


def test_what_the_engine_writes_lies_within_the_space(real_model: UserModel) -> None:
    planner, vocabulary = real_model._planner, Vocabulary.of(real_model._tokenizer)
    plans = [*(planner.plan(question, False) for question in ALL), planner.plan(CHOICE, True)]
    completions = real_model.engine.generate([Request(plan.prompt, plan.space) for plan in plans], 60)
    for plan, completion in zip(plans, completions, strict=True):
        assert completion.finished and completion.token_ids
        for place, token in enumerate(completion.token_ids):
            assert token in plan.space.next_tokens(vocabulary, completion.token_ids[:place])


def test_no_token_is_spent_on_what_the_form_fixes(real_model: UserModel) -> None:
    planner = real_model._planner
    ranking, choice = planner.plan(RANKING, False), planner.plan(CHOICE, True)
    requests = [Request(plan.prompt, plan.space) for plan in (ranking, choice)]
    lengths = [len(completion.token_ids) for completion in real_model.engine.generate(requests, 60)]
    assert lengths == [7, 1]  # four numbers and three commas; one digit; no end tokens


def test_the_processors_follow_requests_that_change_places(real_model: UserModel) -> None:
    """Answers must not depend on what else is in the batch, which moves requests between rows as others finish."""
    alone = [real_model.batch_predict({"prompt": [question]}, False)[0] for question in ALL]
    mixed = real_model.batch_predict({"prompt": [*ALL, RANKING, TEXT, RETRIEVAL, *reversed(ALL)]}, False)
    readable = [answers.parse(classify(clean(q), False).task_type, a) for q, a in zip(ALL, alone, strict=True)]
    assert all(readable)
    assert mixed[0] == mixed[6] == mixed[10] and mixed[1] == mixed[4] == mixed[9]
    assert len(set(answers.parse("retrieval", mixed[0]))) == 3  # type: ignore[arg-type]


def test_probabilities_of_the_options_come_back(real_model: UserModel) -> None:
    plan = real_model._planner.plan(CHOICE, True)
    (completion,) = real_model.engine.generate([Request(plan.prompt, plan.space, scored=True)], 60)
    shares = real_model._ballot(completion)
    assert set(shares) == {0, 1, 2}
    assert 0 < sum(shares.values()) <= 1.001
    assert str(max(shares, key=shares.__getitem__)) == real_model._tokenizer.decode(completion.token_ids).strip()


def test_the_winners_constraints_write_digits_and_cite(real_model: UserModel) -> None:
    engine = real_model.engine
    plans = [real_model._planner.plan(question, False) for question in ALL]
    engine.constraints = "winners"
    try:
        completions = engine.generate([Request(plan.prompt, plan.space) for plan in plans], 60)
    finally:
        engine.constraints = "exact"
    texts = [real_model._tokenizer.decode(completion.token_ids, skip_special_tokens=True) for completion in completions]
    assert set(texts[0]) <= set("0123456789,") and set(texts[1]) <= set("012345,")
    assert "none" not in " ".join(texts).lower()


def hostile_questions(count: int) -> list[str]:
    rng = random.Random(11)
    pieces = ["", " ", "\x00", "\ud800", "<|im_end|>", "\u202e", "9" * 40, "1. a\n2. b\n3. c", "rank", "select three",
              "Query: x, y", "日本語", "é" * 30, "Review: good\n", "entity", "{}[]", "\n\n", "None", "-1"]  # fmt: skip
    return ["".join(rng.choices(pieces, k=rng.randrange(5))) for _ in range(count)]


def test_hundreds_of_hostile_questions_are_answered(real_model: UserModel) -> None:
    questions = hostile_questions(208)
    before = dict(real_model.stats)
    for start in range(0, len(questions), 16):
        batch, is_multiple_choice = questions[start : start + 16], start % 32 == 0
        given = real_model.batch_predict({"prompt": batch}, is_multiple_choice)
        for question, answer in zip(batch, given, strict=True):
            task_type, options = classify(clean(question) or "?", is_multiple_choice)
            parsed = answers.parse(task_type, answer)
            if isinstance(parsed, list) and task_type is not TaskType.NER:
                assert len(set(parsed)) == len(parsed) > 0 and (not options or set(parsed) <= set(options))
            assert parsed != -1 and parsed not in ("", [])
    for name in ("failed", "unfinished", "restarts"):
        assert real_model.stats[name] == before.get(name, 0)


def test_a_question_longer_than_the_context_is_answered(real_model: UserModel) -> None:
    review = "The shoe fits well and looks good, " * 4000
    (answer,) = real_model.batch_predict({"prompt": [CHOICE.replace("fruit?", f"fruit?\nReview: {review}")]}, True)
    assert answer in {"0", "1", "2"}


def test_a_stalled_engine_makes_no_batch_late(real_model: UserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.shopbench_model.SECONDS_PER_SAMPLE", 3.0)
    processes = real_model.engine.process_ids()
    unfinished = real_model.stats["unfinished"]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert real_model.batch_predict({"prompt": [RANKING]}, False) == ["1,2,3,4,5"]
        assert time.monotonic() - began < 3.0  # the evaluator's own limit, not a wish for speed
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    assert real_model.stats["unfinished"] == unfinished + 1
    monkeypatch.undo()
    assert all(real_model.batch_predict({"prompt": ALL}, False))
    assert real_model.stats["unfinished"] == unfinished + 1


def test_an_engine_that_hangs_is_replaced(real_model: UserModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.engine_thread._SILENCE_SECONDS", 6.0)
    real_model.engine._slowest_step = 0.0
    expected = real_model.batch_predict({"prompt": ALL}, False)
    restarts, unfinished = real_model.stats["restarts"], real_model.stats["unfinished"]
    processes = real_model.engine.process_ids()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    assert real_model.batch_predict({"prompt": ALL * 4}, False)[: len(ALL)] == expected
    assert real_model.stats["restarts"] == restarts + 1 and real_model.stats["unfinished"] == unfinished
    assert not {process.pid for process in psutil.process_iter() if process.status() != "zombie"} & set(processes)


@pytest.mark.parametrize("which", [0, -1], ids=["engine core", "worker"])
def test_a_killed_engine_is_started_again_and_the_batch_answered(real_model: UserModel, which: int) -> None:
    expected = real_model.batch_predict({"prompt": ALL}, False)
    restarts, unfinished = real_model.stats["restarts"], real_model.stats["unfinished"]
    os.kill(real_model.engine.process_ids()[which], signal.SIGKILL)
    assert real_model.batch_predict({"prompt": ALL * 4}, False)[: len(ALL)] == expected
    assert real_model.stats["restarts"] == restarts + 1
    assert real_model.stats["unfinished"] == unfinished
