"""How an answer to EcomInstruct is read and scored.

An answer is compared as a set: labels (CLS), spans (Extract, Condition_Extract) or "type: span" pairs (NER). Truths
are read by the same rules as answers, so a span with the separator inside counts as its parts on both sides. A title
(Generate) is no set: ROUGE-L alone scores it. ROUGE-L is the score of spans and titles, as in the authors' README;
micro F1 that of labels and typed spans. An entity task's reference text has a line for each type, "Type: None" too.

What the published script (evaluation/published/ecomgpt.py) does otherwise, and why this does not:
- Its F1 of generated texts is over their sets of characters, and so is that of an empty answer ("error"): there is
  none here for texts, and an empty answer holds no label.
- Its F1 of NER is over BIO tags laid on the characters, at every place where a span occurs: here over (type, span).
- It offers a random share of the labels (0 to 49 and the right ones, unseeded, in the order of a hash), so no two runs
  ask the same: here all labels, in the order of the file. That is harder: 167 instead of about 25 for the fine classes.
- Its ROUGE-L cuts at blanks, so a Chinese text is one token: here every Chinese character is one, and English words
  are stemmed, as in ShopBench.
- Here case, a closing full stop and repeats do not count; types may come first ("Brand: a, b") or last ("a: Brand");
  "None" is no span, so it is the right answer where there is none, as is an empty one.
Kept as published: macro F1 is that of the mean precision and the mean recall over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.scoring import share
from shopbench.answers import parse
from shopbench.ecominstruct import Kind
from shopbench.metrics import Counts, mean, micro_f1, overlap
from shopbench.tasks import TaskType
from shopbench.text_overlap import is_chinese, rouge_l, rouge_l_chinese

_ENDS = " \t\r.。"
_NO_SPAN = ("", "none", "无")


def read_answer(kind: Kind, text: str, labels: Sequence[str], separator: str) -> list[str]:
    """The parts of an answer, lower-cased, each once; for a text itself, if it is not empty."""
    if kind is Kind.TEXT:
        return [text.strip()] if text.strip() else []
    if kind is Kind.ENTITIES:
        found = _typed(text, {label.lower() for label in labels}, separator)
    else:
        found = [part for line in _lines(text) for part in _split(line, separator)]
        if kind is not Kind.CLASSIFICATION and len(found) == 1 and found[0].lower() in _NO_SPAN:
            found = []
    return list(dict.fromkeys(part.lower() for part in found if part))


def _lines(text: str) -> list[str]:
    """The lines of an answer; a Python list of texts is read as one with a line for each."""
    listed = parse(TaskType.NER, text.strip()) if text.lstrip().startswith("[") else None
    return [str(part) for part in listed] if isinstance(listed, list) else text.splitlines()


def _split(line: str, separator: str) -> list[str]:
    return [part.strip(_ENDS) for part in line.split(separator.strip() or separator)]


def _typed(text: str, labels: set[str], separator: str) -> list[str]:
    """ "type: span" of each span; one whose type is not said stands alone, and so equals no true one."""
    found = []
    for line in _lines(text):
        kind = ""  # of all parts until the next type or line
        for part in _split(line.replace("：", ":"), separator):
            first, colon, after = part.partition(":")
            before, _, last = part.rpartition(":")
            if first.strip().lower() in labels and colon:
                kind, part = first.strip(), after.strip()
            elif last.strip().lower() in labels and before:
                found.append(f"{last.strip()}: {before.strip()}")
                continue
            if part.lower() not in _NO_SPAN:
                found.append(f"{kind}: {part}" if kind else part)
    return found


def without_types(parts: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The spans of an NER answer as `read_answer` returns it, whatever types of the labels it gives them."""
    types = tuple(f"{label.lower()}: " for label in labels)
    spans = [next((part.removeprefix(name) for name in types if part.startswith(name)), part) for part in parts]
    return list(dict.fromkeys(spans))


def is_empty(text: str) -> bool:
    """Whether an answer says nothing at all, not even that there is nothing."""
    return not text.strip(f"{_ENDS}\n")


def rouge(text: str, reference: str) -> float:
    """ROUGE-L F of an answer, by character where the reference is Chinese; that of an empty reference: 1 if empty."""
    if not reference:
        return float(text.strip(f"{_ENDS}\n").lower() in _NO_SPAN)
    return (rouge_l_chinese if is_chinese(reference) else rouge_l)(text, reference)


def set_scores(pairs: Sequence[Sequence[Sequence[str]]]) -> dict[str, float]:
    """Set precision, recall and F1 of (answer, truth) pairs of parts as `read_answer` returns them, 0..1.

    micro: of the summed counts; macro: F1 of the rows' mean precision and mean recall, as published (a row
    without a true or without a given part has 0 of both, unless it has neither); row_f1: the mean of the
    rows' own F1; exact: the share of rows that are right as a whole. All are 0 where there are no rows.
    """
    counts = [overlap(answer, truth) for answer, truth in pairs or [([], [""])]]
    tp, fp, fn = (sum(column) for column in zip(*counts, strict=True))
    precision = mean(share(tp, tp + fp) if tp + fp + fn else 1.0 for tp, fp, fn in counts)
    recall = mean(share(tp, tp + fn) if tp + fp + fn else 1.0 for tp, fp, fn in counts)
    return {
        "micro_precision": share(tp, tp + fp),
        "micro_recall": share(tp, tp + fn),
        "micro_f1": micro_f1(counts),
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": share(2 * precision * recall, precision + recall),
        "row_f1": mean(map(row_f1, counts)),
        "exact": mean(float(fp == fn == 0) for _, fp, fn in counts),
    }


def row_f1(counts: Counts) -> float:
    """F1 of one row; 1 where nothing was to be found and nothing was."""
    return micro_f1([counts]) if any(counts) else 1.0
