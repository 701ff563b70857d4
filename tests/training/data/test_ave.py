"""Attribute values are whole words of their title, and wrong options are wrong."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from training.data.catalogue import all_tasks
from training.data.formats import Row, SourceFolder
from training.data.sources import ave

SETS: dict[str, list[Row]] = {
    "oa-mine": [
        {"input": "Hillside Tea, black, 2016", "category": "Tea", "target_scores": {"Brand": {"Hillside": 1}}},
        {"input": "Quillon Tea", "category": "Tea", "target_scores": {"Brand": {"Quillon": 1}}},
        *2 * [{"input": "Bean, dark roast", "category": "Coffee", "target_scores": {"Roast type": {"dark roast": 1}}}],
        *2 * [{"input": "Boot 9 M", "category": "Shoes", "target_scores": {"Size": {"9 M": 1}}}],
        {"input": "Mask", "category": "Mask", "target_scores": {"Roast type": {"n/a": 1}, "Layer": {"n/a": 1}}},
        *2 * [{"input": "Cereal", "category": "Cereal", "target_scores": {"Cereal type": {"cereal": 1}}}],
        *2 * [{"input": "Comb, soft teeth", "category": "Comb", "target_scores": {"Firmness": {"soft": 1}}}],
    ],
    "ae-110k": [*2 * [{"input": "Cotton shirt", "category": "Shirts", "target_scores": {"Fabric": {"Cotton": 1}}}]],
}


@pytest.fixture
def sources(tmp_path: Path) -> SourceFolder:
    for name, rows in SETS.items():
        (tmp_path / "ave" / name).mkdir(parents=True)
        (tmp_path / "ave" / name / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SourceFolder(tmp_path)


def test_a_part_of_a_word_is_no_value() -> None:
    row = {
        "input": "Mens Shirt 2016, print",
        "category": "Shirts",
        "target_scores": {"Gender": {"men": 1}, "Size": {"16": 1}, "Pattern": {"Print": 1}},
        "rivals": {"Gender": ["women", "unisex", "kids"], "Size": ["8", "9", "10"], "Pattern": ["dots", "plain"]},
    }
    assert ave.known_values(row) == [("Pattern", "Print")]
    for seed in range(30):
        sample = ave.entity({**row, "category": "Hat"}, random.Random(seed))
        assert sample is None or sample.output_field in (("print",), ("Print",))
        asked = ave.value_choice(row, random.Random(seed))
        assert asked is None or "pattern" in asked.input_field, "what a title says in part is not untold"


def test_wrong_options_are_of_the_same_set_and_not_general(sources: SourceFolder) -> None:
    rows = {(row["attribute"], row["category"]): row for row in ave.category_rows(sources)}
    roast = rows["roast type", "Coffee"]
    assert roast["without"] == ["Cereal", "Comb", "Shoes", "Tea"], (
        "not the mask, which names it; no shirts: another set"
    )
    assert roast["foreign"] == ["cereal type", "firmness"]
    for general in (("brand", "Tea"), ("size", "Shoes"), ("fabric", "Shirts")):
        assert rows[general]["without"] == [], "any category may have it"
    assert rows["size", "Shoes"]["foreign"] == ["cereal type", "firmness", "roast type"]
    assert rows["fabric", "Shirts"]["foreign"] == []


def test_attributes_are_asked_for_either_way(sources: SourceFolder) -> None:
    task = all_tasks()["ave_attribute"]
    made = [task.sample(row, random.Random(seed)) for row in ave.category_rows(sources) for seed in range(9)]
    asked = [sample.input_field for sample in made if sample]
    assert any("roast type" in text and "coffee" in text and "tea" in text for text in asked)
    assert any("shoes" in text and "size" in text and "roast type" in text for text in asked)
    assert not any("brand" in text and "shoes" in text for text in asked)
