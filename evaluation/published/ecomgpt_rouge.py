"""ROUGE-L as the package `rouge` 1.0.1 computes it, with which EcomGPT's script scores.

Its summary level, on sets: a text's sentences end at "."; the words that any sentence of one text shares in order with
any of the other are counted once, against the different words of each text. So a text given twice scores 1, and a
Chinese text without blanks is one word. Words are cut at white space alone, with case and punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence

_SMALL = 1e-8
"""In the package's denominator: the F of two equal texts is that much below 1."""


def rouge_l(answer: str, reference: str) -> float:
    """F of two texts, 0..1; a ValueError where one of them holds nothing but full stops, as the package raises."""
    given, true = _sentences(answer), _sentences(reference)
    if not given or not true:
        raise ValueError(f"the {'reference' if given else 'answer'} holds no sentence")
    shared = {word for sentence in true for other in given for word in _common(sentence, other)}
    precision = len(shared) / len({word for sentence in given for word in sentence})
    recall = len(shared) / len({word for sentence in true for word in sentence})
    return 2 * precision * recall / (precision + recall + _SMALL)


def _sentences(text: str) -> list[list[str]]:
    """The words of each sentence; one of blanks only holds one word, the empty one."""
    return [sentence.split() or [""] for sentence in text.split(".") if sentence]


def _common(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """A longest common subsequence, of several the one that the package finds: it decides which words are shared."""
    lengths = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, word in enumerate(first, 1):
        for j, other in enumerate(second, 1):
            longer = max(lengths[i - 1][j], lengths[i][j - 1])
            lengths[i][j] = lengths[i - 1][j - 1] + 1 if word == other else longer
    i, j, words = len(first), len(second), []
    while i and j:
        if first[i - 1] == second[j - 1]:
            words.append(first[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words
