"""ROUGE-L and BLEU as the kit computes them, with scorers built once instead of once an answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

References = str | Sequence[str]


@lru_cache
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True)


@lru_cache
def _bleu_scorer(tokenizer: str) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(lowercase=True, tokenize=tokenizer)


def rouge_l(parsed: str, truth: References) -> float:
    """F-measure of the longest common subsequence of stemmed words; the mean over several references."""
    references = _several(truth)
    scorer = _rouge_scorer()
    return sum(scorer.score(parsed, reference)["rougeL"].fmeasure for reference in references) / len(references)


def bleu(parsed: str, truth: References) -> float:
    """Corpus BLEU of the answer's first line, lower-cased, 0..1 (sacrebleu, 13a tokens)."""
    return _bleu("13a", parsed, truth)


def japanese_bleu(parsed: str, truth: References) -> float:
    """`bleu` on MeCab's words."""
    return _bleu("ja-mecab", parsed, truth)


def _bleu(tokenizer: str, parsed: str, truth: References) -> float:
    first_line = parsed.strip("\n").split("\n")[0]
    references = [[reference] for reference in _several(truth)]
    return _bleu_scorer(tokenizer).corpus_score([first_line], references).score / 100


def _several(truth: References) -> Sequence[str]:
    return (truth,) if isinstance(truth, str) else truth
