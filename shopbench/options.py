"""The numbered options that a question shows: their numbers, their texts, and where they stand.

ShopBench numbers options from 0 in some tasks and from 1 in others, and writes "0.", "1.text", "(1)", "0)" or "1:",
one a line or all on one line. Elsewhere marks are bulleted, bold, quoted, full-width, or stand behind characters that
nobody sees: the list is the same. Decimals ("2.5 inch") and lists inside a quoted review look alike.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from shopbench.phrases import LABEL, QUOTED_HEADER, SCALE

_UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_BULLET = rf"(?:[^\S\n]|[-+•●▪◦‣·・･○◆■►▶–—#>|{_UNSEEN}]|\*(?=[^\S\n]))*+"
# What ends an emphasis or a quotation that does not end as it begins.
_CLOSERS = {"“": "”", "„": "“", "«": "»", "「": "」", "『": "』", "‘": "’"}
_BOLD, _QUOTE, _UNQUOTE = r"\*{1,3}|_{1,3}|~~|`", "[\"'“„«「『‘]", "[\"'”“»」』’]"
_CIRCLED = "⓪①-⑳"
_MARK = re.compile(
    rf"(?:(?P<line>^){_BULLET}(?P<before>{_BOLD}|{_QUOTE})?|(?<=[\s,;:?>，；：？。、])(?<!\d[.,:])[{_UNSEEN}]*+(?P<bold>{_BOLD})?"
    rf"|(?=[（［【{_CIRCLED}])"
    rf"|(?<=[\s,;:?\[({{])(?P<quote>{_QUOTE}))[{_UNSEEN}]*+"
    rf"(?P<open>[(\[（［【｛]?)(?P<inside>{_BOLD})?"
    rf"(?:(?P<number>\d{{1,2}})[{_UNSEEN}]*+(?P<ended>{_BOLD}|{_UNQUOTE})?"
    r"\\?(?P<close>\.\)|[.):\]．）：、］】｝]|[^\S\n][-–—:：](?=[^\S\n])|[^\S\n]?=(?!=)|\ufe0f?\u20e3)"
    rf"|(?P<circled>[{_CIRCLED}]))[{_UNSEEN}]*+",
    re.MULTILINE,
)
"""The number before an option: at the beginning of a line, or after a blank or a comma within one."""
_AFTER_COLON = re.compile(r"[:：?？]\s*$")
_DIGIT = re.compile(r"^[^\S\n]*([0-9])(?=[.:)])|(?<![\w.,$€£-])([0-9])(?![\w%]|[.,:/-]\d)", re.MULTILINE)
_UPPER = re.compile(r"\s*(\d{1,3})")


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
        one_a_line: every option begins a line (the first may follow "Options:"), and nothing else is numbered.
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
    marks = [mark for match in _MARK.finditer(question) if (mark := _read(question, match))]
    lines = _line_marks(question, marks)
    runs, one_a_line = _runs(lines, shortest=2), True
    if not runs:
        inline = [mark for mark in marks if _something_follows(question, mark.end)]
        runs, one_a_line = _runs(inline, shortest=3), False
    if not runs:
        return None
    headers = list(LABEL.finditer(question))
    ends = [header.end() for header in headers]

    def is_quoted(run: list[_Mark]) -> bool:
        """Whether it stands in a review, a description or the like: the last header before it says so."""
        before = bisect_right(ends, run[0].start)
        return before > 0 and bool(QUOTED_HEADER.search(headers[before - 1]["name"]))

    run = next((run for run in reversed(runs) if not is_quoted(run)), runs[-1])
    numbered = [mark for mark in lines if run[0].start <= mark.start <= run[-1].start]
    return OptionList(_options(question, run), one_a_line and numbered == run, is_quoted(run))


def after_mark(line: str) -> str | None:
    """What stands behind the mark that a line begins with; None if it begins with none."""
    match = _MARK.match(line)
    mark = _read(line, match) if match else None
    return line[mark.end :] if mark else None


def scale_options(question: str) -> tuple[int, ...]:
    """The numbers of a rating scale named in the text ("on a scale of 1 to 5"), empty where there is none."""
    for match in SCALE.finditer(question):
        low, high = (int(group) for group in match.groups() if group)
        if low < high <= low + 10:
            return tuple(range(low, high + 1))
    return ()


def single_digits(text: str) -> tuple[int, ...]:
    """The digits that a text counts on from 0 or 1, where it shows no list: "0 for no, 1 for yes", a table's rows.

    >>> single_digits("Answer 1 if they match, 0 otherwise."), single_digits("A set of 12.")
    ((0, 1), ())
    """
    runs: list[list[int]] = [[]]
    for match in _DIGIT.finditer(text):
        digit = int(match[0])
        if runs[-1] and digit == runs[-1][-1] + 1:
            runs[-1].append(digit)
        elif digit <= 1:
            runs.append([digit])
    longest = max(reversed(runs), key=len)
    if len(longest) < 2 and {0, 1} <= {run[0] for run in runs if run}:
        return (0, 1)
    return tuple(longest) if len(longest) > 1 else ()


def _read(question: str, match: re.Match[str]) -> _Mark | None:
    """A match of _MARK as a mark; None where it is something else that looks alike."""
    close, end = match["close"] or "○", match.end()
    number = int(match["number"] or unicodedata.normalize("NFKC", match["circled"]))
    emphasis = match["before"] or match["bold"] or match["quote"] or match["inside"] or ""
    ended = match["ended"] or ""
    if ended and not emphasis:
        if ended in "\"'”“»」』’":
            return None  # the end of something quoted that merely ends in a number
        emphasis, ended = ended, ""  # "1**.**"
    if match["quote"] and ended:
        return None  # the key of a dictionary
    closer = _CLOSERS.get(emphasis, emphasis)
    if closer and not ended and question.startswith(closer, end):
        end, closer = end + len(closer), ""
    upper = _UPPER.match(question, end)
    if close.strip() in ("–", "—") and upper and int(upper[1]) > number:
        return None  # "0 – 3 months"
    return _Mark(
        number=number,
        style=unicodedata.normalize("NFKC", (match["quote"] or "") + match["open"] + close.strip()),
        start=match.start(),
        end=end,
        begins_line=match["line"] is not None,
        may_be_decimal=close in ".:" and question[end : end + 1].isdigit(),
        wrapping="" if ended else closer,
    )


def _line_marks(question: str, marks: list[_Mark]) -> list[_Mark]:
    """The marks that begin a line, and before "1." or "2." the one of its list that follows "Options:" on a line."""
    found: list[_Mark] = []
    opening: _Mark | None = None
    for mark in marks:
        if mark.begins_line:
            follows = opening and (opening.style, opening.number + 1) == (mark.style, mark.number)
            if opening and follows and question.count("\n", opening.end, mark.start) == 1:
                found.append(opening)
            found.append(mark)
            opening = None
        elif mark.number <= 1 and _AFTER_COLON.search(question, max(mark.start - 8, 0), mark.start):
            line = question.rfind("\n", 0, mark.start) + 1
            opening = mark if not found or found[-1].start < line else None
    return found


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
    return [run for run in runs if len(run) >= shortest]


def _options(question: str, run: list[_Mark]) -> tuple[Option, ...]:
    """The options of a run: each reaches to the next one's mark, the last one to the end of its line."""
    last_line = question.find("\n", run[-1].end)
    ends = [*(mark.start for mark in run[1:]), len(question) if last_line < 0 else last_line]
    around = run[0].wrapping  # a quotation that holds the whole list ends with the last option
    options = []
    for mark, end in zip(run, ends, strict=True):
        text = _unwrapped(question[mark.end : end], mark.wrapping or (around if mark is run[-1] else ""))
        in_line = "\n" not in question[mark.end : end] and mark is not run[-1]
        options.append(Option(mark.number, text.rstrip(" ,;") if in_line else text, mark.start, end))
    return tuple(options)


def _unwrapped(text: str, closer: str) -> str:
    """The text in one line, without the end of an emphasis or a quotation that began before its mark."""
    first, line_end, rest = text.strip().partition("\n")
    if closer:
        body, found, after = first.rpartition(closer)
        if found and after.strip() in ("", ",", ";", "]", ")"):
            first = body
    return " ".join(f"{first}{line_end}{rest}".split())
