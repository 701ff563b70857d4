"""Shopping MMLU's two scripts (KL4805/ShoppingMMLU): task_wise_eval/hf_*.py and skill_wise_eval/skill_evaluation.py.

The leaderboard's numbers are the second one's ("skill_wise"). The two read an answer in different ways:
- multiple choice: task_wise takes the first character that is numeric, wherever it stands (a full-width one or a
  fraction too, which equals no choice); skill_wise compares the first character behind blanks.
- retrieval: three numbers, of the first line (task_wise) or between the commas of all lines (skill_wise, where a
  number next to a line end is lost).
- ranking: a repeated product gains again; only skill_wise cuts the list to the number of products. 0 is the last one.
- similarity to a text: only skill_wise takes a negative one for 0.
Entities, ROUGE-L and BLEU are the same in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from evaluation.published import BadCase, Published
from shopbench import text_overlap
from shopbench.embeddings import MODELS, mean_cosines
from shopbench.metrics import Counts, ModelMissing, hit_rate, mean, micro_f1

TASK_WISE, SKILL_WISE = "task_wise", "skill_wise"
READINGS = (TASK_WISE, SKILL_WISE)
RATING = "review_rating_prediction"
"""In the name of a task whose answer is the rating itself, not the number of a choice."""
_LARGEST_GAIN = 1000
"""2 to the power of more is no float."""
_CHOICES = 4
"""Of a question, as task_wise reads it."""
_LISTS: dict[str, tuple[type, ...]] = {"hit rate@3": (int, float), "ndcg": (int, float), "micro f1": (str,)}
"""Metrics of lists, and what these hold."""
_OVERLAPS = {"bleu": text_overlap.bleu, "jp-bleu": text_overlap.japanese_bleu, "rougel": text_overlap.rouge_l}
_TEXTS = (*_OVERLAPS, *MODELS)
_METRIC_OF_WORD = {"retrieval": "hit rate@3", "ranking": "ndcg", "named_entity_recognition": "micro f1"}
_TEXT_WORDS = ("extraction", "translation", "explain", "multilingual")


class _Ends(Exception):
    """The script ends here, or gives nan; the message says why."""


def score(
    task: str,
    setting: str,
    reading: str,
    meta: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[str],
) -> Published:
    """The score of a task's answers, under the name of its metric.

    Args:
        task: its name, whose words say the metric, unless `meta` has a "metric".
        reading: "task_wise" or "skill_wise".
        rows: of a csv file (`question`, `choices`, `answer`) or a json file (`target_field` or `output_field`).
    """
    if reading not in READINGS:
        raise BadCase(f"reading {reading!r:.40} is none of {', '.join(READINGS)}")
    truths = [_truth(row) for row in rows]
    metric = str(meta.get("metric") or metric_of_task(task, truths[0] if truths else 0))
    _check(metric, truths)
    parsed = [_read(metric, answer, truth, reading) for answer, truth in zip(answers, truths, strict=True)]
    try:
        wanted = [_choice(task, row, reading) for row in rows] if metric == "accuracy" else truths
        value = _score(metric, parsed, wanted, reading)
    except (_Ends, ModelMissing) as error:
        return Published({metric: None}, parsed, str(error))
    return Published({metric: value}, parsed)


def metric_of_task(task: str, truth: Any) -> str:
    """The metric that the words in a task's name say, else the form of a truth of it."""
    by_name = next((metric for word, metric in _METRIC_OF_WORD.items() if word in task), None)
    if by_name or not isinstance(truth, str | list):
        return by_name or "accuracy"
    if isinstance(truth, str) or any(word in task for word in _TEXT_WORDS):
        return generation_metric(task)
    if truth and all(isinstance(part, str) for part in truth):
        return "micro f1"
    return "ndcg" if any(isinstance(part, float) for part in truth) else "hit rate@3"


def generation_metric(task: str) -> str:
    """The metric of a task of texts by its name, as hf_generation.py chooses it."""
    if "extraction" in task:
        return "rougel"
    if "translation" in task:
        return "jp-bleu" if "JP" in task else "bleu"
    return "multilingual-sent-transformer" if "multilingual" in task else "sent-transformer"


def _truth(row: Mapping[str, Any]) -> Any:
    name = next((name for name in ("target_field", "output_field", "answer") if name in row), None)
    if name is None:
        raise BadCase("a row has none of the fields target_field, output_field and answer")
    return row[name]


def _check(metric: str, truths: Sequence[Any]) -> None:
    """BadCase for an unknown metric, or a truth that it cannot score."""
    if metric not in (*_LISTS, *_TEXTS, "accuracy"):
        raise BadCase(f"unknown metric {metric!r:.40}; known: accuracy, {', '.join((*_LISTS, *_TEXTS))}")
    kind = _LISTS.get(metric, (str,) if metric in _TEXTS else (int, float, str))
    for truth in truths:
        several = isinstance(truth, list | tuple)
        right = several if metric in _LISTS else metric in _TEXTS or not several
        if not right or not all(isinstance(part, kind) for part in (truth if several else [truth])):
            raise BadCase(f"{truth!r:.60} is no truth for {metric}")
        if metric == "ndcg" and not all(abs(gain) <= _LARGEST_GAIN for gain in truth):
            raise BadCase(f"{truth!r:.60}: a gain must be a number of at most {_LARGEST_GAIN}")


def _read(metric: str, answer: str, truth: Any, reading: str) -> Any:
    """What is read from an answer: a character (or the whole text without any), numbers, texts or a text."""
    if metric == "accuracy":
        numeric = next((character for character in answer if character.isnumeric()), answer)
        return numeric if reading == TASK_WISE else answer.strip(" ")[:1]
    if metric == "hit rate@3":
        text = answer.strip()
        return _numbers(text.split("\n")[0] if reading == TASK_WISE else text)[:3]
    line = answer.strip("\n").split("\n")[0]
    if metric == "ndcg":
        numbers = _numbers(line.strip())
        return numbers if reading == TASK_WISE else numbers[: len(truth)]
    if metric == "micro f1":
        return [part.lower().strip(" ") for part in line.strip(" ").split(",") if part]
    return line if metric in ("bleu", "jp-bleu") else answer


def _numbers(text: str) -> list[int]:
    """The whole numbers between commas; whatever Python's int() takes for one ("+3", "1_0", full-width digits)."""
    numbers = []
    for part in text.split(","):
        try:
            numbers.append(int(part))
        except ValueError:
            continue
    return numbers


def _choice(task: str, row: Mapping[str, Any], reading: str) -> str:
    """The right choice as the script writes it."""
    answer = _truth(row)
    if reading == SKILL_WISE or RATING in task:
        return str(answer)
    choices = row.get("choices")
    if isinstance(choices, list | tuple) and len(choices) < _CHOICES:
        raise _Ends(f"the script wants {_CHOICES} choices, and ends at a question with {len(choices)} (IndexError)")
    try:
        return str(range(_CHOICES)[int(answer)])  # below zero from the end, as there
    except (ValueError, OverflowError, IndexError) as error:
        raise _Ends(f"the script ends at the answer {answer!r:.40} ({type(error).__name__})") from None


def _score(metric: str, parsed: Sequence[Any], truths: Sequence[Any], reading: str) -> float:
    """The metric's value, of what is read; _Ends where the script gives none."""
    if metric == "accuracy":
        return mean(float(own == truth) for own, truth in zip(parsed, truths, strict=True))
    if metric == "hit rate@3":
        if not all(truths):
            raise _Ends("nothing is true of a question, which ends the script (ZeroDivisionError)")
        return mean(map(hit_rate, parsed, truths))
    if metric == "ndcg":
        return mean(map(_ndcg, parsed, truths))
    if metric == "micro f1":
        if not any(parsed) or not any(truths):
            raise _Ends("no entity at all is true or given, which ends the script (ZeroDivisionError)")
        return micro_f1(map(_counts, parsed, truths))
    if metric in MODELS:
        references = (truth if isinstance(truth, str) else tuple(truth) for truth in truths)
        cosines = _cosines(MODELS[metric], tuple(parsed), tuple(references))
        return mean(cosines if reading == TASK_WISE else (max(0.0, cosine) for cosine in cosines))
    if not all(isinstance(truth, str) for truth in truths):
        raise _Ends(f"the script takes one text for {metric}, not several")
    return mean(map(_OVERLAPS[metric], parsed, truths))


@lru_cache(maxsize=1)
def _cosines(model: str, parsed: tuple[str, ...], truths: tuple[str | tuple[str, ...], ...]) -> list[float]:
    """Kept for the other reading of the same answers: encoding them is what takes time."""
    return mean_cosines(model, parsed, truths)


def _ndcg(numbers: Sequence[int], gains: Sequence[float]) -> float:
    if any(number <= -len(gains) for number in numbers):
        raise _Ends("a number far below zero is no place from the end, which ends the script (IndexError)")
    ideal = _discounted(sorted(gains, reverse=True))
    if not ideal:
        raise _Ends("no product is worth anything (nan)")
    return _discounted(gains[number - 1] if number <= len(gains) else 0 for number in numbers) / ideal


def _discounted(gains: Iterable[float]) -> float:
    return sum((2.0**gain - 1) / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def _counts(given: Sequence[str], truth: Sequence[str]) -> Counts:
    """As shopbench.metrics.overlap, but a tab or "\r" around an entity belongs to it."""
    right = len(set(given) & {text.lower() for text in truth})
    return right, len(given) - right, len(truth) - right
