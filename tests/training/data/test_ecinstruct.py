"""ECInstruct: read as published, built from raw sources with the paper's processing and splits."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shopbench.question import Question
from shopbench.tasks import TaskType
from training.data.catalogue import all_tasks
from training.data.ecinstruct_wordings import INSTRUCTIONS, unseen
from training.data.formats import Row, SourceFolder
from training.data.sources import (
    ecinstruct,
    ecinstruct_choice,
    ecinstruct_esci,
    ecinstruct_lists,
    ecinstruct_reviews,
    ecinstruct_texts,
)
from training.data.sources.ecinstruct import EXAMPLES, FIELDS, PM, QPR, SA, SR

from . import published

BUILT: dict[str, Callable[..., Iterator[Row]]] = {
    ecinstruct.MPC: ecinstruct_esci.relevance_rows,
    ecinstruct.PSI: ecinstruct_esci.substitute_rows,
    ecinstruct.QPR: ecinstruct_esci.rank_rows,
    ecinstruct.PRP: ecinstruct_reviews.relation_rows,
    ecinstruct.SA: ecinstruct_reviews.sentiment_rows,
    ecinstruct.SR: ecinstruct_reviews.next_rows,
    ecinstruct.AVE: ecinstruct_texts.value_rows,
    ecinstruct.PM: ecinstruct_texts.match_rows,
    ecinstruct.AP: ecinstruct_texts.answerable_rows,
    ecinstruct.AG: ecinstruct_texts.answer_rows,
}


def reviews_2018(folder: Path, category: str, mark: str) -> None:
    """Forty products, forty users who reviewed ten of them each, and all three relations."""
    items = [
        {
            "asin": f"{mark}{number:09d}",
            "title": f"{published.THINGS[number % 10]} {mark} {number}",
            "category": [category, published.THINGS[number % 10]],
            "also_buy": [f"{mark}{(number + 1) % 40:09d}"],
            "also_view": [f"{mark}{(number + 2) % 40:09d}", f"{mark}{(number + 3) % 40:09d}"],
            # Number + 1 is similar as well as bought: a pair in two relations, which the paper drops.
            "similar_item": "".join(f'<a data-asin="{mark}{(number + step) % 40:09d}">' for step in (1, 4)),
            "brand": "Hillside",
        }
        for number in range(40)
    ]
    reviews = [
        {
            "overall": float(number % 5 + 1),
            "reviewText": f"Review {number} of user {user}: it has {number % 5 + 1} of five good sides, says its owner",
            "asin": f"{mark}{(user + number) % 40:09d}",
            "reviewerID": f"{mark}{user}",
            "unixReviewTime": 1_400_000_000 + number * 1000,
        }
        for user in range(40)
        for number in range(10)
    ]
    reviews.append({**reviews[0], "reviewText": "too short"})
    published.write_lines(folder / f"amazon_reviews_2018/meta_{category}.json.gz", items)
    published.write_lines(folder / f"amazon_reviews_2018/{category}.json.gz", reviews)


def raw_sources(folder: Path) -> Path:
    """All raw sources of ECInstruct, small and invented."""
    published.esci(folder, ("us",))
    reviews_2018(folder, "Electronics", "B")
    reviews_2018(folder, "Tools_and_Home_Improvement", "C")
    for name, evidences in (("positives", [{"value": "Clay", "pid": 1, "begin": 0, "end": 4}]), ("negatives", [])):
        rows = [
            {
                "id": f"{name}{number}",
                "category": "Pots",
                "paragraphs": [
                    {"text": f"Teapot {number}", "source": "title"},
                    {"text": "Clay pot", "source": "description"},
                ],
                "attributes": [{"key": f"Attribute {number % 12}", "evidences": evidences}],
            }
            for number in range(120)
        ]
        published.write_lines(folder / f"mave/mave_{name}.jsonl", rows)
    shops: dict[str, list[dict[str, Any]]] = {
        "Amazon": [],
        "GoogleProducts": [],
        "Amzon_GoogleProducts_perfectMapping": [],
    }
    for number in range(60):
        one = {"description": "a b c", "manufacturer": "Büro", "price": "9"}
        shops["Amazon"].append({"id": f"a{number}", "title": f"program {number}", **one})
        shops["GoogleProducts"].append({"id": f"g{number}", "name": f"the program {number}", **one, "manufacturer": ""})
        shops["Amzon_GoogleProducts_perfectMapping"].append({"idAmazon": f"a{number}", "idGoogleBase": f"g{number}"})
    for name, rows in shops.items():
        path = folder / f"product_matching/{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="latin-1", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    for split in ("train", "val", "test"):
        questions = [
            {
                "questionText": f"Does {split} number {number} drip?",
                "questionType": "descriptive",
                "category": category,
                "is_answerable": number % 2,
                "review_snippets": ["It pours <b>well</b>.", f"Number {number} is fine."],
                "answers": [
                    {"answerText": "Perhaps.", "helpful": [1, 4]},
                    {"answerText": f"No, number {number} does not.", "helpful": [3, 3]},
                ],
            }
            for category in ("Sports_and_Outdoors", "Electronics", "Cell_Phones_and_Accessories")
            for number in range(10)
        ]
        published.write_lines(folder / f"amazonqa/{split}-qar.jsonl", questions)
    return folder


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raw_sources(tmp_path_factory.mktemp("raw"))


@pytest.mark.parametrize("task", BUILT)
def test_built_rows_have_the_published_form_and_disjoint_splits(task: str, raw: Path) -> None:
    seen: dict[str, set[str]] = {}
    for split in ("train", "val", "test"):
        rows = list(BUILT[task](SourceFolder(raw), split))
        assert rows, split
        for row in rows:
            assert set(FIELDS) <= set(row) and row["task"] == task and row["split"] == split
            assert row["instruction"] in INSTRUCTIONS[task][:5] and row["output"]
            assert unseen(row)["instruction"] == INSTRUCTIONS[task][5] not in INSTRUCTIONS[task][:5]
        seen[split] = {row["id"] for row in rows}
        assert len(seen[split]) == len(rows)
    if task != SR:  # there the splits are later purchases of the same users
        assert not seen["train"] & seen["test"] and not seen["train"] & seen["val"] and not seen["val"] & seen["test"]
    assert len(seen["train"]) >= len(seen["test"])


@pytest.mark.parametrize("task", sorted(set(BUILT) - {ecinstruct.MPC, ecinstruct.PSI, QPR, PM}))
def test_out_of_domain_rows_come_from_elsewhere(task: str, raw: Path) -> None:
    inside = {row["input"] for row in BUILT[task](SourceFolder(raw), "train")}
    outside = list(BUILT[task](SourceFolder(raw), "test", ood=True))
    assert outside and all(row["setting"].startswith("OOD") for row in outside)
    assert not inside & {row["input"] for row in outside}


@pytest.mark.parametrize("task", BUILT)
def test_built_rows_make_samples_like_published_ones(task: str, raw: Path) -> None:
    row = next(iter(BUILT[task](SourceFolder(raw), "train")))
    name = next(name for name in all_tasks() if name == f"ecinstruct_built_{task.lower()}")
    sample = all_tasks()[name].sample(row, random.Random(0))
    assert sample is not None and sample.output_field == row["output"]
    assert sample.input_field.startswith(row["instruction"]) and row["input"] in sample.input_field


@pytest.mark.parametrize("task", BUILT)
def test_every_instruction_is_read_as_a_request_for_text(task: str) -> None:
    assert len(set(INSTRUCTIONS[task])) == 6
    for instruction in INSTRUCTIONS[task]:
        question = ecinstruct.render({**EXAMPLES[task], "instruction": instruction})
        assert Question.read(question, False).task_type is TaskType.GENERATION, question


def test_a_pair_in_two_relations_is_dropped(raw: Path) -> None:
    titles = {number: f"{published.THINGS[number % 10]} B {number}" for number in range(40)}
    for split in ("train", "val", "test"):
        for row in ecinstruct_reviews.relation_rows(SourceFolder(raw), split):
            pair = set(json.loads(row["input"]).values())
            step = next(s for n in range(40) for s in range(1, 5) if pair == {titles[n], titles[(n + s) % 40]})
            assert {2: "B", 3: "B", 4: "C"}[step] == row["output"]


def test_short_reviews_are_left_out_and_stars_become_sentiments(raw: Path) -> None:
    for row in ecinstruct_reviews.sentiment_rows(SourceFolder(raw), "train"):
        assert len(row["input"].split()) >= 10
        stars = int(row["input"].split(" of five")[0].rsplit(" ", 1)[-1])
        assert row["output"] == f"{'EDCBA'[stars - 1]}: {ecinstruct_reviews.SENTIMENTS[5 - stars]}"


def test_the_next_purchase_is_the_one_that_came_next(raw: Path) -> None:
    rows = {split: list(ecinstruct_reviews.next_rows(SourceFolder(raw), split)) for split in ("train", "val", "test")}
    lengths = {split: {len(ecinstruct.value(row["input"])) for row in rows[split]} for split in rows}
    assert lengths == {"train": {7}, "val": {8}, "test": {9}}
    for row in rows["test"]:
        options = dict(option.split(": ", 1) for option in json.loads(row["options"]))
        history = [entry.split(": ", 1)[1] for entry in ecinstruct.value(row["input"])]
        last, answer = (int(text.split(". ")[0].rsplit(" ", 1)[-1]) for text in (history[-1], options[row["output"]]))
        assert len(options) == 20 and answer == (last + 1) % 40
        assert not set(history) & set(options.values())


def test_rankings_follow_the_labels(raw: Path) -> None:
    for row in ecinstruct_esci.rank_rows(SourceFolder(raw), "train"):
        labels = dict(zip("ABCD", row["labels"], strict=False))
        order = [labels[letter] for letter in row["output"].split(",")]
        assert order == sorted(order, key="ESCI".index) and len(set(order)) == len(order) >= 2


def test_matches_and_others_are_as_many(raw: Path) -> None:
    rows = [row for split in ("train", "val", "test") for row in ecinstruct_texts.match_rows(SourceFolder(raw), split)]
    assert sum(row["output"] == "yes" for row in rows) == 60
    assert 55 <= sum(row["output"] == "no" for row in rows) <= 60
    product = json.loads(rows[0]["input"])
    assert product["product 1"]["manufacturer"] == "Büro" and product["product 2"]["manufacturer"] == "nan"


def test_the_most_helpful_answer_is_the_answer(raw: Path) -> None:
    for row in ecinstruct_texts.answer_rows(SourceFolder(raw), "train"):
        number = json.loads(row["input"])["question"].split("number ")[1].split()[0]
        assert row["output"] == f"No, number {number} does not."
        assert json.loads(row["input"])["document"][0] == "It pours well ."


@pytest.mark.slow
def test_the_published_file_is_read_by_split_and_task(tmp_path: Path) -> None:
    rows = [{key: row[key] for key in FIELDS} for row in EXAMPLES.values()]
    rows += [{**row, "split": "test", "input": row["input"] + " "} for row in rows]
    path = tmp_path / "ecinstruct/ECInstruct.json"
    path.parent.mkdir()
    path.write_text(json.dumps(rows), encoding="utf-8")
    for task, example in EXAMPLES.items():
        [row] = ecinstruct.read_rows(SourceFolder(tmp_path), task)
        assert {key: row[key] for key in FIELDS} == {key: example[key] for key in FIELDS}
        [test] = ecinstruct.read_rows(SourceFolder(tmp_path), task, ("test",))
        assert test["split"] == "test" and test["id"] != row["id"]


def test_malformed_rows_are_passed_over() -> None:
    wrong = {"id": "1", "input": "no json", "options": None, "output": "maybe", "instruction": "x"}
    tasks = (*ecinstruct_choice.TASKS, *ecinstruct_lists.TASKS[:1])
    assert [task.name for task in tasks if task.sample(wrong, random.Random(0)) is not None] == []
    assert ecinstruct_lists.most_relevant({**wrong, "others": ["a"] * 9}, random.Random(0)) is None


def test_letters_become_the_number_of_the_same_option() -> None:
    for seed in range(100):
        sample = ecinstruct_choice.sentiment(EXAMPLES[SA], random.Random(seed))
        assert sample is not None
        line = next(line for line in sample.input_field.splitlines() if str(sample.output_field) in line[:2])
        assert line.endswith("very positive")


def test_review_groups_have_one_of_each_sentiment(tmp_path: Path) -> None:
    rows = []
    for place, (letter, times) in enumerate(zip("ABCDE", (9, 3, 1, 1, 2), strict=True)):
        row = EXAMPLES[SA]
        output = json.loads(row["options"])[place]
        assert output.startswith(letter)
        rows += [{**row, "input": f"review {letter} {number}", "output": output} for number in range(times)]
    published.write_lines(tmp_path / "ecinstruct/reviews.jsonl", rows)
    groups = list(ecinstruct_lists.review_groups(SourceFolder(tmp_path)))
    assert len(groups) == 9 * ecinstruct_lists.TURNS
    pairs = {(group["reviews"][0]["id"], group["reviews"][1]["id"]) for group in groups}
    assert len(pairs) == 9 * min(3, ecinstruct_lists.TURNS), "other partners each time"
    for group in groups:
        assert [review["level"] for review in group["reviews"]] == [0, 1, 2, 3, 4]
        sample = ecinstruct_lists.rank_reviews(group, random.Random(1))
        assert sample is not None and sorted(sample.output_field) == [0.0, 0.25, 0.5, 0.75, 1.0]  # type: ignore[type-var]
