"""Questions that come with their answer space: nothing is classified, cut or replaced."""

from __future__ import annotations

from collections.abc import Sequence

from models.engine.requests import Completion, Request
from models.planning import ConstrainedPrompt
from models.settings import Behaviour
from models.shopbench_model import ShopBenchModel
from models.spaces.free_text import FreeText
from models.spaces.number_list import NumberList
from models.spaces.one_digit import OneDigit
from models.spaces.one_of import OneOf
from shopbench.prompts import encode_prompt
from shopbench.tasks import TaskType
from tests.models.fakes import BrokenEngine, WalkingEngine, die
from tests.models.tokens import byte_level

CONTEXT = 400
TOKENIZER = byte_level([("y", "e"), ("ye", "s")])
LETTERS = OneOf(tuple("ABCD"))
LONG = " ".join(["One sentence ends here."] * 6)


def model(engine: WalkingEngine, **behaviour: str) -> ShopBenchModel:
    return ShopBenchModel(lambda: engine, TOKENIZER, CONTEXT, Behaviour(**behaviour))  # type: ignore[arg-type]


def writes(*texts: str) -> BrokenEngine:
    def answer(requests: Sequence[Request], timeout: float) -> list[Completion]:
        return [Completion(TOKENIZER.encode(text, add_special_tokens=False), True) for text in texts]

    return BrokenEngine(TOKENIZER, answer)


def test_each_space_is_answered_within_it_in_one_call() -> None:
    engine = WalkingEngine(TOKENIZER)
    spaces = [LETTERS, OneOf(("yes", "no")), NumberList(("A", "B", "C"), 3), OneDigit((0, 1)), OneOf(("only",))]
    letter, word, order, digit, only = model(engine).answer([ConstrainedPrompt("Which?", space) for space in spaces])
    assert letter in LETTERS.names and word in ("yes", "no") and digit in ("0", "1") and only == "only"
    assert sorted(order.split(",")) == ["A", "B", "C"]
    assert [len(call) for call in engine.calls] == [4]  # the only answer there is costs nothing


def test_the_type_chooses_the_system_line_and_nothing_else() -> None:
    engine = WalkingEngine(TOKENIZER)
    # Text that batch_predict would ask as a ranking.
    text = "Rank these by price.\n1. a\n2. b\n3. c\n4. d\n5. e"
    model(engine).answer([ConstrainedPrompt(text, LETTERS), ConstrainedPrompt(text, LETTERS, TaskType.MULTIPLE_CHOICE)])
    assert [list(request.prompt) for request in engine.calls[0]] == [
        encode_prompt(TOKENIZER, kind, text) for kind in (TaskType.GENERATION, TaskType.MULTIPLE_CHOICE)
    ]


def test_free_texts_stay_whole_and_empty_ones_empty() -> None:
    one = model(writes(LONG, ""))
    assert one.answer([ConstrainedPrompt("Explain.", FreeText(200)), ConstrainedPrompt("Explain.", FreeText(200))]) == [
        LONG,
        "",
    ]
    assert one.stats["repaired"] == 0


def test_without_constraints_the_answer_is_what_was_written() -> None:
    one = model(writes(" the answer is B "), constraints="none")
    assert one.answer([ConstrainedPrompt("Which?", LETTERS)]) == ["the answer is B"]


def test_a_long_question_is_shortened_to_leave_room_for_the_answer() -> None:
    engine = WalkingEngine(TOKENIZER)
    one = model(engine)
    one.answer([ConstrainedPrompt("Which?\n" + "x " * 3000, FreeText(100))])
    assert len(engine.calls[0][0].prompt) + 100 <= CONTEXT
    assert one.stats["shortened"] == 1


def test_a_dead_engine_is_replaced() -> None:
    engines = [BrokenEngine(TOKENIZER, die), WalkingEngine(TOKENIZER)]
    one = ShopBenchModel(lambda: engines.pop(0), TOKENIZER, CONTEXT)
    assert one.answer([ConstrainedPrompt("Which?", LETTERS)])[0] in LETTERS.names
    assert one.stats["restarts"] == 1
