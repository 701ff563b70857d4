"""The numbered options that a question shows: their numbers, their texts, and where they stand.

ShopBench numbers options from 0 in some tasks and from 1 in others, and writes "0.", "1.text", "(1)", "0)" or "1:",
one a line or all on one line. Elsewhere marks are bulleted, bold, quoted, full-width, or stand behind characters that
nobody sees: the list is the same. Decimals ("2.5 inch") and lists inside a quoted review look alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shopbench.phrases import QUOTED_HEADER, SCALE

_UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_BULLET = rf"(?:[^\S\n]|[-+•●▪◦‣·–—#>|{_UNSEEN}]|\*(?=[^\S\n]))*+"
# What ends an emphasis or a quotation that does not end as it begins.
_CLOSERS = {"“": "”", "„": "“", "«": "»", "「": "」", "『": "』", "‘": "’"}
_BOLD, _QUOTE, _UNQUOTE = r"\*{1,3}|_{1,3}|~~|`", "[\"'“„«「『‘]", "[\"'”“»」』’]"
_MARK = re.compile(
    # A quotation within a line ("1. Allegro 2. Andante" as a description) is data, one that begins a line an option.
    rf"(?:(?P<line>^){_BULLET}(?:(?P<emphasis>{_BOLD}|{_QUOTE})[{_UNSEEN}]*+)?"
    rf"|(?<=[\s,;:?])(?<!\d[.,:])(?:(?P<bold>{_BOLD})[{_UNSEEN}]*+)?)"
    r"(?P<open>[(\[（【]?)"
    rf"(?P<number>\d{{1,2}})[{_UNSEEN}]*+"
    rf"(?P<ended>{_BOLD}|{_UNQUOTE})?"
    rf"\\?(?P<close>\.\)|[.):\]．）：、】]|[^\S\n][-–—](?=[^\S\n]))[{_UNSEEN}]*+",
    re.MULTILINE,
)
"""The number before an option: at the beginning of a line, or after a blank or a comma within one."""
_HEADER = re.compile(r"^[^\S\n]*([^\W\d_][^:：\n]{0,40})[:：]", re.MULTILINE)


class Option(NamedTuple):
    """One option: its number as shown, its text in one line, and the part of the question it takes, mark included."""

    number: int
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class OptionList:
    """A list of options in the order shown.

    Attributes:
        one_a_line: every option begins a line.
        quoted: the list is part of a quoted review, description or other input.
    """

    options: tuple[Option, ...]
    one_a_line: bool
    quoted: bool

    @property
    def numbers(self) -> tuple[int, ...]:
        """The options' numbers."""
        return tuple(option.number for option in self.options)


class _Mark(NamedTuple):
    number: int
    style: str
    """Its brackets, stop or colon: all marks of a list have the same."""
    start: int
    end: int
    begins_line: bool
    may_be_decimal: bool
    wrapping: str
    """What ends the option's text if its mark and text are emphasized or quoted together ("**1. red**")."""


def shown_options(question: str) -> OptionList | None:
    """The list of options that the question offers, None where it shows none.

    Of several lists the last one counts that no review or description quotes: quotations come first, options
    last. A scale ("1 to 5") is not a list: see `scale_options`.

    >>> [option.text for option in shown_options("Which?\\n**0.** red car\\n**1.** red bus\\nAnswer:").options]
    ['red car', 'red bus']
    """
    marks = list(_marks(question))
    one_a_line = True
    runs = _runs([mark for mark in marks if mark.begins_line], shortest=2)
    if not runs:
        one_a_line = False
        runs = _runs([mark for mark in marks if _something_follows(question, mark.end)], shortest=3)
    if not runs:
        return None
    offered = [run for run in runs if not _is_quoted(question, run[0].start)]
    run = (offered or runs)[-1]
    return OptionList(_options(question, run, one_a_line), one_a_line, quoted=not offered)


def scale_options(question: str) -> tuple[int, ...]:
    """The numbers of a rating scale named in the text ("on a scale of 1 to 5"), empty where there is none."""
    for match in SCALE.finditer(question):
        low, high = (int(group) for group in match.groups() if group)
        if low < high <= low + 10:
            return tuple(range(low, high + 1))
    return ()


def _marks(question: str) -> Iterator[_Mark]:
    for match in _MARK.finditer(question):
        close, emphasis, end = match["close"], match["emphasis"] or match["bold"] or "", match.end()
        closer = _CLOSERS.get(emphasis, emphasis)
        if match["ended"] and not emphasis:
            continue  # the end of something quoted that merely ends in a number
        if closer and not match["ended"] and question.startswith(closer, end):
            end, closer = end + len(closer), ""
        yield _Mark(
            number=int(match["number"]),
            style=unicodedata.normalize("NFKC", match["open"] + close.strip()),
            start=match.start(),
            end=end,
            begins_line=match["line"] is not None,
            may_be_decimal=close in ".:" and question[end : end + 1].isdigit(),
            wrapping="" if match["ended"] else closer,
        )


def _something_follows(question: str, at: int) -> bool:
    return bool(question[at : at + 80].strip() or question[at:].strip())


def _runs(marks: list[_Mark], shortest: int) -> list[list[_Mark]]:
    """Runs of at least `shortest` rising numbers from 0 or 1, all of the same style, in order of their start."""
    runs: list[list[_Mark]] = []
    growing: dict[str, list[_Mark]] = {}
    for mark in marks:
        run = growing.get(mark.style)
        # A gap of one is let through: published files hold lists numbered 0, 1, 3.
        if run and run[-1].number < mark.number <= run[-1].number + (1 if mark.may_be_decimal else 2):
            run.append(mark)
        elif mark.number <= 1 and not mark.may_be_decimal:
            growing[mark.style] = [mark]
            runs.append(growing[mark.style])
    long = [run for run in runs if len(run) >= shortest]
    # A list within an option of another one belongs to that option.
    return [run for run in long if not any(_holds(other, run) for other in long)]


def _holds(outer: list[_Mark], inner: list[_Mark]) -> bool:
    return outer[0].start < inner[0].start and inner[-1].end < outer[-1].start


def _options(question: str, run: list[_Mark], one_a_line: bool) -> tuple[Option, ...]:
    """The options of a run: each reaches to the next one's mark, the last one to the end of its line."""
    last_line = question.find("\n", run[-1].end)
    ends = [*(mark.start for mark in run[1:]), len(question) if last_line < 0 else last_line]
    options = []
    for mark, end in zip(run, ends, strict=True):
        text = " ".join(question[mark.end : end].split())
        if mark.wrapping:
            text = text.removesuffix(mark.wrapping).rstrip()
        options.append(Option(mark.number, text if one_a_line else text.rstrip(" ,;"), mark.start, end))
    return tuple(options)


def _is_quoted(question: str, start: int) -> bool:
    """Whether a list stands in a review, description or other quoted text: the last header before it says so."""
    headers = [match for match in _HEADER.finditer(question, 0, start) if match.end() <= start]
    return bool(headers) and bool(QUOTED_HEADER.search(headers[-1][1]))
