"""What a question asks and shows, read once: inference, training and the checks of synthetic data share this reading.

The hidden test gives a text and the multiple-choice flag, nothing else; the development file has 18 of its 57 tasks.
The winners' rules knew the development file's sentences; these look at what the request asks for (how many of how many
options, an order, entities) in six languages, and at the options that it really shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from shopbench.labels import Labels, offered_labels
from shopbench.options import Option, OptionList, scale_options, shown_options, single_digits
from shopbench.phrases import (
    ANSWER_LABEL,
    ASKED_COMMA_NUMBERS,
    ASKED_COUNT,
    ASKS_CHOICE,
    ASKS_ENTITY,
    ASKS_RANKING,
    ASKS_TEXT,
    ASKS_TYPES,
    DATA_HEADER,
    ENDS_AS_CHOICE,
    LABEL,
    NUMBER_WORDS,
    QUOTED,
    SAYS_NUMBERS,
    SELECTS,
    TEXT_LABEL,
)
from shopbench.tasks import TASKS, TaskType

_QUOTES = (("'", "'"), ('"', '"'), ("‘", "’"), ("“", "”"), ("「", "」"), ("«", "»"))


@dataclass(frozen=True)
class Question:
    """A question as it was read.

    Attributes:
        text: the question, whole.
        task_type: one of the five types, from the flag, the request and the options.
        options: the options listed, in the order shown; none where the answer is not chosen from a list.
        numbers: the numbers that can be answered with: the options', else those of a rating scale; may be empty.
        count: how many of them the answer holds; 0 for an answer in words.
        request: the question without its options and quoted data; the whole where nothing else is left.
        one_a_line: whether every option begins a line.
    """

    text: str
    task_type: TaskType
    options: tuple[Option, ...] = ()
    numbers: tuple[int, ...] = ()
    count: int = 0
    request: str = ""
    one_a_line: bool = False

    @classmethod
    def read(cls, text: str, is_multiple_choice: bool) -> Question:
        """Read a question.

        >>> question = Question.read("Which is a fruit?\\n0. apple\\n1. car\\nAnswer:", True)
        >>> str(question.task_type), question.numbers, question.options[1].text, question.count
        ('multiple-choice', (0, 1), 'car', 1)
        """
        listed = shown_options(text)
        outside = _outside(text, listed)
        request = _request(outside)
        if listed and listed.quoted and (scale_options(text) or not (is_multiple_choice or _asks_to_choose(request))):
            listed = None  # a list inside a review, and nothing to choose from it
        numbers = listed.numbers if listed else ()
        if is_multiple_choice:
            task_type, numbers = TaskType.MULTIPLE_CHOICE, numbers or scale_options(text) or single_digits(_asked(text))
        else:
            if listed and not listed.one_a_line and offered_labels(_asked(outside)):
                numbers = ()  # a list of contents within a product's data
            task_type, numbers = _task_type(request, numbers)
        if task_type is TaskType.GENERATION:
            listed = None
        return cls(
            text=text,
            task_type=task_type,
            options=listed.options if listed else (),
            numbers=numbers,
            count=_count(task_type, request, len(numbers)),
            request=request,
            one_a_line=bool(listed and listed.one_a_line),
        )

    def as_type(self, task_type: TaskType) -> Question:
        """The same question where its type is known, as in files that name it."""
        question = self
        if not TASKS[task_type].default_count:
            question = replace(self, options=(), numbers=(), one_a_line=False)
        elif not self.numbers and (listed := shown_options(self.text)):
            # By its words alone the list was taken for facts, for rules or for a part of the data.
            question = replace(self, options=listed.options, numbers=listed.numbers, one_a_line=listed.one_a_line)
        return replace(question, task_type=task_type, count=_count(task_type, self.request, len(question.numbers)))

    @property
    def option_texts(self) -> tuple[str, ...] | None:
        """Each option's text; None where options do not stand one a line, or one of them has no text."""
        texts = tuple(option.text for option in self.options)
        return texts if texts and self.one_a_line and all(texts) else None

    @cached_property
    def labels(self) -> Labels | None:
        """The answers in words that a question of the generation type names; None where it wants a text.

        >>> Question.read("Review: too small\\nWould they buy it again? Answer yes or no.", False).labels.names
        ('yes', 'no')
        """
        if self.task_type is not TaskType.GENERATION:
            return None
        return offered_labels(_asked(self.text))

    @cached_property
    def source(self) -> str:
        """The text that entities are quoted from: the last one with a label that names a text ("Query: ...",
        "Title: ..."), else the longest with any label, else the longest quotation, else all of the question.

        >>> Question.read("Extract the brand.\\nQuery: ty beanie boos\\nOutput: ", False).source
        'ty beanie boos'
        >>> Question.read("What is the 'COLOR' in the title 'Led Light Phone Case - White'?", False).source
        'Led Light Phone Case - White'
        """
        labels = list(LABEL.finditer(self.text))
        ends = [*(label.start() for label in labels[1:]), len(self.text)]
        bodies = {
            label["name"]: body
            for label, end in zip(labels, ends, strict=False)  # one end too many if there is no label
            if (body := _data(self.text[label.end() : end])) and not ANSWER_LABEL.search(label["name"])
        }
        texts = [body for name, body in bodies.items() if TEXT_LABEL.search(name)]
        if bodies:
            return texts[-1] if texts else max(bodies.values(), key=len)
        quoted = [found for left, right in _QUOTES for found in _quotations(self.text, left, right)]
        return max(quoted, key=len) if quoted else self.text.strip()


def _asks_to_choose(request: str) -> bool:
    return any(phrase.search(request) for phrase in (ASKS_CHOICE, ASKS_RANKING, SAYS_NUMBERS))


def _task_type(request: str, numbers: tuple[int, ...]) -> tuple[TaskType, tuple[int, ...]]:
    """The type of a question without the multiple-choice flag, and the numbers that it can be answered with."""
    if numbers:
        task_type = _type_with_options(request, len(numbers))
        return task_type, () if task_type is TaskType.GENERATION else numbers
    if ASKED_COMMA_NUMBERS.search(request):
        return TaskType.RETRIEVAL, ()
    if ASKS_ENTITY.search(request) and not ASKS_TYPES.search(request):
        return TaskType.NER, ()
    scale = () if ASKS_TEXT.search(request) else scale_options(request)
    return (TaskType.MULTIPLE_CHOICE if scale else TaskType.GENERATION), scale


def _type_with_options(request: str, shown: int) -> TaskType:
    wanted = _asked_number(request)
    if ASKS_RANKING.search(request) and wanted in (None, shown):
        return TaskType.RANKING
    if _wants_text(request):
        return TaskType.GENERATION  # the list holds facts, steps or rules
    if wanted == 1 and shown <= 10:
        return TaskType.MULTIPLE_CHOICE
    if (wanted or 0) > 1 or shown > 5:
        return TaskType.RANKING if wanted == shown else TaskType.RETRIEVAL
    if shown == 5 and not (ASKS_CHOICE.search(request) or ENDS_AS_CHOICE.search(request)):
        return TaskType.RANKING  # no word on what to do with them: the winners' rule, rankings have five
    return TaskType.MULTIPLE_CHOICE


def _wants_text(request: str) -> bool:
    """Whether a text is to be written; not "find three snippets that praise the seat and describe the fit"."""
    text = ASKS_TEXT.search(request)
    if text is None or SELECTS.search(request) or SAYS_NUMBERS.search(request):
        return False
    count = ASKED_COUNT.search(request)
    return count is None or count.start() >= text.start()


def _count(task_type: TaskType, request: str, shown: int) -> int:
    """How many numbers the answer holds: a retrieval question says it or it is three; a ranking holds every option."""
    default = TASKS[task_type].default_count
    if task_type is TaskType.RANKING:
        return shown or default
    if task_type is TaskType.RETRIEVAL:
        wanted = max(_asked_number(request) or default, 1)
        return min(wanted, shown) if shown else wanted
    return default


def _asked_number(request: str) -> int | None:
    """The number of options that a request asks for, None where it names none."""
    for match in ASKED_COUNT.finditer(request):
        word = next(group for group in match.groups() if group).lower()
        return NUMBER_WORDS[word] if word in NUMBER_WORDS else int(word)
    return None


def _asked(question: str) -> str:
    """The question without the lines that begin as data do; the whole where nothing else is left."""
    asked = "\n".join(line for line in question.splitlines() if not DATA_HEADER.match(line))
    return asked if asked.strip() else question


def _data(body: str) -> str:
    """What stands behind a label, up to a line that asks for entities of it."""
    first, *lines = body.strip().splitlines() or [""]
    return "\n".join([first, *takewhile(lambda line: not ASKS_ENTITY.search(line), lines)]).strip()


def _outside(question: str, listed: OptionList | None) -> str:
    """The question without its options."""
    return question[: listed.options[0].start] + "\n" + question[listed.options[-1].end :] if listed else question


def _request(question: str) -> str:
    kept, in_data = [], False
    for line in question.splitlines():
        if DATA_HEADER.match(line):
            in_data = True
        elif LABEL.match(line) or not in_data:
            in_data = False
            kept.append(line)
    request = "\n".join(kept) if any(line.strip() for line in kept) else question
    return QUOTED.sub("…", request)


def _quotations(question: str, left: str, right: str) -> Sequence[str]:
    # An apostrophe within a word ("men's") opens and closes nothing.
    return re.findall(rf"(?<!\w){re.escape(left)}([^\n]{{1,2000}}?){re.escape(right)}(?!\w)", question)
