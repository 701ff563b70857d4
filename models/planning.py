"""From a question to what the engine is asked, and from what it generated to the answer's text.

No question is refused: what is no text is written as one, what is too long loses its middle, what cannot be
understood is asked as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from models.engine.requests import Request
from models.spaces.base import ROUNDS, AnswerSpace, FreeText, NumberList, OneDigit
from models.spaces.option_names import OptionNames, option_names
from models.spaces.quoted_spans import QuotedSpans, source_text
from shopbench import answers
from shopbench.classify import Classified, answer_count, classify
from shopbench.naming import AnswerBy
from shopbench.prompts import clean, encode_prompt, encode_text
from shopbench.shorten import shorten
from shopbench.tasks import TASKS, TaskType

_CHARACTERS_PER_TOKEN = 8
_DEFAULT_CHOICES = (0, 1, 2, 3)
_WORDS_ENOUGH = 15
_NOTHING = "(empty question)"
_LOOP = re.compile(rf"(.{{3,60}}?)\1{{{ROUNDS - 1},}}$", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """A question that comes with its answer space, as those of other benchmarks do; its type names the system line."""

    text: str
    space: AnswerSpace
    task_type: TaskType = TaskType.GENERATION


@dataclass(frozen=True)
class Plan:
    """How one question is asked: as what, in which tokens, and which answers are allowed."""

    question: str
    classified: Classified
    prompt: list[int]
    space: AnswerSpace
    shortened: bool = False


class Planner:
    """Makes plans for one tokenizer and context length (tokens of prompt and answer together)."""

    def __init__(self, tokenizer: Any, context: int, answer_by: AnswerBy = AnswerBy.NUMBER) -> None:
        self._tokenizer = tokenizer
        self._context = context
        self._answer_by = answer_by

    def plan(self, question: Any, is_multiple_choice: bool) -> Plan:
        """The plan for one question, whatever it is."""
        raw = question if isinstance(question, str) else str(question)
        # Before anything else, because a megabyte of blanks or digits costs patterns and tokenizers seconds.
        most = self._context * _CHARACTERS_PER_TOKEN
        text = clean(shorten(raw, most, len)) or _NOTHING
        # What fits the context is classified whole; the rest shorter, as patterns take quadratic time on some texts.
        classified = classify(shorten(text, most // 2, len), bool(is_multiple_choice))
        space = self._by_name(text, classified) or answer_space(text, classified)
        prompt, shortened = self._encode(classified.task_type, text, self._context - max(space.max_tokens, 1))
        return Plan(text, classified, prompt, space, shortened or len(raw) > most)

    def _by_name(self, text: str, classified: Classified) -> AnswerSpace | None:
        """The options by their words, if the weights answer so and the question's options have words."""
        if self._answer_by is AnswerBy.NUMBER or not classified.options:
            return None
        count = 1 if classified.task_type is TaskType.MULTIPLE_CHOICE else max(answer_count(text, classified), 1)
        return option_names(self._tokenizer, text, classified.options, count)

    def plan_asked(self, asked: Asked) -> Plan:
        """The plan for a question that needs no classifying."""
        most = self._context * _CHARACTERS_PER_TOKEN
        text = clean(shorten(asked.text, most, len)) or _NOTHING
        prompt, shortened = self._encode(asked.task_type, text, self._context - max(asked.space.max_tokens, 1))
        return Plan(text, Classified(asked.task_type, ()), prompt, asked.space, shortened or len(asked.text) > most)

    def reworded(self, plan: Plan, question: str) -> list[int]:
        """The prompt that asks another wording of a planned question."""
        return self._encode(plan.classified.task_type, question, self._context - max(plan.space.max_tokens, 1))[0]

    def _encode(self, task_type: TaskType, text: str, room: int) -> tuple[list[int], bool]:
        prompt = encode_prompt(self._tokenizer, task_type, text)
        if len(prompt) <= room:
            return prompt, False
        frame = len(encode_prompt(self._tokenizer, task_type, ""))
        # Two tokens to spare: the seams between frame and question may be cut differently.
        shorter = shorten(text, room - frame - 2, lambda part: len(encode_text(self._tokenizer, part)))
        return encode_prompt(self._tokenizer, task_type, shorter)[-room:], True


_ONE_OF_EACH = (
    ("Which is a fruit?\n0. apple\n1. car\nAnswer: ", True),
    ("Select two of the list.\nList:\n1. a\n2. b\n3. c\nOutput: ", False),
    ("Rank these by price.\nList:\n1. a\n2. b\n3. c\n4. d\n5. e\nOutput: ", False),
    ("Extract the entity type 'brand' from the query.\nQuery: lego train\nOutput: ", False),
    ("What is a toggle switch?", False),
)


def warm_up_requests(planner: Planner) -> list[Request]:
    """One short question of each type."""
    plans = [planner.plan(question, is_multiple_choice) for question, is_multiple_choice in _ONE_OF_EACH]
    return [Request(plan.prompt, plan.space) for plan in plans]


def answer_space(question: str, classified: Classified) -> AnswerSpace:
    """The answers that a question of this type allows, given the option numbers it shows."""
    task_type, shown = classified
    options = tuple(dict.fromkeys(shown))
    if task_type is TaskType.MULTIPLE_CHOICE:
        return OneDigit(options or _DEFAULT_CHOICES)
    if task_type in (TaskType.RETRIEVAL, TaskType.RANKING):
        count = max(answer_count(question, classified), 1)
        return NumberList(options or tuple(range(1, max(count, 5) + 1)), count)
    if task_type is TaskType.NER:
        return QuotedSpans(source_text(question), TASKS[task_type].max_tokens)
    return FreeText(TASKS[task_type].max_tokens)


def is_readable(plan: Plan, answer: str) -> bool:
    """Whether the evaluator finds in `answer` what was asked for: numbers among those shown, each once; a text."""
    parsed = answers.parse(plan.classified.task_type, answer)
    if isinstance(plan.space, OneDigit):
        return parsed in plan.space.digits
    if isinstance(plan.space, OptionNames) and plan.classified.task_type is TaskType.MULTIPLE_CHOICE:
        return parsed in plan.space.options
    if isinstance(plan.space, NumberList | OptionNames):
        numbers = parsed if isinstance(parsed, list) else []
        return bool(numbers) and len(set(numbers)) == len(numbers) and set(numbers) <= set(plan.space.options)
    return bool(parsed)


def fallback(plan: Plan) -> str:
    """An answer of the plan's form for a question that the model did not answer."""
    return plan.space.finish("") or TASKS[plan.classified.task_type].fallback


def first_sentences(text: str) -> str:
    """The first sentences that together pass 15 words, as the winners cut their generated answers.

    >>> first_sentences("Soft. " + "It fits well and looks as good as on the picture of the shop, too. Buy it.")
    'Soft. It fits well and looks as good as on the picture of the shop, too.'
    """
    kept = ""
    for sentence in re.split(r"(?<=\.)(?=\s)", text.strip()):
        kept += sentence
        if len(kept.split()) > _WORDS_ENOUGH:
            break
    return kept.strip()


def unlooped(text: str) -> str:
    """The text with one round of what it repeats at its end, as greedy decoding of small models does.

    >>> unlooped("it is a bag with a bag with a bag with")
    'it is a bag with'
    >>> unlooped("1,000,000,000")
    '1,000,000,000'
    """
    text = text.strip()
    loop = _LOOP.search(text)
    says_something = loop and any(character.isalpha() for character in loop[1])
    return text[: loop.end(1)].strip() if loop and says_something else text
