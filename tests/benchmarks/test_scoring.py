"""The scoring benchmark notices a score that is not the kit's, and draws what it says."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scoring
from shopbench.metrics import METRICS
from shopbench.sample import BadSample, read_samples


def test_questions_come_in_the_development_file_s_shares(repository: Path) -> None:
    drawn = scoring.draw([repository / "data/sample_questions.jsonl"], 960, random.Random(3))
    assert Counter(sample.metric for sample in drawn) == {name: 10 * share for name, share in scoring.MIX.items()}
    truths = {sample.output_field for sample in drawn if sample.metric == "rougel"}
    assert len(truths) > 40  # seven questions, asked again with other truths


def test_a_file_without_a_metric_is_named(tmp_path: Path) -> None:
    row = {"input_field": "?", "output_field": 1, "task_type": "multiple-choice", "metric": "accuracy"}
    (tmp_path / "one.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(BadSample, match="hit rate@3"):
        scoring.draw([tmp_path / "one.jsonl"], 96, random.Random(0))


@pytest.mark.parametrize("name", ["rougel", "bleu", "jp-bleu", "micro f1", "ndcg"])
def test_both_ways_score_alike(name: str, repository: Path) -> None:
    samples = [one for one in read_samples(repository / "data/sample_questions.jsonl") if one.metric == name]
    answers = [scoring.answer(sample, random.Random(number)) for number, sample in enumerate(samples)]
    measured = scoring.compare(name, samples, answers, scoring.KIT)
    assert measured.differing == 0 and measured.answers == len(samples) and measured.seconds[:, 0].min() > 0


def test_another_score_is_noticed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [one for one in read_samples(repository / "data/sample_questions.jsonl") if one.metric == "rougel"]
    wrong = replace(METRICS["rougel"], score_many=lambda parsed, truths: [0.123] * len(parsed))
    monkeypatch.setitem(METRICS, "rougel", wrong)
    assert scoring.compare("rougel", samples, ["lamp"] * len(samples), scoring.OURS).differing == len(samples)
