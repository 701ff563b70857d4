"""ECInstruct, the benchmark of eCeLLM (paper 001): ten tasks, in and out of domain, seen and unseen instructions.

A test is a task in one setting, such as "PRP, out-of-domain, unseen instruction, 0-shot". Questions have the wording
of the file (shopbench/ecinstruct.py), with a worked example where --shots 1 asks for one. Letters, yes or no and
orders are held to their spaces; attribute values and answers are free text. Metrics are in ecinstruct_scores.py,
how outputs are read in ecinstruct_answers.py, rows and settings in ecinstruct_rows.py.

--split chooses the rows; --drop-failed leaves unreadable answers to questions of letters and of yes or no out of the
scores, as the published script does (the paper counts them wrong, and so do we without it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation import learned_metrics
from evaluation.benchmark import Options, Question, Reading, Scores, Test
from evaluation.suites.ecinstruct.answers import (
    option_letters,
    read_entries,
    read_letter,
    read_order,
    read_ranking,
    read_yes_no,
)
from evaluation.suites.ecinstruct.metrics import Entry, all_values, classes, ranked, values, yes_no
from evaluation.suites.ecinstruct.rows import AskedRow, asked_rows, product_labels
from models.spaces.base import AnswerSpace, FreeText, NumberList
from models.spaces.one_of import OneOf
from shopbench.ecinstruct import render
from shopbench.metrics import ModelMissing, mean
from shopbench.sample import BadSample

OPTIONS = {"PRP": 3, "SA": 5, "SR": 20, "MPC": 4}
"""Tasks answered by a letter, and how many options they have where a row lists none."""
YES_NO = ("PM", "PSI", "AP")
VALUE_TOKENS, ANSWER_TOKENS = 256, 100
"""Most tokens of a list of values (the longest of 97 real ones has about 200) and, as published, of an answer."""
HEADLINES = {
    "AVE": "F1*",
    "PRP": "macro F1",
    "PM": "F1",
    "SA": "macro F1",
    "SR": "HR@1",
    "MPC": "accuracy",
    "PSI": "F1",
    "QPR": "NDCG",
    "AP": "F1",
    "AG": "BERTScore F",
}
"""Each task's primary metric, in the order of the paper's tables."""
ASSUMED = "NDCG, labels assumed"
"""NDCG where the products' labels are not known: the first of the true order gets E's gain, then S, C, I."""


class ECInstruct:
    """See evaluation.benchmark.Benchmark."""

    name = "ecinstruct"
    wanted = "ECInstruct's JSON file or its folder"
    averages = "tests"
    heeds = ("split", "shots", "drop_failed")

    def read(self, path: Path, options: Options) -> list[Question]:
        """The questions of a file or folder, test by test in the paper's order; a BadSample for one that is none."""
        asked = asked_rows(path, options)
        labels = product_labels(path, asked)
        questions = [_question(one, known) for one, known in zip(asked, labels, strict=True)]
        order = list(HEADLINES)
        return sorted(questions, key=lambda question: (question.group, order.index(question.details["task"])))

    def score(self, questions: Sequence[Question], outputs: Sequence[str], options: Options) -> Scores:
        """Score one output for each question, a test at a time."""
        readings: list[Reading | None] = [None] * len(questions)
        tests: dict[str, Test] = {}
        missing: dict[str, str] = {}
        for name in dict.fromkeys(question.test for question in questions):
            places = [place for place, question in enumerate(questions) if question.test == name]
            chosen = [questions[place] for place in places]
            score = _SCORERS.get(chosen[0].details["task"], _score_choice)
            own, tests[name] = score(chosen, [outputs[place] for place in places], options, missing)
            for place, reading in zip(places, own, strict=True):
                readings[place] = reading
        return Scores([reading for reading in readings if reading], tests, missing)


def _question(asked: AskedRow, labels: dict[str, str] | None) -> Question:
    space, truth = _space(asked)
    details: dict[str, Any] = {"task": asked.task}
    if asked.task == "QPR":
        details |= {"assumed": labels is None, "labels": labels or dict(zip(truth, "ESCI" + "I" * 22, strict=False))}
    text = render(asked.row, asked.example)
    return Question(f"{asked.task}, {asked.group}", asked.group, text, space, truth, details=details)


def _space(asked: AskedRow) -> tuple[AnswerSpace, Any]:
    """What may be answered, and the truth; a BadSample where the row's output is neither."""
    output = asked.row["output"]
    if asked.task == "AG":
        return FreeText(ANSWER_TOKENS), output.strip()
    if asked.task == "AVE":
        entries = read_entries(output)
        return FreeText(VALUE_TOKENS), [asdict(entry) for entry in _wanted(asked, entries)]
    if asked.task in YES_NO:
        return OneOf(("yes", "no")), _wanted(asked, read_yes_no(output))
    if asked.task == "QPR":
        truth = _wanted(asked, read_ranking(output))
        return NumberList(tuple(sorted(truth)), len(truth)), truth
    letters = list(option_letters(asked.row, OPTIONS[asked.task]))
    return OneOf(tuple(letters)), _wanted(asked, read_letter(output, letters))


def _wanted(asked: AskedRow, truth: Any) -> Any:
    if truth is None:
        raise BadSample(
            f"{asked.where}: output {asked.row['output']!r:.60} is no answer of {asked.row['task']}; mend it"
        )
    return truth


def _score_choice(
    questions: Sequence[Question], outputs: Sequence[str], options: Options, missing: dict[str, str]
) -> tuple[list[Reading], Test]:
    """A letter, or yes or no."""
    task = questions[0].details["task"]
    answers = [
        read_yes_no(output) if task in YES_NO else read_letter(output, question.space.names)  # type: ignore[attr-defined]
        for question, output in zip(questions, outputs, strict=True)
    ]
    readings = [
        Reading(answer, answer is None, float(answer == question.truth))
        for question, answer in zip(questions, answers, strict=True)
    ]
    kept = [
        (str(question.truth), answer)
        for question, answer in zip(questions, answers, strict=True)
        if answer is not None or not options.drop_failed
    ]
    truths, counted = [truth for truth, _ in kept], [answer for _, answer in kept]
    metrics: dict[str, float | None] = {**(yes_no if task in YES_NO else classes)(truths, counted)}
    if task == "SR":
        metrics = {"HR@1": metrics["accuracy"]}
    return readings, Test(HEADLINES[task], metrics, answers.count(None))


def _score_values(
    questions: Sequence[Question], outputs: Sequence[str], options: Options, missing: dict[str, str]
) -> tuple[list[Reading], Test]:
    truths = [[Entry(**entry) for entry in question.truth] for question in questions]
    answers = [read_entries(output) for output in outputs]
    readings = [
        Reading(answer and [asdict(entry) for entry in answer], answer is None, values(truth, answer).rates()["F1*"])
        for truth, answer in zip(truths, answers, strict=True)
    ]
    total = all_values(zip(truths, answers, strict=True))
    return readings, Test("F1*", {**total.rates()}, answers.count(None))


def _score_order(
    questions: Sequence[Question], outputs: Sequence[str], options: Options, missing: dict[str, str]
) -> tuple[list[Reading], Test]:
    answers = [
        read_order(output, list(question.details["labels"]))
        for question, output in zip(questions, outputs, strict=True)
    ]
    readings = [
        Reading(answer, answer is None, ranked(question.details["labels"], answer))
        for question, answer in zip(questions, answers, strict=True)
    ]
    headline = ASSUMED if any(question.details["assumed"] for question in questions) else HEADLINES["QPR"]
    return readings, Test(headline, {headline: mean(reading.score or 0.0 for reading in readings)}, answers.count(None))


def _score_text(
    questions: Sequence[Question], outputs: Sequence[str], options: Options, missing: dict[str, str]
) -> tuple[list[Reading], Test]:
    """BERTScore and BLEURT, each where its model is; an empty answer is a failure and scores 0."""
    answers = [output.strip() for output in outputs]
    truths = [str(question.truth) for question in questions]
    metrics: dict[str, float | None] = {}
    own: list[float | None] = [None] * len(questions)
    try:
        scores = learned_metrics.bert_scores(answers, truths)
        own = [f for _, _, f in scores]
        metrics = {
            f"BERTScore {name}": mean(column) for name, column in zip("PRF", zip(*scores, strict=True), strict=True)
        }
    except ModelMissing as error:
        metrics = dict.fromkeys(("BERTScore P", "BERTScore R", "BERTScore F"))
        missing["BERTScore F"] = str(error)
    try:
        metrics["BLEURT"] = mean(learned_metrics.bleurt_scores(answers, truths))
    except ModelMissing as error:
        metrics["BLEURT"] = None
        missing["BLEURT"] = str(error)
    readings = [Reading(answer, not answer, score) for answer, score in zip(answers, own, strict=True)]
    return readings, Test(HEADLINES["AG"], metrics, answers.count(""))


_Scorer = Callable[[Sequence[Question], Sequence[str], Options, dict[str, str]], tuple[list[Reading], Test]]
_SCORERS: dict[str, _Scorer] = {"AVE": _score_values, "QPR": _score_order, "AG": _score_text}

BENCHMARK = ECInstruct()
