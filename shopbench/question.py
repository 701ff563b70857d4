"""What a question asks and shows, read once: inference, training and the checks of synthetic data share this reading.

The hidden test gives a text and the multiple-choice flag, nothing else, and 39 of its 57 tasks are in no public file.
The winners' rules knew the development file's sentences; these look at what the request asks for (how many of how many
options, an order, entities) in six languages, and at the options that it really shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from shopbench.labels import Labels, offered_labels
from shopbench.options import Option, OptionList, scale_options, shown_options
from shopbench.phrases import (
    ANSWER_LABEL,
    ASKED_COMMA_NUMBERS,
    ASKED_COUNT,
    ASKS_CHOICE,
    ASKS_ENTITY,
    ASKS_RANKING,
    ASKS_TYPES,
    DATA_HEADER,
    LABEL,
    NUMBER_WORDS,
    QUOTED,
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
        request = _request(text, listed)
        if listed and listed.quoted and (scale_options(text) or not (is_multiple_choice or _asks_to_choose(request))):
            listed = None  # a list inside a review, and nothing to choose from it
        numbers = listed.numbers if listed else ()
        if is_multiple_choice:
            task_type, numbers = TaskType.MULTIPLE_CHOICE, numbers or scale_options(text)
        else:
            task_type, numbers = _task_type(request, numbers)
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
        return replace(self, task_type=task_type, count=_count(task_type, self.request, len(self.numbers)))

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
        lines = self.text.splitlines()
        asked = "\n".join(line for line in lines if not DATA_HEADER.match(line))
        return offered_labels(asked if asked.strip() else self.text)

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
            if (body := self.text[label.end() : end].strip()) and not ANSWER_LABEL.search(label["name"])
        }
        texts = [body for name, body in bodies.items() if TEXT_LABEL.search(name)]
        if bodies:
            return texts[-1] if texts else max(bodies.values(), key=len)
        quoted = [found for left, right in _QUOTES for found in _quotations(self.text, left, right)]
        return max(quoted, key=len) if quoted else self.text.strip()


def _asks_to_choose(request: str) -> bool:
    return bool(ASKS_CHOICE.search(request) or ASKS_RANKING.search(request))


def _task_type(request: str, numbers: tuple[int, ...]) -> tuple[TaskType, tuple[int, ...]]:
    """The type of a question without the multiple-choice flag, and the numbers that it can be answered with."""
    if numbers:
        return _type_with_options(request, len(numbers)), numbers
    if ASKED_COMMA_NUMBERS.search(request):
        return TaskType.RETRIEVAL, ()
    if ASKS_ENTITY.search(request) and not ASKS_TYPES.search(request):
        return TaskType.NER, ()
    scale = scale_options(request)
    return (TaskType.MULTIPLE_CHOICE if scale else TaskType.GENERATION), scale


def _type_with_options(request: str, shown: int) -> TaskType:
    wanted = _asked_number(request)
    if ASKS_RANKING.search(request) and wanted in (None, shown):
        return TaskType.RANKING
    if wanted == 1 and shown <= 10:
        return TaskType.MULTIPLE_CHOICE
    if (wanted or 0) > 1 or shown > 5:
        return TaskType.RETRIEVAL
    # Five options and no word on what to do with them: the winners' rule, rankings have five.
    return TaskType.MULTIPLE_CHOICE if shown != 5 or ASKS_CHOICE.search(request) else TaskType.RANKING


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


def _request(question: str, listed: OptionList | None) -> str:
    if listed:
        question = question[: listed.options[0].start] + "\n" + question[listed.options[-1].end :]
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
