"""Amazon-M2's parallel texts: a product stands in up to six locales."""

from __future__ import annotations

import random
import re
from pathlib import Path

from training.data.catalogue import all_tasks
from training.data.formats import SourceFolder
from training.data.sources.amazon_m2 import LANGUAGES, TITLE_EXAMPLE, title_in_language

from . import published

FIELDS = ("title", "price", "brand", "color", "size", "model", "material", "author", "desc")


def test_the_same_product_in_a_third_language_is_no_wrong_description(tmp_path: Path) -> None:
    rows = [
        dict.fromkeys(FIELDS, "")
        | {"id": f"B{number:09d}", "locale": locale, "title": f"{locale} thing {number}"}
        | {"desc": f"What {LANGUAGES[locale]} shops say of product {number} is short."}
        for number in range(20)
        for locale in LANGUAGES
    ]
    published.write_csv(tmp_path / "amazon_m2/products_train.csv", rows)
    task = all_tasks()["amazon_m2_description_in_language"]
    samples = [sample for row in task.rows(SourceFolder(tmp_path)) if (sample := task.sample(row))]
    assert len(samples) == 20 * 30
    for sample in samples:
        asked, *options = re.findall(r"product (\d+)", sample.input_field)
        assert options.count(asked) == 1


def test_a_title_is_never_cut() -> None:
    long = " ".join(["word"] * 60)
    assert title_in_language(TITLE_EXAMPLE, random.Random(1)) is not None
    assert title_in_language(TITLE_EXAMPLE | {"translation": long}, random.Random(1)) is None
    assert title_in_language(TITLE_EXAMPLE | {"text": long}, random.Random(1)) is None
