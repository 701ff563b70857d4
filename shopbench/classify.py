"""Which of the five task types a question is, from its text and the multiple-choice flag alone.

The hidden test gives nothing else, and 39 of its 57 tasks are in no public file. The winners' rules (FACTS 2)
knew the development file's sentences; these look at what the request asks for (how many of how many options,
an order, entities) in six languages, and at the options that it really shows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shopbench.options import scale_options, shown_options
from shopbench.phrases import (
    ASKED_COMMA_NUMBERS,
    ASKED_COUNT,
    ASKS_CHOICE,
    ASKS_ENTITY,
    ASKS_RANKING,
    DATA_HEADER,
    NUMBER_WORDS,
    QUOTED,
)
from shopbench.tasks import TASKS, TaskType

_ANY_HEADER = re.compile(r"^[^\S\n]*[^\W\d_][^:：\n]{0,40}[:：]")


class Classified(NamedTuple):
    """A question's task type and the option numbers it shows, as shown (0- or 1-based); empty if none."""

    task_type: TaskType
    options: tuple[int, ...]


def classify(question: str, is_multiple_choice: bool) -> Classified:
    """The task type of a question and its options.

    >>> classify("Which is a fruit?\\n0. apple\\n1. car\\nAnswer:", True)
    Classified(task_type=<TaskType.MULTIPLE_CHOICE: 'multiple-choice'>, options=(0, 1))
    """
    shown = shown_options(question)
    scale = scale_options(question)
    options = tuple(shown.numbers) if shown and not (shown.quoted and scale) else ()
    if is_multiple_choice:
        return Classified(TaskType.MULTIPLE_CHOICE, options or scale)
    request = _request(question)
    if shown and shown.quoted and not ASKS_CHOICE.search(request) and not ASKS_RANKING.search(request):
        options = ()  # a list inside a review, and nothing to choose
    if options:
        return Classified(_type_with_options(request, len(options)), options)
    if ASKED_COMMA_NUMBERS.search(request):
        return Classified(TaskType.RETRIEVAL, ())
    if ASKS_ENTITY.search(request):
        return Classified(TaskType.NER, ())
    scale = scale_options(request)
    return Classified(TaskType.MULTIPLE_CHOICE if scale else TaskType.GENERATION, scale)


def answer_count(question: str, classified: Classified) -> int:
    """How many option numbers the answer holds; 0 for a text.

    A retrieval question says it ("select three"), or it is three; a ranking holds every option.
    """
    task_type, options = classified
    default = TASKS[task_type].default_count
    if task_type is TaskType.RANKING:
        return len(options) or default
    if task_type is TaskType.RETRIEVAL:
        wanted = asked_number(_request(question)) or default
        return min(wanted, len(options)) if options else wanted
    return default


def asked_number(request: str) -> int | None:
    """The number of options that a request asks for, None where it names none."""
    for match in ASKED_COUNT.finditer(request):
        word = next(group for group in match.groups() if group).lower()
        return NUMBER_WORDS[word] if word in NUMBER_WORDS else int(word)
    return None


def _type_with_options(request: str, shown: int) -> TaskType:
    wanted = asked_number(request)
    if ASKS_RANKING.search(request) and wanted in (None, shown):
        return TaskType.RANKING
    if wanted == 1 and shown <= 10:
        return TaskType.MULTIPLE_CHOICE
    if (wanted or 0) > 1 or shown > 5:
        return TaskType.RETRIEVAL
    # Five options and no word on what to do with them: the winners' rule, rankings have five.
    return TaskType.MULTIPLE_CHOICE if shown != 5 or ASKS_CHOICE.search(request) else TaskType.RANKING


def _request(question: str) -> str:
    """The question without its option lines and quoted data; the whole where nothing else is left."""
    shown = shown_options(question)
    if shown:
        question = question[: shown.start] + "\n" + question[shown.end :]
    kept, in_data = [], False
    for line in question.splitlines():
        if DATA_HEADER.match(line):
            in_data = True
        elif _ANY_HEADER.match(line) or not in_data:
            in_data = False
            kept.append(line)
    request = "\n".join(kept) if any(line.strip() for line in kept) else question
    return QUOTED.sub("…", request)
