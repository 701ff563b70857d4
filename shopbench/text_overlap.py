"""ROUGE-L and BLEU as the kit computes them, with scorers built once instead of once an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from shopbench.text_files import without_surrogates

References = str | Sequence[str]

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAN_OR_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")


class _ByCharacter:
    """A tokenizer for rouge_score: its own keeps a-z and 0-9 only, so a Chinese text has no tokens at all."""

    def tokenize(self, text: str) -> list[str]:
        return _HAN_OR_WORD.findall(text.lower())


@lru_cache
def _rouge_scorer(by_character: bool = False) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True, tokenizer=_ByCharacter() if by_character else None)


@lru_cache
def _bleu_scorer(tokenizer: str) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(lowercase=True, tokenize=tokenizer)


def rouge_l(parsed: str, truth: References) -> float:
    """F-measure of the longest common subsequence of stemmed words; the mean over several references."""
    return _rouge_l(_rouge_scorer(), parsed, truth)


def rouge_l_chinese(parsed: str, truth: References) -> float:
    """`rouge_l` with every Chinese character a token; a run of other letters or digits is one, unstemmed."""
    return _rouge_l(_rouge_scorer(by_character=True), parsed, truth)


def _rouge_l(scorer: Any, parsed: str, truth: References) -> float:
    references = _several(truth)
    return sum(scorer.score(parsed, reference)["rougeL"].fmeasure for reference in references) / len(references)


def is_chinese(text: str) -> bool:
    """Whether a text holds Chinese characters."""
    return re.search(f"[{_HAN}]", text) is not None


def bleu(parsed: str, truth: References) -> float:
    """Corpus BLEU of the answer's first line, lower-cased, 0..1 (sacrebleu, 13a tokens)."""
    return _bleu("13a", parsed, truth)


def japanese_bleu(parsed: str, truth: References) -> float:
    """`bleu` on MeCab's words."""
    return _bleu("ja-mecab", parsed, truth)


def _bleu(tokenizer: str, parsed: str, truth: References) -> float:
    first_line = without_surrogates(parsed.strip("\n").split("\n")[0])  # MeCab takes UTF-8 only
    references = [[without_surrogates(reference)] for reference in _several(truth)]
    return _bleu_scorer(tokenizer).corpus_score([first_line], references).score / 100


def _several(truth: References) -> Sequence[str]:
    return (truth,) if isinstance(truth, str) else truth
