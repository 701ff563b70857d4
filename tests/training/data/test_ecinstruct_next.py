"""Sequential recommendation from raw reviews, as eCeLLM's appendix A.2.2 builds it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from shopbench.ecinstruct import value
from training.data.formats import Row, SourceFolder
from training.data.sources.ecinstruct_reviews import next_rows

from . import published

KINDS = {"Electronics": 50, "Home_and_Kitchen": 70, "Sports_and_Outdoors": 45}
"""People of each category; each buys ten of its forty products."""


def write_category(folder: Path, name: str, people: int, never_bought: int = 400) -> None:
    """Reviews and metadata of 2018; most products are never bought, one person buys a little here and there."""
    mark = name[0]
    items = [
        {"asin": f"{mark}{n:09d}", "title": f"{name} thing {n}", "category": [name, "Parts"], "brand": "Own"}
        for n in range(40 + never_bought)
    ]
    bought = [(f"{mark}{user}", (user * 3 + step * step) % 40, step) for user in range(people) for step in range(10)]
    bought += [("roamer", n, n) for n in range(4)]  # in no category often enough
    reviews = [
        {
            "overall": 5.0,
            "reviewText": "x",
            "asin": f"{mark}{n:09d}",
            "reviewerID": user,
            "unixReviewTime": 10**9 + when,
        }
        for user, n, when in bought
    ]
    published.write_lines(folder / f"amazon_reviews_2018/meta_{name}.json.gz", items)
    published.write_lines(folder / f"amazon_reviews_2018/{name}_5.json.gz", reviews)


def kind_of(row: Row) -> str:
    return str(json.loads(row["options"])[0]).split(": ", 1)[1].split(" thing")[0]


def test_categories_take_turns_and_wrong_options_were_bought(tmp_path: Path) -> None:
    for name, people in KINDS.items():
        write_category(tmp_path, name, people)
    rows = list(next_rows(SourceFolder(tmp_path)))
    assert len(rows) > 3 * 20 and rows == list(next_rows(SourceFolder(tmp_path)))
    assert set(Counter(map(kind_of, rows[:60])).values()) == {20}
    targets: Counter[bool] = Counter()
    for row in rows:
        options = [option.split(": ", 1)[1] for option in json.loads(row["options"])]
        numbers = [int(option.split(" thing ")[1].split(".")[0]) for option in options]
        assert len(set(options)) == 20 and all(number < 40 for number in numbers), "only what somebody bought"
        assert len({option.split(" thing")[0] for option in options}) == 1, "of the same category"
        history = [entry.split(": ", 1)[1] for entry in value(row["input"])]
        assert not set(history) & set(options) and len(history) >= 4
        targets[row["output"] == "A"] += 1
    assert 0 < targets[True] < len(rows) / 5


def test_five_core_is_within_a_category(tmp_path: Path) -> None:
    for name, people in KINDS.items():
        write_category(tmp_path, name, people)
    assert len(list(next_rows(SourceFolder(tmp_path), "test"))) <= sum(KINDS.values()), (
        "twelve here and there do not count"
    )


def test_metadata_of_2014_fill_gaps(tmp_path: Path) -> None:
    write_category(tmp_path, "Electronics", 30, never_bought=0)
    path = tmp_path / "amazon_reviews_2018/meta_Electronics.json.gz"
    items = [
        {"asin": f"E{n:09d}", "title": f"Electronics thing {n}" if n % 2 else "", "category": []} for n in range(40)
    ]
    published.write_lines(path, items)
    assert list(next_rows(SourceFolder(tmp_path))) == [], "half of the products have no title"
    older = [
        {
            "asin": f"E{n:09d}",
            "title": f"Older thing {n}",
            "brand": "O'Neil",
            "categories": [["Audio", "Radio", "FM"], ["X"]],
        }
        for n in range(40)
    ]
    supplement = tmp_path / "amazon_reviews_2014/meta_Electronics.json"
    supplement.parent.mkdir()
    supplement.write_text("".join(f"{row}\n" for row in older) + "no literal\n", encoding="utf-8")  # Python's own form
    rows = list(next_rows(SourceFolder(tmp_path)))
    shown = {option.split(": ", 1)[1] for row in rows for option in json.loads(row["options"])}
    assert len(rows) == 30
    assert "Electronics thing 1. Audio. Radio. O'Neil" in shown and "Older thing 2. Audio. Radio. O'Neil" in shown
    assert str(supplement) in SourceFolder(tmp_path).files("amazon_reviews_2014/**/meta_*.json*")
