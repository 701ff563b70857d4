"""Shortening of questions that are longer than the model's context: out of their middle.

Instructions, options and the last line ("Output:") are lines of their own, mostly short; what makes a question
too long is one line or a few (a review, a description). So the longest lines lose their middles first, all to the
same length. Only if there are too many lines for that, lines in the middle of the question go too.
"""

from __future__ import annotations

from collections.abc import Callable

CUT_MARK = " ... "
_SHORTEST_LINE = 40
_CHARACTERS_PER_UNIT = 8


def shorten(text: str, limit: int, count: Callable[[str], int]) -> str:
    """The text without as much of its middle as needed so that `count(result) <= limit`.

    Args:
        limit: most units (tokens, usually) the result may have.
        count: units of a text; need not add up over parts.
    """
    # A long text is cut by characters first: counting the tokens of a megabyte takes seconds.
    most = max(limit, 0) * _CHARACTERS_PER_UNIT
    lines = text.split("\n")
    if len(text) > most:
        lengths = list(map(len, lines))
        length = _largest(_SHORTEST_LINE, most, lambda cap: sum(min(one, cap) + 1 for one in lengths) <= most)
        lines = [cut_middle(line, length or _SHORTEST_LINE) for line in lines]
        text = "\n".join(lines if length else _without_middle_lines(lines, most))
        lines = text.split("\n")
    if count(text) <= limit:
        return text
    longest = max(map(len, lines))
    length = _largest(_SHORTEST_LINE, longest, lambda cap: count(_with_lines_of(lines, cap)) <= limit)
    if length is not None:
        return _with_lines_of(lines, length)
    text = _with_lines_of(lines, _SHORTEST_LINE)
    length = _largest(0, len(text), lambda characters: count(cut_middle(text, characters)) <= limit)
    return cut_middle(text, length) if length is not None else ""


def cut_middle(text: str, length: int) -> str:
    """The text if it has at most `length` characters, else its two ends around a mark, `length` in all.

    >>> cut_middle("a long sentence on shoes", 15)
    'a lon ... shoes'
    """
    if len(text) <= length:
        return text
    room = length - len(CUT_MARK)
    if room <= 0:
        return text[:length]
    head = room // 2
    return text[:head] + CUT_MARK + text[len(text) - (room - head) :]


def _with_lines_of(lines: list[str], length: int) -> str:
    return "\n".join(cut_middle(line, length) for line in lines)


def _without_middle_lines(lines: list[str], most: int) -> list[str]:
    """Lines from both ends that have `most` characters in all."""
    kept_head: list[str] = []
    kept_tail: list[str] = []
    room, first, last = most, 0, len(lines) - 1
    while first <= last:
        from_head = len(kept_head) <= len(kept_tail)
        line = lines[first if from_head else last]
        room -= len(line) + 1
        if room < 0:
            break
        (kept_head if from_head else kept_tail).append(line)
        first, last = first + from_head, last - (not from_head)
    cut = [CUT_MARK.strip()] if first <= last else []
    return [*kept_head, *cut, *reversed(kept_tail)]


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number from `low` to `high` that fits, found by halving; None if `low` does not."""
    if not fits(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
