"""Numbered option lists: how options are shown and which numbers are right.

Numbers are those that the reader sees: a multiple-choice truth counts from 0 or from 1 as its list does.
Ranking lists count from 1, since the evaluator reads a rank n as the n-th gain and 0 as the last one.
All choices come from the generator given, and every position is equally likely to hold the right answer.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MARKS = ("{}. ", "{}. ", "{}. ", "{}) ", "({}) ", "{}.")
"""How a number is written before its option; the test set's "1. " is the most frequent."""

OPTION_CHARACTERS = 300
"""An option is cut (at a word) to this length: lists of whole descriptions do not fit a prompt."""


@dataclass(frozen=True)
class Style:
    """A way to number options: the first number (0 or 1) and the mark around it."""

    first: int
    mark: str = "{}. "

    def show(self, options: Sequence[str]) -> str:
        """The options, one a line."""
        return "\n".join(self.mark.format(number) + option for number, option in enumerate(options, self.first))


@dataclass(frozen=True)
class Shown:
    """An option list as text, and its truth: the right number, the right numbers, or a gain for each option."""

    text: str
    truth: int | tuple[int, ...] | tuple[float, ...]
    style: Style

    @property
    def count(self) -> int:
        """How many options there are."""
        return len(self.text.splitlines())


def first_number(rng: random.Random) -> int:
    """The number a list begins with, as ShopBench's lists do: mostly 0, now and then 1."""
    return rng.choice((0, 0, 0, 0, 1))


def draw_style(rng: random.Random, first: int | None = None, options: Sequence[str] = ()) -> Style:
    """A numbering for these options; `first` fixes the first number (None: 0 or 1, equally often).

    "1." without a blank is used before letters only: "1.2 cups" would read as a decimal, "1.) soft" as another mark.
    """
    start = rng.randrange(2) if first is None else first
    mark = rng.choice(MARKS)
    if not mark.endswith(" ") and not all(option[:1].isalpha() for option in options):
        mark = "{}. "
    return Style(start, mark)


def one_line(text: object, limit: int | None = None) -> str:
    """`text` (None: empty) as one line without HTML, cut at a word end to `limit` characters."""
    if text is None:
        return ""
    plain = html.unescape(re.sub(r"<[a-zA-Z/][^<>]{0,200}>", " ", str(text)))
    plain = " ".join(plain.split())
    if limit is None or len(plain) <= limit:
        return plain
    cut = plain[:limit]
    return cut.rsplit(" ", 1)[0] if " " in cut[limit // 2 :] else cut


def same_key(text: str) -> str:
    """What makes two options the same to a reader: case and punctuation do not count."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def distinct(options: Iterable[object], taken: Iterable[str] = (), limit: int | None = OPTION_CHARACTERS) -> list[str]:
    """The options as clean single lines, in order, without empty ones, repeats, or ones in `taken`."""
    left_out = {same_key(option) for option in taken} | {""}
    found: dict[str, str] = {}
    for line in (one_line(option, limit) for option in options):
        found.setdefault(same_key(line), line)
    return [line for key, line in found.items() if key not in left_out]


def multiple_choice(
    right: object, wrong: Iterable[object], rng: random.Random, count: int = 4, first: int | None = None
) -> Shown | None:
    """One right option among `count` (at most 9, so that a number is one digit); None if there are too few.

    >>> multiple_choice("cup", ["hat", "sock", "belt"], random.Random(0), first=0).text
    '(0) sock\\n(1) belt\\n(2) cup\\n(3) hat'
    """
    answer = distinct([right])
    others = distinct(wrong, answer)
    if not answer or len(others) < count - 1 or not 2 <= count <= 9:
        return None
    options = rng.sample(others, count - 1)
    position = rng.randrange(count)
    options.insert(position, answer[0])
    style = draw_style(rng, first, options)
    return Shown(style.show(options), position + style.first, style)


def retrieval(
    right: Iterable[object],
    wrong: Iterable[object],
    rng: random.Random,
    count: int,
    first: int | None = 1,
    least: int | None = None,
) -> Shown | None:
    """All `right` options among `count`, shuffled; the truth is in rising order.

    None if there are fewer than `least` options (None: fewer than `count`), or if two right ones look the same.
    """
    given = list(right)
    answers = distinct(given)
    others = distinct(wrong, answers)
    count, wanted = min(count, len(answers) + len(others)), count if least is None else least
    if not answers or len(answers) < len(given) or count < wanted or count <= len(answers):
        return None
    chosen = [(option, True) for option in answers]
    chosen += [(option, False) for option in rng.sample(others, count - len(answers))]
    rng.shuffle(chosen)
    texts = [option for option, _ in chosen]
    style = draw_style(rng, first, texts)
    truth = tuple(number for number, (_, is_right) in enumerate(chosen, style.first) if is_right)
    return Shown(style.show(texts), truth, style)


def ranking(
    options: Sequence[tuple[object, float]], rng: random.Random, count: int = 5, limit: int = OPTION_CHARACTERS
) -> Shown | None:
    """`options` with their gains, shuffled and counted from 1; None unless `count` distinct ones remain.

    The truth holds the gains in the order shown. None, too, where all gains are equal: any order is right.
    """
    pairs = [(one_line(option, limit), float(gain)) for option, gain in options]
    are_distinct = len(distinct((option for option, _ in pairs), limit=None)) == len(pairs) == count
    if not are_distinct or len({gain for _, gain in pairs}) < 2:
        return None
    rng.shuffle(pairs)
    texts = [option for option, _ in pairs]
    style = draw_style(rng, 1, texts)
    return Shown(style.show(texts), tuple(gain for _, gain in pairs), style)
