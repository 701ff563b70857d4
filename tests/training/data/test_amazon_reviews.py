"""Amazon Reviews: what tells the answer away is gone, rows come in one order, other schemas are named."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from shopbench.question import Question
from shopbench.sample import Sample
from training.data.catalogue import all_tasks
from training.data.formats import Row, SourceError, SourceFolder
from training.data.sources.amazon_reviews import review_files, review_rows
from training.data.sources.amazon_reviews_aspects import snippet_rows
from training.data.sources.amazon_reviews_ratings import HELPFUL_EXAMPLE, rank_helpful, rating
from training.data.star_ratings import states_rating

from . import published

DAY = 86_400_000


def review(person: str, item: str, days: int = 0, **fields: Any) -> Row:
    """A row of a 2023 file."""
    given = {"rating": 5.0, "title": "Fine", "text": f"{person} on {item}: it does what it should do, every day."}
    given |= {"asin": item, "parent_asin": item, "user_id": person, "timestamp": 1_600_000_000_000 + days * DAY}
    return {**given, "helpful_vote": 0, **fields}


def write_reviews(folder: Path, reviews: list[Row], items: list[Row] | None = None) -> SourceFolder:
    """A sources folder of 2023 files."""
    published.write_lines(folder / "amazon_reviews_2023/Home.jsonl", reviews)
    if items:
        published.write_lines(folder / "amazon_reviews_2023/meta_Home.jsonl", items)
    return SourceFolder(folder)


def test_a_rating_that_is_said_is_not_shown() -> None:
    row = {"id": "1", "type": "pot", "rating": 5, "title": "Cinco estrellas", "text": "It pours well and looks nice."}
    sample = rating(row, random.Random(0))
    assert sample is not None and "estrellas" not in sample.input_field and "pours well" in sample.input_field
    assert rating({**row, "text": "It pours well. I give it 5 stars."}, random.Random(0)) is None
    kept = rating({**row, "title": "Pours well"}, random.Random(0))
    assert kept is not None and "Pours well" in kept.input_field


@pytest.mark.slow
def test_no_real_sample_says_its_rating(shared: Path) -> None:
    task = all_tasks()["amazon_reviews_rating"]
    rows = [row for row, _ in zip(task.rows(SourceFolder(shared / "data")), range(1500), strict=False)]
    said = {row["id"] for row in rows if states_rating(row["title"]) or states_rating(row["text"])}
    assert len(said) > 250
    for row in rows:
        sample = task.sample(row)
        if sample and row["id"] in said:
            assert not states_rating(row["text"]) and row["title"] not in sample.input_field.splitlines()


def test_a_review_with_two_titles_comes_once_and_always_the_same(tmp_path: Path) -> None:
    reviews = [review(f"U{n}", f"A{n % 7}", rating=float(n % 5 + 1)) for n in range(300)]
    doubled = [{**one, "title": "Another title"} for one in reviews[:150]]
    one = write_reviews(tmp_path / "one", [*reviews, *doubled])
    other = write_reviews(tmp_path / "other", [*doubled, *reversed(reviews)])
    for balanced in (False, True):
        rows = list(review_rows(one, balanced))
        assert rows == list(review_rows(other, balanced))
        assert len({row["id"] for row in rows}) == len(rows) == 300
        assert sum(row["title"] == "Another title" for row in rows) == 150
    ratings = [row["rating"] for row in review_rows(one, balanced=True)]
    assert all(sorted(ratings[start : start + 5]) == [1, 2, 3, 4, 5] for start in range(0, 300, 5))


def options_of(sample: Sample) -> list[str]:
    return [option.text for option in Question.read(sample.input_field, sample.is_multiple_choice).options]


def test_nothing_that_a_buyer_bought_is_a_wrong_option(tmp_path: Path) -> None:
    """Also what was bought a year later."""
    bought = {
        f"U{n}": [(f"A{(n * 7 + k * k) % 60}", days) for k, days in enumerate((0, 1, 2, 3, 400, 800))]
        for n in range(120)
    }
    reviews = [review(person, item, days) for person, items in bought.items() for item, days in items]
    items = [{"parent_asin": f"A{n}", "title": f"Thing number {n}", "categories": ["Home"]} for n in range(60)]
    task = all_tasks()["amazon_reviews_also_bought"]
    made = 0
    for row in task.rows(write_reviews(tmp_path, reviews, items)):
        sample = task.sample(row)
        if sample is None:
            continue
        made += 1
        together = {item for things in bought.values() if row["id"] in dict(things) for item, _ in things}
        truth = {int(number) for number in sample.output_field}  # type: ignore[union-attr, arg-type]
        for number, text in enumerate(options_of(sample), 1):
            assert (number in truth) == (f"A{text.split()[-1]}" in together), (row["id"], text)
    assert made >= 20


def test_a_complaint_in_a_praising_review_is_no_praise(tmp_path: Path) -> None:
    said = ("The zipper broke", "Great zipper", "I love the zipper", "Nice zipper", "The zipper is stuck, too tight")
    reviews = [
        review(f"U{n}", "A1", text=f"{said[n % 5]}. Number {n} of my things came {n} days after I had paid for it.")
        for n in range(200)
    ]
    found = list(snippet_rows(write_reviews(tmp_path, reviews)))
    assert found and {row["sentiment"] for row in found} == {"positive"}
    assert not any("broke" in snippet or "stuck" in snippet for row in found for snippet in row["snippets"])


@pytest.mark.slow
def test_complements_are_found_in_real_histories(shared: Path) -> None:
    task = all_tasks()["amazon_reviews_complement"]
    rows = list(task.rows(SourceFolder(shared / "data")))
    assert len(rows) > 50 and sum(task.sample(row) is not None for row in rows) >= 15
    for row in rows:
        assert row["type"] != row["complement"] in row["avoid"]


def test_a_product_without_a_title_is_not_given_one() -> None:
    for seed in range(20):
        sample = rank_helpful({**HELPFUL_EXAMPLE, "title": None}, random.Random(seed))
        assert sample is not None and "a(n)" not in sample.input_field and "titled" not in sample.input_field
        assert "home and kitchen" in sample.input_field


@pytest.mark.parametrize("above", ["meta_data", "amazon_reviews_2018", "user_histories", "raw[1]*"])
def test_folders_above_the_sources_do_not_matter(above: str, tmp_path: Path) -> None:
    published.amazon_reviews(tmp_path / "plain")
    published.amazon_reviews(tmp_path / above / "sources")
    plain, inside = (SourceFolder(tmp_path / name) for name in ("plain", f"{above}/sources"))
    facts = [[(file.year, file.is_meta, file.kind) for file in review_files(folder)] for folder in (plain, inside)]
    assert facts[0] == facts[1] == [(2018, True, "garden"), (2023, False, "all beauty"), (2023, True, "all beauty")]
    assert list(review_rows(plain)) == list(review_rows(inside))


def old_review(number: int) -> Row:
    return {"overall": 5.0, "reviewText": "It does what it should do.", "asin": f"A{number}", "reviewerID": "U"}


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        (
            "amazon_reviews_2023/Home.jsonl",
            [old_review(n) for n in range(9)],
            r"no field 'parent_asin'.*found: overall",
        ),
        ("amazon_reviews_2018/Home_5.json", [review("U", "A")], r"Home_5\.json: no field 'reviewerID'.*found: rating"),
        ("amazon_reviews_2023/Home.jsonl", [], r"Home\.jsonl: no field 'parent_asin'.*it holds no rows"),
    ],
)
def test_another_schema_is_named(name: str, rows: list[Row], message: str, tmp_path: Path) -> None:
    published.write_lines(tmp_path / name, rows)
    for task in ("amazon_reviews_rating", "amazon_reviews_rank_helpful", "amazon_reviews_also_bought"):
        with pytest.raises(SourceError, match=message):
            list(all_tasks()[task].rows(SourceFolder(tmp_path)))
