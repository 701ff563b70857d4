"""Putting a question together: a request, its data, its options and the word on how to answer.

Tasks give several requests each; what ShopBench says after a list ("output three numbers, comma-separated")
is here once, in a few variants. Each variant must classify as its type (shopbench/question.py): the tests
build every one.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import Row, make_sample
from training.data.options import Shown

ENDINGS = ("\nAnswer:", "\nAnswer: ", "\nOutput:", "\nOutput: ", "")

THREE_NUMBERS = (
    "Reply with three numbers separated by commas, and nothing else.",
    "Output exactly three option numbers, separated by commas. No explanation is needed.",
    "You should ONLY output three numbers, separated with comma. Leave out any other text.",
    "Give the indices only: three numbers with a comma between them.",
    "Your output must hold 3 numbers with a comma between every two. Do not repeat the options.",
)
ALL_RANKED = (
    "Output a permutation of 1 to {count}, separated by commas, best first. Say nothing else.",
    "You should output all {count} numbers in the ranked order with commas between them. Each number appears once.",
    "Respond only with the ranking: the {count} numbers, comma-separated, from best to worst.",
    "Give the ranked list as comma-separated numbers, each used exactly once, without explanations.",
)
LIST_NAMES = ("{noun} List:", "{noun} list:", "List of {nouns}:", "{nouns}:", "Options:")


def request(rng: random.Random, row: Row, wordings: Sequence[str], **values: object) -> str:
    """One of the wordings with its values; the copies of a sample ("copy" of row["sample"]) have different ones.

    A language model's own wording of this row (`row["wording"]`) goes first; its wordings of the task
    (`row["wordings"]`) are as good as those here. Those with other placeholders are not used.
    """
    known = [placeholders(one) for one in wordings]
    pool = [*wordings, *(one for one in row.get("wordings", ()) if placeholders(one) in known)]
    if "copy" in row:
        random.Random(row["sample"]).shuffle(pool)
        chosen = pool[row["copy"] % len(pool)]
    else:
        chosen = rng.choice(pool)
    offered = row.get("wording")
    if isinstance(offered, str) and placeholders(offered) == placeholders(chosen):
        chosen = offered
    return chosen.format(**values)


def placeholders(wording: str) -> set[str | None]:
    """The names in braces of a wording; {None} if it is none, with a brace left over."""
    try:
        return {field for _, field, _, _ in string.Formatter().parse(wording) if field is not None}
    except ValueError:  # a lone brace: not a wording of ours
        return {None}


def choice(rng: random.Random, text: str, shown: Shown | None) -> Sample | None:
    """A multiple-choice question: the request, the options, an ending. None if there are no options."""
    if shown is None:
        return None
    question = f"{text}\n{shown.text}{rng.choice(ENDINGS)}"
    return make_sample(question, shown.truth, TaskType.MULTIPLE_CHOICE, "accuracy")


def selection(rng: random.Random, text: str, noun: str, shown: Shown | None) -> Sample | None:
    """A retrieval question that asks for three options; None if there are no options."""
    return _list_question(TaskType.RETRIEVAL, rng, text, noun, shown)


def ordering(rng: random.Random, text: str, noun: str, shown: Shown | None) -> Sample | None:
    """A ranking question over all options; None if there are no options."""
    return _list_question(TaskType.RANKING, rng, text, noun, shown)


def plural(noun: str) -> str:
    """The plural of an English noun with a regular one.

    >>> plural("Bullet Point"), plural("Query"), plural("Key"), plural("Box")
    ('Bullet Points', 'Queries', 'Keys', 'Boxes')
    """
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def _list_question(kind: TaskType, rng: random.Random, text: str, noun: str, shown: Shown | None) -> Sample | None:
    if shown is None:
        return None
    how_to_answer, metric = (THREE_NUMBERS, "hit rate@3") if kind is TaskType.RETRIEVAL else (ALL_RANKED, "ndcg")
    parts = [text, rng.choice(LIST_NAMES).format(noun=noun, nouns=plural(noun)), shown.text]
    parts.insert(rng.choice((1, 3)), rng.choice(how_to_answer).format(count=shown.count))
    return make_sample("\n".join(parts) + rng.choice(ENDINGS), shown.truth, kind, metric)


def written(rng: random.Random, text: str, answer: str, metric: str) -> Sample | None:
    """A generation question; None if the answer is empty."""
    if not answer.strip():
        return None
    return make_sample(text + rng.choice(ENDINGS), answer.strip(), TaskType.GENERATION, metric)


def entities(rng: random.Random, text: str, found: Sequence[str]) -> Sample | None:
    """A named-entity question; None if nothing is to be found."""
    answers = tuple(entity.strip() for entity in found if entity.strip())
    if not answers:
        return None
    return make_sample(text + rng.choice(ENDINGS), answers, TaskType.NER, "micro f1")
