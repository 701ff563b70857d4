"""The nine metrics: worked values, and every value that the starter kit returned."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shopbench import embeddings
from shopbench.metrics import METRICS, ModelMissing, mean, metric_named, micro_f1


@pytest.mark.parametrize(
    ("name", "parsed", "truth", "score"),
    [
        ("accuracy", 2, 2, 1.0),
        ("accuracy", -1, 2, 0.0),
        ("hit rate@3", [4, 9, 1], [1, 2], 0.5),
        ("hit rate@3", [4, 4, 4], [4], 1.0),
        ("hit rate@3", [], [4], 0.0),
        ("ndcg", [2, 1], [0, 1], 1.0),
        ("ndcg", [1, 2], [0, 1], 0.6309297535714575),
        ("ndcg", [], [0, 1], 0.0),
        ("ndcg", [1, 2], [0, 0], 0.0),
        ("ndcg", [0], [0, 1], 1.0),  # item 0 is the last one, Python's -1
        ("micro f1", ["Red ", "red"], ["red"], (1, 1, 0)),
        ("micro f1", [], ["red"], (0, 0, 1)),
        ("rougel", "running shoes", "run shoe", 1.0),
        ("bleu", "a b c d e\nnot read", "A B C D E", 1.0),
        ("jp-bleu", "赤いケトルを一つください", "赤いケトルを一つください", 1.0),
    ],
)
def test_worked_values(name: str, parsed: Any, truth: Any, score: Any) -> None:
    assert METRICS[name].score(parsed, truth) == pytest.approx(score)


def test_micro_f1_sums_counts_before_it_divides() -> None:
    assert micro_f1([(1, 0, 0), (0, 1, 1)]) == pytest.approx(0.5)
    assert micro_f1([(0, 0, 1)]) == 0.0
    assert METRICS["micro f1"].aggregate([(1, 1, 0)]) == pytest.approx(2 / 3)


def test_mean_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no scores"):
        mean([])


def test_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown metric 'f1'; known: accuracy, hit rate@3"):
        metric_named("f1")


@pytest.mark.slow
def test_several_references_are_averaged() -> None:
    metric = METRICS["sent-transformer"]
    one, other = metric.score("a lamp", "a lamp"), metric.score("a lamp", "a yoga mat")
    assert one == pytest.approx(1.0, abs=1e-5)
    assert metric.score("a lamp", ("a lamp", "a yoga mat")) == pytest.approx((one + other) / 2, abs=1e-5)


def test_the_mean_is_cut_at_zero_and_not_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def encode(self, texts: list[str], **_: Any) -> Any:
            return np.array([[1.0, 0.0] if text == "here" else [-1.0, 0.0] for text in texts])

    monkeypatch.setattr(embeddings, "_model", lambda name: Model())
    score = METRICS["sent-transformer"].score
    assert score("here", ("here", "here", "there")) == pytest.approx(1 / 3)
    assert score("here", ("here", "there", "there")) == 0.0


@pytest.mark.slow
def test_a_file_of_answers_is_embedded_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = embeddings._model("all-MiniLM-L6-v2"), []
    encode = type(model).encode
    monkeypatch.setattr(type(model), "encode", lambda *args, **kwargs: calls.append(args) or encode(*args, **kwargs))
    assert len(METRICS["sent-transformer"].score_many(["x", "y", "x"], ["x", "z", ("y", "x")])) == 3
    assert len(calls) == 1
    assert sorted(calls[0][1]) == ["x", "y", "z"]


def test_a_missing_model_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOPBENCH_METRIC_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelMissing, match=r"paraphrase-multilingual-MiniLM-L12-v2 is not on this machine; .*hf download"
    ):
        embeddings.find_model("paraphrase-multilingual-MiniLM-L12-v2")


@pytest.mark.slow
def test_matches_the_starter_kit(shared: Path) -> None:
    rows_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (shared / "data/conformance/metrics.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        rows_of[row["metric"]].append(row)
    assert sum(map(len, rows_of.values())) == 481
    for name, rows in rows_of.items():
        scores = METRICS[name].score_many([row["prediction"] for row in rows], [row["truth"] for row in rows])
        tolerance = 1e-4 if "transformer" in name else 1e-6
        for row, score in zip(rows, scores, strict=True):
            assert score == pytest.approx(row["score"], abs=tolerance), row


@pytest.mark.parametrize("name", ["rougel", "bleu", "jp-bleu", "sent-transformer"])
def test_a_lone_surrogate_crashes_no_metric(name: str) -> None:
    """A model's output can carry one, and so can a truth that did not come through a file."""
    for answer, truth in (("a lamp \ud800", "a lamp"), ("a lamp", "a lamp \udfff"), ("\ud800", "\ud800")):
        assert 0 <= METRICS[name].score(answer, truth) <= 1 + 1e-6
