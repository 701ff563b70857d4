"""The ESCI tasks of Table 7: where wrong options come from, what a truth may be, files that are not as published."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from shopbench.question import Question
from shopbench.sample import Sample
from training.data.catalogue import all_tasks
from training.data.formats import Row, SourceError, SourceFolder
from training.data.options import same_key
from training.data.reading import database
from training.data.sources.amazon_m2 import open_products
from training.data.sources.esci_keywords import wrong_phrases
from training.data.sources.esci_query import EXAMPLE, brand_of_title
from training.data.wordings import plural

from . import published

QUERY_TASKS = ("esci_query_of_description", "esci_query_of_features", "esci_query_of_title")


def pairs(*judged: tuple[str, str, str], split: str = "train") -> list[Row]:
    """Rows of the joined table of (query, product, label)."""
    return [
        {
            "query": query,
            "product_id": product,
            "product_locale": "us",
            "esci_label": label,
            "small_version": 1,
            "split": split,
            "product_title": f"Thing {product}",
            "product_description": f"<p>Thing {product}, the pride of the shop, is built to last for many a year.</p>",
            "product_bullet_point": f"Handle of oak for {product}\nWeight of a feather, {product}",
            "product_brand": "Brand",
        }
        for query, product, label in judged
    ]


def shown(sample: Sample) -> tuple[str, set[str]]:
    """The right option and the wrong ones."""
    options = {option.number: option.text for option in Question.read(sample.input_field, True).options}
    right = options.pop(int(sample.output_field))  # type: ignore[arg-type]
    return right, set(options.values())


@pytest.mark.parametrize("name", QUERY_TASKS)
def test_wrong_queries_are_judged_ones_then_those_of_the_querys_other_products(name: str, tmp_path: Path) -> None:
    judged = [("oak chair", "P1", "Exact"), ("oak table", "P1", "Substitute"), ("chair cushion", "P1", "Complement")]
    judged += [("oak chair", "P2", "Irrelevant"), ("garden hose", "P2", "Exact")]
    judged += [(f"random {number}", f"R{number}", "Exact") for number in range(40)]
    published.write_lines(tmp_path / "esci/labelled_us.jsonl", pairs(*judged))
    rows = {row["id"]: row for row in all_tasks()[name].rows(SourceFolder(tmp_path))}
    assert rows["P1"]["near"] == ["garden hose"]
    for seed in range(20):
        sample = all_tasks()[name].sample(rows["P1"], random.Random(seed))
        assert sample is not None
        assert shown(sample) == ("oak chair", {"oak table", "chair cushion", "garden hose"})


def test_products_that_fail_most_queries_come_first(tmp_path: Path) -> None:
    judged = [(f"query {number}", f"E{number}", "E") for number in range(200)]
    judged += [
        (f"query {number + step}", f"E{number}", "SCI"[step % 3]) for number in range(0, 200, 10) for step in (1, 2, 3)
    ]
    published.write_lines(tmp_path / "esci/labelled_us.jsonl", pairs(*judged))
    task = all_tasks()["esci_query_of_title"]
    for place, row in enumerate(task.rows(SourceFolder(tmp_path))):
        failed = {one["query"] for one in row["queries"] if one["label"] != "E"}
        assert (len(failed) == 3) == (place < 20)
        sample = task.sample(row)
        assert sample is not None and (not failed or shown(sample)[1] == failed)


def overlaps(sample: Sample) -> float:
    """How surely the option that shares most words with the question is the right one."""
    right, wrong = shown(sample)
    asked = sample.input_field
    for option in (right, *wrong):
        asked = asked.replace(option, " ")
    said = set(same_key(asked).split())
    shares = {option: len(said & set(same_key(option).split())) for option in (right, *wrong)}
    best = [option for option in shares if shares[option] == max(shares.values())]
    return (right in best) / len(best)


@pytest.mark.slow
def test_keyword_sets_are_whole_phrases_among_near_ones(shared: Path) -> None:
    """On real rows, the option with most words of the product is the right one in half of them (it was in 84%)."""
    task = all_tasks()["esci_keyword_set"]
    made = [(row, sample) for row in task.rows(SourceFolder(shared / "data")) if (sample := task.sample(row))]
    assert len(made) > 500
    for row, sample in made:
        right, wrong = shown(sample)
        own = {same_key(one["query"]) for one in row["queries"] if one["label"] == "E"}
        assert {same_key(phrase) for phrase in right.split(", ")} <= own
        assert all(len(one.split(", ")) == len(right.split(", ")) for one in wrong)
        assert not own & {same_key(phrase) for one in wrong for phrase in one.split(", ")}
    assert sum(overlaps(sample) for _, sample in made) / len(made) < 0.6


def test_what_a_product_says_of_itself_is_no_wrong_phrase() -> None:
    row = {
        "title": "Oak Chair with Arms",
        "queries": [{"query": "oak chair", "label": "E"}, {"query": "pine chair", "label": "S"}],
        "near": ["chair with arms", "oak bench", "oak chair"],
        "alike": ["garden chair"],
    }
    assert wrong_phrases(row, ["oak chair"], "A chair of oak.") == ["pine chair", "oak bench", "garden chair"]


@pytest.mark.parametrize(
    ("title", "brand", "named"),
    [
        ("Hillside Clay Teapot", "Hillside", True),
        ("HILLSIDE clay teapot", "hillside", True),
        ("Nestle Cocoa, 8 oz", "Nestlé", True),
        ("Levi's Jeans 511", "Levis", True),
        ("Coca Cola Sign", "Coca-Cola", True),
        ("Clay Teapot", "Hillside", False),
        ("Hillsides Teapot", "Hillside", False),
        ("Clay Teapot", "", False),
    ],
)
def test_a_brand_is_asked_for_where_the_title_names_it(title: str, brand: str, named: bool) -> None:
    row = {**EXAMPLE, "title": title, "brand": brand, "other_brands": ["Quillon", "Clay", "Northpeak", "Blue Jetty"]}
    sample = brand_of_title(row, random.Random(1))
    assert (sample is not None) == named
    if sample:
        assert shown(sample)[0] == brand


def test_a_brand_behind_the_cut_is_not_asked_for() -> None:
    row = {**EXAMPLE, "title": f"{'teapot ' * 60}by Hillside", "brand": "Hillside"}
    assert brand_of_title(row, random.Random(1)) is None


def test_plurals_of_lists() -> None:
    assert [plural(noun) for noun in ("Query", "Product", "Key", "Box", "Dish")] == [
        *("Queries", "Products", "Keys", "Boxes", "Dishes")
    ]
    task = all_tasks()["esci_rank_queries"]
    asked = {sample.input_field for seed in range(80) if (sample := task.sample(task.example, random.Random(seed)))}
    assert any("Queries" in question for question in asked) and not any("Querys" in question for question in asked)


@pytest.mark.slow
def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    published.esci(tmp_path / "once", ("us",))
    published.esci(tmp_path / "twice", ("us",))
    products = tmp_path / "twice/esci/shopping_queries_dataset_products.parquet"
    products.with_name("products_copy.parquet").write_bytes(products.read_bytes())
    for folder in ("once", "twice"):
        published.amazon_m2(tmp_path / folder)
    copied = tmp_path / "twice/amazon_m2/products_train.csv"
    copied.with_name("products_train (1).csv").write_bytes(copied.read_bytes())
    for folder in ("once", "twice"):
        published.amazon_reviews(tmp_path / folder)
    for name in ("amazon_reviews_2023/All_Beauty.jsonl.gz", "amazon_reviews_2018/meta_Garden.json.gz"):
        copied = tmp_path / "twice" / name
        copied.with_name(copied.name.replace(".", "_copy.", 1)).write_bytes(copied.read_bytes())
    for name, task in all_tasks().items():
        if name.startswith(
            ("esci_", "amazon_", "ecinstruct_built_mpc", "ecinstruct_built_psi", "ecinstruct_built_qpr")
        ):
            once, twice = (list(task.rows(SourceFolder(tmp_path / folder))) for folder in ("once", "twice"))
            assert once == twice, name


def test_a_pair_that_is_judged_twice_has_one_label(tmp_path: Path) -> None:
    judged = [("oak chair", "P1", label) for label in "SEI"] + [("oak table", "P1", "C"), ("oak table", "P1", "I")]
    published.write_lines(tmp_path / "esci/labelled_us.jsonl", pairs(*judged))
    found = {(row["query"], row["label"]) for row in all_tasks()["esci_relation"].rows(SourceFolder(tmp_path))}
    assert found == {("oak chair", "E"), ("oak table", "C")}


def test_a_folder_named_exact_labels_nothing(tmp_path: Path) -> None:
    rows = [{key: row[key] for key in row if key != "esci_label"} for row in pairs(("a", "P1", ""), ("b", "P2", ""))]
    labelled = pairs(("oak chair", "P3", "E"))
    published.write_lines(tmp_path / "exact/sources/esci/labelled_us.jsonl", [*labelled, *rows])
    found = all_tasks()["esci_relation"].rows(SourceFolder(tmp_path / "exact/sources"))
    assert Counter(row["id"] for row in found) == {"P3": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"split": "training"}, r"labelled_us\.jsonl: no row with split train \(found: 'training'\)"),
        ({"esci_label": "relevant"}, r"esci_label E, S, C or I \(found: 'relevant'\)"),
        ({"product_locale": "United States"}, r"product_locale us, es, jp \(found: 'United States'\)"),
    ],
)
def test_values_in_another_spelling_are_named(changed: Row, message: str, tmp_path: Path) -> None:
    rows = [{**row, **changed} for row in pairs(("oak chair", "P1", "E"), ("oak table", "P2", "S"))]
    published.write_lines(tmp_path / "esci/labelled_us.jsonl", rows)
    with pytest.raises(SourceError, match=message):
        list(all_tasks()["esci_relation"].rows(SourceFolder(tmp_path)))


def test_locales_in_capitals_and_small_letters_are_read(tmp_path: Path) -> None:
    rows = [{**row, "product_locale": "US"} for row in pairs(("oak chair", "P1", "E"))]
    published.write_lines(tmp_path / "esci/labelled_us.jsonl", rows)
    assert [row["locale"] for row in all_tasks()["esci_relation"].rows(SourceFolder(tmp_path))] == ["us"]


def test_another_shops_locales_are_named(tmp_path: Path) -> None:
    published.amazon_m2(tmp_path)
    path = tmp_path / "amazon_m2/products_train.csv"
    text = path.read_text(encoding="utf-8")
    for locale in ("UK", "DE", "JP", "FR", "IT", "ES"):
        text = text.replace(f",{locale},", f",shop {locale},")
    path.write_text(text, encoding="utf-8")
    with (
        pytest.raises(SourceError, match=r"products_train\.csv: no row with locale UK, .*found: 'shop"),
        database() as one,
    ):
        open_products(one, SourceFolder(tmp_path))


def test_a_table_in_latin_1_is_named_with_the_reason(tmp_path: Path) -> None:
    published.amazon_m2(tmp_path)
    path = tmp_path / "amazon_m2/products_train.csv"
    path.write_bytes(path.read_text(encoding="utf-8").replace("fine", "très fine").encode("latin-1"))
    with pytest.raises(SourceError, match=r"products_train\.csv.*not utf-8.*iconv") as caught:
        list(all_tasks()["amazon_m2_title_in_language"].rows(SourceFolder(tmp_path)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
