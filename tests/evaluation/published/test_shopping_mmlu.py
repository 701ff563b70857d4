"""Shopping MMLU's two scripts: every recorded case, and their peculiarities on rows made here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from evaluation.published import BadCase, Published
from evaluation.published.replay import replay
from evaluation.published.shopping_mmlu import RATING, READINGS, generation_metric, metric_of_task, score
from shopbench import embeddings

CHOICES = ["red", "blue", "green", "grey"]


@pytest.mark.slow
def test_every_recorded_case_matches(shared: Path) -> None:
    lines = list(replay(shared / "data/conformance/shopping_mmlu.jsonl"))
    assert len(lines) == 346
    assert [line for line in lines if line.difference] == []


def values(task: str, row: dict[str, Any], answer: str) -> tuple[float | None, float | None]:
    """The scores of one answer by task_wise and skill_wise."""
    found = [published(task, row, answer, reading) for reading in ("task_wise", "skill_wise")]
    first, second = (value for one in found for value in one.metrics.values())
    return first, second


def published(task: str, row: dict[str, Any], answer: str, reading: str) -> Published:
    return score(task, "", reading, {}, [row], [answer])


@pytest.mark.parametrize(
    ("answer", "task_wise", "skill_wise"),
    [
        ("2", 1, 1),
        ("  2. green", 1, 1),
        ("Answer: 2", 1, 0),
        ("\n2", 1, 0),
        ("(2)", 1, 0),
        ("２", 0, 0),
        ("½ of 2", 0, 0),
        ("20", 1, 1),
        ("", 0, 0),
        ("green", 0, 0),
    ],
)
def test_multiple_choice(answer: str, task_wise: float, skill_wise: float) -> None:
    row = {"question": "?", "choices": CHOICES, "answer": 2}
    assert values("colours", row, answer) == (task_wise, skill_wise)
    assert values(f"{RATING}_us", {"question": "?", "answer": 2}, answer) == (task_wise, skill_wise)


def test_a_rating_is_its_own_answer_and_no_index() -> None:
    assert values(RATING, {"question": "?", "answer": 5}, "5") == (1, 1)
    assert values("colours", {"question": "?", "choices": CHOICES, "answer": 5}, "5") == (None, 1)
    assert values("colours", {"question": "?", "choices": ["a", "b"], "answer": 1}, "1") == (None, 1)


@pytest.mark.parametrize(
    ("answer", "task_wise", "skill_wise"),
    [
        ("1, 4, 7", 1, 1),
        ("1, 4, 7\nas they fit", 1, 2 / 3),
        ("4\n7, 1", 1 / 3, 1 / 3),
        ("2, 3, 1, 4", 1 / 3, 1 / 3),
        ("1, 1, 1, 4", 1 / 3, 1 / 3),
        ("+1, 0_4, ７", 1, 1),
        ("No. 1, 4", 1 / 3, 1 / 3),
        ("", 0, 0),
    ],
)
def test_retrieval(answer: str, task_wise: float, skill_wise: float) -> None:
    found = values("phrase_retrieval", {"target_field": [1, 4, 7]}, answer)
    assert found == (pytest.approx(task_wise), pytest.approx(skill_wise))


def test_ranking() -> None:
    row = {"target_field": [1.0, 0.0, 0.1]}
    ideal = 1 + (2**0.1 - 1) / math.log2(3)
    assert values("product_ranking", row, "1, 3, 2") == (pytest.approx(1), pytest.approx(1))
    twice = 1 + 1 / math.log2(3)
    four_times = twice + 1 / 2 + 1 / math.log2(5)
    cut = twice + 1 / 2
    assert values("product_ranking", row, "1, 1, 1, 1") == (
        pytest.approx(four_times / ideal),
        pytest.approx(cut / ideal),
    )
    assert values("product_ranking", row, "0")[0] == pytest.approx((2**0.1 - 1) / ideal)  # the last one
    assert values("product_ranking", row, "-2")[0] == pytest.approx(1 / ideal)
    assert values("product_ranking", row, "9, 1")[0] == pytest.approx(1 / math.log2(3) / ideal)
    assert values("product_ranking", row, " \n1") == (0, 0)  # the first line holds a blank only
    assert values("product_ranking", row, "\n1")[0] == pytest.approx(1 / ideal)
    assert values("product_ranking", row, "-3, 1") == (None, None)
    assert values("product_ranking", {"target_field": [0, 0]}, "1") == (None, None)


@pytest.mark.parametrize(
    ("answer", "read", "f1"),
    [
        ("Lego, Blue ", ["lego", "blue"], 1),
        ("lego\nblue", ["lego"], 2 / 3),
        ("lego, lego, blue", ["lego", "lego", "blue"], 4 / 5),
        ("lego,\tblue", ["lego", "\tblue"], 1 / 2),
        ("['lego']", ["['lego']"], 0),
        ("", [], None),
    ],
)
def test_entities(answer: str, read: list[str], f1: float | None) -> None:
    for reading in READINGS:
        found = published("named_entity_recognition", {"target_field": ["Lego", "blue"]}, answer, reading)
        assert found.parsed == [read]
        assert found.metrics["micro f1"] == (f1 if f1 is None else pytest.approx(f1))
        assert (found.undefined is None) == (f1 is not None)


def test_texts() -> None:
    row = {"target_field": "a red silk scarf"}
    assert values("title_extraction", row, "a red silk scarf\nof mine") == (pytest.approx(4 / 5), pytest.approx(4 / 5))
    assert values("title_translation", row, "\na red silk scarf\nof mine") == (pytest.approx(1), pytest.approx(1))
    assert values("title_translation", {"target_field": ["a", "b"]}, "a") == (None, None)


def test_only_the_skill_script_takes_a_negative_similarity_for_none() -> None:
    row = {"target_field": "hydraulic excavator"}
    task_wise, skill_wise = values("explain", row, "garlic bread recipe")
    assert task_wise is not None
    assert task_wise < 0
    assert skill_wise == 0


def test_without_the_model_there_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise embeddings.ModelMissing(f"{name} is not here; get it there")

    monkeypatch.setattr(embeddings, "find_model", missing)
    embeddings._model.cache_clear()
    found = published("multilingual_explain", {"target_field": "ein Topf"}, "a pot", "skill_wise")
    assert found.metrics == {"multilingual-sent-transformer": None}
    assert found.undefined is not None
    assert "get it there" in found.undefined


def test_the_words_of_a_name_say_the_metric() -> None:
    names = ("aspect_extraction", "translation_EN_JP", "translation_EN_DE", "multilingual_explain", "explain")
    wanted = ["rougel", "jp-bleu", "bleu", "multilingual-sent-transformer", "sent-transformer"]
    assert [generation_metric(name) for name in names] == wanted
    lists = (("phrase_retrieval", [1]), ("product_ranking", [1]), ("x", [0.1]), ("x", ["a"]), ("x", [1]), ("x", 1))
    wanted = ["hit rate@3", "ndcg", "ndcg", "micro f1", "hit rate@3", "accuracy"]
    assert [metric_of_task(name, truth) for name, truth in lists] == wanted


@pytest.mark.parametrize(
    ("row", "reading", "meta", "says"),
    [
        ({"answer": 1}, "fast", {}, "reading 'fast' is none of task_wise, skill_wise"),
        ({"question": "?"}, "task_wise", {}, "none of the fields target_field"),
        ({"answer": 1}, "task_wise", {"metric": "acc"}, "unknown metric 'acc'"),
        ({"answer": [1]}, "task_wise", {"metric": "accuracy"}, "is no truth for accuracy"),
        ({"target_field": "a"}, "task_wise", {"metric": "ndcg"}, "'a' is no truth for ndcg"),
        ({"target_field": [1e9, 1.0]}, "task_wise", {"metric": "ndcg"}, "a gain must be a number of at most 1000"),
    ],
)
def test_what_is_no_case_is_refused(row: dict[str, Any], reading: str, meta: dict[str, Any], says: str) -> None:
    with pytest.raises(BadCase, match=says):
        score("x", "", reading, meta, [row], ["1"])
