"""Which option numbers a question really shows.

ShopBench numbers options from 0 in some tasks and from 1 in others, and writes "0.", "1.text", "(1)", "0)"
or "1:", one a line or all on one line. Decimals ("2.5 inch") and lists inside a quoted review look alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shopbench.phrases import QUOTED_HEADER, SCALE

# Opening bracket, number, closing mark, and whether a digit follows at once (then it may be a decimal).
_MARK = r"(?P<open>[(\[（]?)(?P<number>\d{1,2})(?P<close>[.):\]．）：、]| -(?= ))(?P<weak>(?=\d)?)"
_AT_LINE_START = re.compile(rf"^[ \t]*(?:[-*•#][ \t]*)?{_MARK}", re.MULTILINE)
_ANYWHERE = re.compile(rf"(?:^|(?<=[\s,;:?]))(?<!\d[.,:]){_MARK}(?=\s*\S)", re.MULTILINE)
_HEADER = re.compile(r"^[^\S\n]*([^\W\d_][^:：\n]{0,40})[:：]", re.MULTILINE)


@dataclass
class OptionList:
    """One run of numbered options: the numbers, where its first mark and its last line's end stand in the
    question, and whether it is part of a quoted review, description or other input."""

    numbers: list[int]
    start: int
    end: int
    quoted: bool = False


def shown_options(question: str) -> OptionList | None:
    """The list of options that the question offers, None where it shows none.

    Of several lists the last one counts that no review or description quotes: quotations come first, options
    last. A scale ("1 to 5") is not a list: see `scale_options`.
    """
    runs = _runs(question, _AT_LINE_START, shortest=2) or _runs(question, _ANYWHERE, shortest=3)
    for run in runs:
        run.quoted = _is_quoted(question, run)
    candidates = [run for run in runs if not run.quoted] or runs
    return candidates[-1] if candidates else None


def scale_options(question: str) -> tuple[int, ...]:
    """The numbers of a rating scale named in the text ("on a scale of 1 to 5"), empty where there is none."""
    for match in SCALE.finditer(question):
        low, high = (int(group) for group in match.groups() if group)
        if low < high <= low + 10:
            return tuple(range(low, high + 1))
    return ()


def _is_quoted(question: str, run: OptionList) -> bool:
    """Whether the list stands in a review, description or other quoted text: the last header before it says so."""
    headers = [match for match in _HEADER.finditer(question, 0, run.start) if match.end() <= run.start]
    return bool(headers) and bool(QUOTED_HEADER.search(headers[-1][1]))


def _runs(question: str, pattern: re.Pattern[str], shortest: int) -> list[OptionList]:
    """Runs of at least `shortest` rising numbers from 0 or 1, all with the same marks, in order of their start."""
    finished: list[OptionList] = []
    growing: dict[tuple[str, str], OptionList] = {}
    for match in pattern.finditer(question):
        number, style = int(match["number"]), (match["open"], match["close"].strip())
        run = growing.get(style)
        may_be_decimal = match["close"] in ".:" and question[match.end() : match.end() + 1].isdigit()
        line_end = question.find("\n", match.end())
        end = len(question) if line_end < 0 else line_end
        # A gap of one is let through: published files hold lists numbered 0, 1, 3.
        if run and run.numbers[-1] < number <= run.numbers[-1] + (1 if may_be_decimal else 2):
            run.numbers.append(number)
            run.end = end
        elif number <= 1 and not may_be_decimal:
            growing[style] = OptionList([number], match.start(), end)
            finished.append(growing[style])
    return [run for run in finished if len(run.numbers) >= shortest]
