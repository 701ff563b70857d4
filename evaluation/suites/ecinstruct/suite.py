"""ECInstruct, the benchmark of eCeLLM [Peng et al., ICML 2024]: ten tasks, in and out of domain, seen and unseen
instructions.

A task of results.json is one of the ten in one setting, such as "PRP, out-of-domain, unseen instruction, 0-shot".
Questions have the wording of the file (shopbench/ecinstruct.py), with a worked example where --shots 1 asks for one.
Letters, yes or no and orders are held to their spaces; attribute values and answers are free text. Rows and settings
are read in rows.py, outputs are read and scored in answers.py.

--split chooses the rows. An answer that cannot be read is wrong, as in the paper; the authors' own script leaves it
out, with much else that it does otherwise: its scores stand beside these (evaluation/published/ecellm.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation import learned_metrics
from evaluation.benchmark import Benchmark, Item, Options, PublishedScores, Scored, TaskScores, places_by
from evaluation.published import Published, ecellm
from evaluation.suites.ecinstruct import answers
from evaluation.suites.ecinstruct.rows import AskedRow, asked_rows, product_labels
from models.spaces.base import AnswerSpace
from models.spaces.free_text import FreeText
from models.spaces.number_list import NumberList
from models.spaces.one_of import OneOf
from shopbench.ecinstruct import TASKS, YES_NO_TASKS, render
from shopbench.metrics import ModelMissing, mean
from shopbench.sample import BadSample

PRIMARY_METRICS = {
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
"""Each task's primary metric, in the order of the paper's Table 3."""
PUBLISHED_METRICS = dict.fromkeys(PRIMARY_METRICS, "f1") | {"SR": "recall@1", "MPC": "acc", "QPR": "NDCG"}
"""What the authors' script calls them."""
PUBLISHED_TEXTS = {"recall": "BERTScore R", "precision": "BERTScore P", "f1": "BERTScore F", "bleurt": "BLEURT"}
_MODEL_MISSING, _NO_LABELS = "a metric's model is missing", "the labels of the products are not known (label.json)"
ASSUMED = "NDCG, labels assumed"
"""NDCG where the products' labels are not known: the first of the true order gets E's gain, then S, C, I."""
BERT_SCORES = ("BERTScore P", "BERTScore R", "BERTScore F")
OPTIONS = {"PRP": 3, "SA": 5, "SR": 20, "MPC": 4}
"""Tasks answered by a letter, and how many options they have where a row lists none."""
VALUE_TOKENS, ANSWER_TOKENS = 256, 100
"""Most tokens of a list of values (the longest of 97 real ones has about 200) and, as published, of an answer."""


class ECInstruct(Benchmark):
    name = "ecinstruct"
    title = "ECInstruct"
    questions = "ECInstruct's JSON file or its folder"
    options = ("split", "shots")

    def read(self, path: Path, options: Options) -> list[Item]:
        """The rows of a file or folder, task by task in the paper's order; a BadSample for one that is none."""
        asked = asked_rows(path, options)
        items = list(map(_item, asked, product_labels(path, asked)))
        order = list(PRIMARY_METRICS)
        return sorted(items, key=lambda item: (item.group, order.index(item.details["task"])))

    def score_answers(self, items: Sequence[Item], outputs: Sequence[str]) -> tuple[list[Scored], dict[str, str]]:
        """Read and score each output; texts a task at a time."""
        missing: dict[str, str] = {}
        details: dict[int, dict[str, float]] = {}
        for places in places_by(items, lambda item: item.task).values():
            if items[places[0]].details["task"] == "AG":
                texts, truths = [outputs[place] for place in places], [items[place].truth for place in places]
                details.update(zip(places, _text_scores(texts, truths, missing), strict=True))
        pairs = enumerate(zip(items, outputs, strict=True))
        return [_score(item, output, details.get(place, {})) for place, (item, output) in pairs], missing

    def score_task(self, scored: Sequence[Scored]) -> TaskScores:
        task = scored[0].item.details["task"]
        metric = PRIMARY_METRICS[task]
        if task == "AVE":
            return TaskScores(metric, {**answers.rates(sum((one.details for one in scored), answers.Values()))})
        if task == "QPR":
            metric = ASSUMED if any(one.item.details["assumed"] for one in scored) else metric
            return TaskScores(metric, {metric: mean(one.score or 0.0 for one in scored)})
        if task == "AG":
            return TaskScores(metric, {name: _mean_if_known(scored, name) for name in (*BERT_SCORES, "BLEURT")})
        score = answers.yes_no if task in YES_NO_TASKS else answers.classes
        found: dict[str, float | None] = {**score([one.item.truth for one in scored], [one.parsed for one in scored])}
        return TaskScores(metric, {metric: found["accuracy"]} if task == "SR" else found)

    def published(self, scored: Sequence[Scored]) -> PublishedScores:
        """The authors' script on the answers; its BERTScore and BLEURT are ours."""
        details, outputs = scored[0].item.details, [one.output for one in scored]
        task, metric = details["task"], PUBLISHED_METRICS[details["task"]]
        if task == "AG":
            texts = {name: _mean_if_known(scored, own) for name, own in PUBLISHED_TEXTS.items()}
            return PublishedScores(
                metric, Published(texts, outputs, _MODEL_MISSING if None in texts.values() else None)
            )
        if any(one.item.details.get("assumed") for one in scored):
            return PublishedScores(metric, Published({metric: None}, [None] * len(outputs), _NO_LABELS))
        rows = [one.item.details["row"] for one in scored]
        return PublishedScores(metric, ecellm.score(TASKS[task], details["setting"], "", {}, rows, outputs))


def _score(item: Item, output: str, texts: dict[str, float]) -> Scored:
    """A scored answer; `details` is what a task's scores are made of, of a text `texts`."""
    task = item.details["task"]
    if task == "AG":
        text = output.strip()
        return Scored(item, output, text, not text, texts.get("BERTScore F"), details=texts)
    if task == "AVE":
        entries = answers.read_entries(output)
        counts = answers.values([answers.Entry(**entry) for entry in item.truth], entries)
        parsed = None if entries is None else [asdict(entry) for entry in entries]
        return Scored(item, output, parsed, entries is None, answers.rates(counts)["F1*"], details=counts)
    if task == "QPR":
        labels = item.details["labels"]
        order = answers.read_order(output, list(labels))
        return Scored(item, output, order, order is None, answers.ranked(labels, order))
    answer = (
        answers.read_yes_no(output) if task in YES_NO_TASKS else answers.read_letter(output, item.details["letters"])
    )
    return Scored(item, output, answer, answer is None, float(answer == item.truth))


def _text_scores(outputs: Sequence[str], truths: Sequence[str], missing: dict[str, str]) -> list[dict[str, float]]:
    """Each answer's scores by metric, but for metrics whose model is missing; an empty answer is a failure: 0."""
    texts = [output.strip() for output in outputs]
    found: list[dict[str, float]] = [{} for _ in texts]
    try:
        for own, prf in zip(found, learned_metrics.bert_scores(texts, truths), strict=True):
            own.update(zip(BERT_SCORES, prf, strict=True))
    except ModelMissing as error:
        missing["BERTScore F"] = str(error)
    try:
        for own, score in zip(found, learned_metrics.bleurt_scores(texts, truths), strict=True):
            own["BLEURT"] = score
    except ModelMissing as error:
        missing["BLEURT"] = str(error)
    return found


def _mean_if_known(scored: Sequence[Scored], name: str) -> float | None:
    return mean(one.details[name] for one in scored) if name in scored[0].details else None


def _item(asked: AskedRow, labels: dict[str, str] | None) -> Item:
    space, truth = _space(asked)
    # As the authors' script reads them: the output with its case and blanks, the labels of A, B, ...
    row: dict[str, Any] = {"output": asked.row["output"]}
    details: dict[str, Any] = {"task": asked.task, "setting": str(asked.row.get("setting") or ""), "row": row}
    if asked.task == "QPR":
        details |= {"assumed": labels is None, "labels": labels or dict(zip(truth, "ESCI" + "I" * 22, strict=False))}
        row["labels"] = [details["labels"][letter] for letter in sorted(truth)]
    if asked.task in OPTIONS:
        details["letters"] = answers.option_letters(asked.row, OPTIONS[asked.task])
    return Item(
        task=f"{asked.task}, {asked.group}",
        text=render(asked.row, asked.example),
        truth=truth,
        space=space,
        group=asked.group,
        details=details,
    )


def _space(asked: AskedRow) -> tuple[AnswerSpace, Any]:
    """What may be answered, and the truth; a BadSample where the row's output is neither."""
    output = asked.row["output"]
    if asked.task == "AG":
        return FreeText(ANSWER_TOKENS), output.strip()
    if asked.task == "AVE":
        return FreeText(VALUE_TOKENS), [asdict(entry) for entry in _wanted(asked, answers.read_entries(output))]
    if asked.task in YES_NO_TASKS:
        return OneOf(("yes", "no")), _wanted(asked, answers.read_yes_no(output))
    if asked.task == "QPR":
        truth = _wanted(asked, answers.read_ranking(output))
        return NumberList(tuple(sorted(truth)), len(truth)), truth
    letters = answers.option_letters(asked.row, OPTIONS[asked.task])
    return OneOf(letters), _wanted(asked, answers.read_letter(output, letters))


def _wanted(asked: AskedRow, truth: Any) -> Any:
    task, output = asked.row["task"], asked.row["output"]
    if truth is None:
        raise BadSample(f"{asked.where}: output {output!r:.60} is no answer of {task}; mend it")
    return truth


ECINSTRUCT = ECInstruct()
