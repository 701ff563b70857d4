"""Typed spans in EcomGPT's script: its lines of text, and the F1 that the package `seqeval` 1.2.2 gives for their tags.

An answer's spans are laid on the characters of the sentence, at every place where they occur, as tags B and I of their
types; a later span overwrites an earlier one. Scored are the runs of tags. A span that does not occur costs nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from evaluation.scoring import share
from shopbench.ecominstruct import NO_SPAN
from shopbench.metrics import mean

Spans = dict[str, list[str]]
"""Spans by type, in the order in which they are given, each once."""
_Tag = tuple[str, str] | None  # "B" or "I", and the type

_COLON = ": "
_HASH_SEEDS = 32


def read(text: str, separator: str) -> Spans:
    """The spans of a text's lines "Type: span, span"; {"None": ["None"]} where no line is one."""
    found: Spans = {}
    for line in text.split("\n"):
        kind, colon, spans = line.partition(_COLON)
        if colon and not line.endswith(_COLON):
            found.setdefault(kind, []).extend(spans.split(separator))
    return {kind: list(dict.fromkeys(spans)) for kind, spans in found.items()} or {NO_SPAN: [NO_SPAN]}


def f1(rows: Iterable[tuple[str | Sequence[str], Spans, Spans]]) -> tuple[float | None, float | None]:
    """Micro and macro F1 of rows of (sentence, true spans, given spans).

    None where the value changes with the order of a set (spans of a type are laid in that order, which is another in
    every process where they overlap), and for a macro F1 of no type at all.
    """
    by_seed = [Counter[tuple[str, str]]() for _ in range(_HASH_SEEDS)]
    for sentence, truth, answer in rows:
        ordered = _overlap(sentence, truth) or _overlap(sentence, answer)
        counts = [_counts(sentence, truth, answer, seed) for seed in range(_HASH_SEEDS if ordered else 1)]
        for seed, total in enumerate(by_seed):
            total.update(counts[seed if ordered else 0])
    micro, macro = zip(*map(_scores, by_seed), strict=True)
    return (micro[0] if len(set(micro)) == 1 else None), (macro[0] if len(set(macro)) == 1 else None)


def _scores(counts: Counter[tuple[str, str]]) -> tuple[float, float | None]:
    kinds = sorted({kind for kind, _ in counts})

    def score(names: Sequence[str]) -> float:
        right, given, true = (sum(counts[name, what] for name in names) for what in ("right", "given", "true"))
        return share(2 * right, given + true)

    return score(kinds), mean(score([kind]) for kind in kinds) if kinds else None


def _counts(sentence: str | Sequence[str], truth: Spans, answer: Spans, seed: int) -> Counter[tuple[str, str]]:
    """The right, given and true runs of each type."""
    true, given = (_runs(_tags(sentence, spans, seed)) for spans in (truth, answer))
    return Counter(
        (kind, what)
        for what, runs in (("right", true & given), ("given", given), ("true", true))
        for kind, _, _ in runs
    )


def _tags(sentence: str | Sequence[str], spans: Spans, seed: int) -> list[_Tag]:
    tags: list[_Tag] = [None] * len(sentence)
    for kind, own in spans.items():
        name = kind or "_"
        for span in _in_set_order(own, seed):
            for place in _places(sentence, span):
                tags[place : place + max(1, len(span))] = [("B", name), *[("I", name)] * (len(span) - 1)]
    return tags


def _places(sentence: str | Sequence[str], span: str) -> list[int]:
    """Where a span begins in a sentence; an empty one everywhere, and none in a list of words, as in the script."""
    if span == NO_SPAN or not isinstance(sentence, str):
        return []
    return [place for place in range(len(sentence)) if sentence.startswith(span, place)]


def _runs(tags: Sequence[_Tag]) -> set[tuple[str, int, int]]:
    """(type, first, last) of each run: it begins with B or a new type, and goes on with I of its type."""
    runs, start = set(), 0
    for place, tag in enumerate(tags):
        previous = tags[place - 1] if place else None
        if tag and (tag[0] == "B" or previous is None or previous[1] != tag[1]):
            start = place
        following = tags[place + 1] if place + 1 < len(tags) else None
        if tag and following != ("I", tag[1]):
            runs.add((tag[1], start, place))
    return runs


def _overlap(sentence: str | Sequence[str], spans: Mapping[str, Sequence[str]]) -> bool:
    """Whether two spans of a type take the same character, so that their order counts."""
    for own in spans.values():
        taken = [place for span in own for place in _taken(sentence, span)]
        if len(taken) > len(set(taken)):
            return True
    return False


def _taken(sentence: str | Sequence[str], span: str) -> set[int]:
    return {place + i for place in _places(sentence, span) for i in range(max(1, len(span)))}


def _in_set_order(spans: Sequence[str], seed: int) -> Iterable[str]:
    """The spans as a Python set gives them in a process with this hash seed; a set that is made the same way."""

    class Hashed(str):
        __slots__ = ()

        def __hash__(self) -> int:
            text = f"{seed} {self}".encode("utf-8", "surrogatepass")
            return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest()) if self else 0  # as for any seed

    return set(map(Hashed, spans))
