"""From a question to what the engine is asked, and from what it generated to the answer's text.

No question is refused: what is no text is written as one, what is too long loses its middle, what cannot be
understood is asked as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from models.engine.requests import Request
from models.spaces.base import AnswerSpace
from models.spaces.free_text import MOST_REPEATS, FreeText
from models.spaces.label_set import LabelSet
from models.spaces.number_list import NumberList
from models.spaces.one_digit import OneDigit
from models.spaces.one_of import OneOf
from models.spaces.option_names import OptionNames
from models.spaces.quoted_spans import QuotedSpans
from shopbench import answers
from shopbench.naming import AnswerBy
from shopbench.prompts import clean, encode_prompt, encode_text
from shopbench.question import Question
from shopbench.shorten import shorten
from shopbench.tasks import TASKS, TaskType

_CHARACTERS_PER_TOKEN = 8
_DEFAULT_CHOICES = (0, 1, 2, 3)
_WORDS_ENOUGH = 15
_NOTHING = "(empty question)"
_LOOP = re.compile(rf"(.{{3,60}}?)\1{{{MOST_REPEATS - 1},}}$", re.DOTALL)


@dataclass(frozen=True)
class ConstrainedPrompt:
    """A question that comes with its answer space, as those of other benchmarks do; its type names the system line."""

    text: str
    space: AnswerSpace
    task_type: TaskType = TaskType.GENERATION


@dataclass(frozen=True)
class Plan:
    """How one question is asked: as what, in which tokens, and which answers are allowed."""

    task_type: TaskType
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
        text, cut = self._cut(raw)
        read = Question.read(text, bool(is_multiple_choice))
        by_name = OptionNames.of(self._tokenizer, read) if self._answer_by is AnswerBy.TEXT else None
        return self._plan(read.task_type, text, by_name or answer_space(read), cut)

    def plan_constrained(self, prompt: ConstrainedPrompt) -> Plan:
        """The plan for a question that says what may be answered."""
        text, cut = self._cut(prompt.text)
        return self._plan(prompt.task_type, text, prompt.space, cut)

    def _cut(self, raw: str) -> tuple[str, bool]:
        """The text to ask, and whether it lost its middle: a megabyte costs patterns and the tokenizer seconds."""
        most = self._context * _CHARACTERS_PER_TOKEN
        return clean(shorten(raw, most, len)) or _NOTHING, len(raw) > most

    def _plan(self, task_type: TaskType, text: str, space: AnswerSpace, cut: bool) -> Plan:
        prompt, shortened = self._encode(task_type, text, self._context - max(space.max_tokens, 1))
        return Plan(task_type, prompt, space, shortened or cut)

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


def answer_space(question: Question) -> AnswerSpace:
    """The answers that a question allows, options named by number."""
    if question.task_type is TaskType.MULTIPLE_CHOICE:
        return OneDigit(question.numbers or _DEFAULT_CHOICES)
    if question.task_type in (TaskType.RETRIEVAL, TaskType.RANKING):
        return NumberList(question.numbers or tuple(range(1, max(question.count, 5) + 1)), question.count)
    if question.task_type is TaskType.NER:
        return QuotedSpans(question.source, TASKS[question.task_type].max_tokens)
    if labels := question.labels:
        return LabelSet(labels.names) if labels.several else OneOf(labels.names)
    return FreeText(TASKS[question.task_type].max_tokens)


def plan_without_prompt(is_multiple_choice: bool) -> Plan:
    """The plan for a question that cannot be asked; `fallback` answers it."""
    task_type = TaskType.MULTIPLE_CHOICE if is_multiple_choice else TaskType.GENERATION
    return Plan(task_type, [], answer_space(Question("", task_type)))


def is_readable(plan: Plan, answer: str) -> bool:
    """Whether the evaluator finds in `answer` what was asked for: numbers among those shown, each once; a text."""
    return plan.space.accepts(answers.parse(plan.task_type, answer))


def fallback(plan: Plan) -> str:
    """An answer of the plan's form for a question that the model did not answer."""
    return plan.space.finish("") or TASKS[plan.task_type].fallback


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
