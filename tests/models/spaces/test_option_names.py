"""Options answered by their words: their names, the space over them, and what the evaluator gets in the end."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from models.planning import Planner, fallback, is_readable
from models.settings import Behaviour, SettingsError, behaviour
from models.shopbench_model import ShopBenchModel
from models.spaces.number_list import NumberList
from models.spaces.one_digit import OneDigit
from models.spaces.option_names import OptionNames
from models.spaces.spec import from_spec, to_spec
from models.spaces.vocabulary import Vocabulary
from shopbench import answers
from shopbench.naming import AnswerBy, encode_named, in_stable_random_order, telling_names
from shopbench.question import Question
from shopbench.tasks import TaskType
from tests.models.fakes import WalkingEngine, walk
from tests.models.tokens import KINDS

CHOICE = "Which one?\n0. red car\n1. red bus\n2. red\n3. blue\nAnswer:"
RANKING = "Rank these by price.\nList:\n1. tea pot\n2. tea cup\n3. pan\n4. pan lid\n5. fork\nOutput: "
RETRIEVAL = "Select three of the list.\nList:\n" + "".join(f"{n}. thing no {n}\n" for n in range(1, 13)) + "Output: "
SCALE = "Rate the review on a scale of 1 to 5.\nReview: fine\nOutput: "
TWINS = "Which one?\n0. red\n1. red\n2. blue\nAnswer:"


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]()


def test_a_name_tells_its_option_from_all_others_and_begins_none(tokenizer: Any) -> None:
    texts = ("red car", "red bus", "red", "blue", "bluebell", "är", "日本", "日本語")
    names = telling_names(tokenizer, texts)
    assert names is not None
    for one, text in zip(names, texts, strict=True):
        spelled = tokenizer.decode(one).rstrip("\ufffd").lstrip(" ")
        assert [other for other in texts if f"{other}\n".startswith(spelled)] == [text]
        assert not any(other != one and other[: len(one)] == one for other in names)


def test_texts_that_are_the_same_have_no_names(tokenizer: Any) -> None:
    assert telling_names(tokenizer, ("red", "blue", "red")) is None
    assert telling_names(tokenizer, ("x " * 40 + "a", "x " * 40 + "b")) is None, "a name may not be that long"


@pytest.mark.parametrize(("question", "count"), [(CHOICE, 1), (RANKING, 5), (RETRIEVAL, 3)])
def test_every_walk_is_a_whole_answer_and_every_option_can_be_said(tokenizer: Any, question: str, count: int) -> None:
    plan = Planner(tokenizer, 512, AnswerBy.TEXT).plan(question, count == 1)
    space = plan.space
    assert isinstance(space, OptionNames) and space.count == count
    assert from_spec(json.loads(json.dumps(to_spec(space)))) == space  # as it reaches a worker: tuples become lists
    vocabulary, rng, first = Vocabulary.of(tokenizer), random.Random(3), set()
    for _ in range(200):
        tokens = walk(space, vocabulary, rng)
        assert len(tokens) <= space.max_tokens
        answer = space.finish(tokenizer.decode(tokens))
        numbers = [int(number) for number in answer.split(",")]
        assert len(set(numbers)) == len(numbers) == count and set(numbers) <= set(space.options)
        assert is_readable(plan, answer)
        first.add(numbers[0])
    assert first == set(space.options)
    assert is_readable(plan, fallback(plan))


def test_what_is_trained_is_what_the_space_reads(tokenizer: Any) -> None:
    for text, chosen in ((CHOICE, [2]), (RANKING, [3, 5, 1, 4, 2]), (RETRIEVAL, [12, 1, 2])):
        question = Question.read(text, text == CHOICE)
        tokens = encode_named(tokenizer, question, chosen)
        space = OptionNames.of(tokenizer, question)
        assert tokens and space
        assert space.finish(tokenizer.decode(tokens)) == ",".join(map(str, chosen))
        vocabulary = Vocabulary.of(tokenizer)
        needed = tokens[: space.max_tokens] if len(chosen) < len(question.options) else []
        for place, token in enumerate(needed):
            assert token in space.next_tokens(vocabulary, needed[:place])


def test_what_has_no_names_is_answered_by_number(tokenizer: Any) -> None:
    planner = Planner(tokenizer, 512, AnswerBy.TEXT)
    assert isinstance(planner.plan(TWINS, True).space, OneDigit)
    assert planner.plan(SCALE, True).space == OneDigit((1, 2, 3, 4, 5))
    assert isinstance(Planner(tokenizer, 512).plan(RANKING, False).space, NumberList)
    assert encode_named(tokenizer, Question.read(TWINS, True), [1]) is None


def test_one_token_that_completes_a_choice_ends_it(tokenizer: Any) -> None:
    space = OptionNames.of(tokenizer, Question.read(CHOICE, True))
    assert space and all(all(last not in name[:-1] for name in space.names) for last in space.stop_tokens)
    several = OptionNames.of(tokenizer, Question.read(RETRIEVAL, False))
    assert several and several.stop_tokens == ()


def test_a_cut_answer_is_completed_in_the_order_shown(tokenizer: Any) -> None:
    space = OptionNames.of(tokenizer, Question.read(RANKING, False))
    assert space and space.finish("") == "1,2,3,4,5"
    assert space.finish(space.spelled[3] + "\n") == "4,1,2,3,5"


def test_a_model_trained_for_names_gives_the_evaluator_numbers(tokenizer: Any) -> None:
    engine = WalkingEngine(tokenizer)
    model = ShopBenchModel(lambda: engine, tokenizer, 512, Behaviour(answer_by=AnswerBy.TEXT))
    ranking, retrieval = model.batch_predict({"prompt": [RANKING, RETRIEVAL]}, False)
    assert sorted(answers.parse(TaskType.RANKING, ranking)) == [1, 2, 3, 4, 5]
    assert len(set(answers.parse(TaskType.RETRIEVAL, retrieval))) == 3
    choices = model.batch_predict({"prompt": [CHOICE, TWINS, SCALE]}, True)
    assert [choice in shown for choice, shown in zip(choices, ("0123", "012", "12345"), strict=True)] == [True] * 3
    assert model.stats["repaired"] == 0


def test_a_set_is_learned_in_no_order_of_its_numbers() -> None:
    orders = {tuple(in_stable_random_order(f"question {n}", (1, 2, 3))) for n in range(50)}
    assert len(orders) == 6
    assert in_stable_random_order("q", (3, 1)) == in_stable_random_order("q", (1, 3))


def test_the_environment_may_say_another_way() -> None:
    assert behaviour({}, "text").answer_by is AnswerBy.TEXT
    assert behaviour({"SHOPBENCH_ANSWER_BY": "number"}, "text").answer_by is AnswerBy.NUMBER
    assert behaviour({"SHOPBENCH_CONSTRAINTS": "winners"}, "text").answer_by is AnswerBy.NUMBER
    with pytest.raises(SettingsError, match="SHOPBENCH_ANSWER_BY=word"):
        behaviour({"SHOPBENCH_ANSWER_BY": "word"})
