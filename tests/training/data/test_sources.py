"""What single sources do to their rows, on invented ones."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from shopbench.answers import write
from shopbench.ecominstruct import entities_text, offered_labels, separator, typed_spans
from shopbench.tasks import TaskType
from training.data.build.run import build
from training.data.catalogue import all_tasks
from training.data.formats import MissingDataset, SourceError, SourceFolder
from training.data.sources import ave, ec_guide, ecominstruct, gsm8k, query_lists
from training.recipes import recipe_named

RNG_SEEDS = range(40)


def test_lists_of_every_published_shape_are_read() -> None:
    plain = ec_guide.listed("Which?\n0. a hat\n1. a cup\n2. a bed\nAnswer: ")
    assert plain == ("Which?", {0: "a hat", 1: "a cup", 2: "a bed"})
    skipping = ec_guide.listed("How?\n0. buy\n1. view\n3. similar\nAnswer:")
    assert skipping == ("How?", {0: "buy", 1: "view", 3: "similar"})
    inline = ec_guide.listed("Which set? Title: x 0. a, b 1. c, d 2. e 3. f, g")
    assert inline is not None and list(inline[1].values()) == ["a, b", "c, d", "e", "f, g"]
    in_review = ec_guide.listed("Review: \n1. fast\n2. loud\nAspect List:\n1. speed\n2. noise\n3. size\nOutput:")
    assert in_review is not None and list(in_review[1].values()) == ["speed", "noise", "size"]
    assert ec_guide.listed("No list here") is None


def test_a_list_that_skips_a_number_keeps_its_answer() -> None:
    task = all_tasks()["ec_guide_product_relation"]
    row = {**task.example, "output_field": 2}
    for seed in RNG_SEEDS:
        sample = task.sample(row, random.Random(seed))
        assert sample is not None
        options = ec_guide.listed(sample.input_field)
        assert options is not None
        assert options[1][int(sample.output_field)].startswith("The product 1 is similar")  # type: ignore[arg-type]


def test_solved_problems_become_choices() -> None:
    task = all_tasks()["ec_guide_reasoning"]
    for seed in RNG_SEEDS:
        sample = task.sample(dict(task.example), random.Random(seed))
        assert sample is not None and "step" not in sample.input_field
        options = ec_guide.listed(sample.input_field)
        assert options is not None and options[1][int(sample.output_field)] == "12"  # type: ignore[arg-type]


@pytest.mark.parametrize("first", [0, 1])
def test_snippets_counted_from_0_or_1(first: int) -> None:
    snippets = ["fast", "hat", "loud", "wool", "leaks", "bag", "spout", "page"]
    shown = "\n".join(f"{number}. {text}" for number, text in enumerate(snippets, first))
    row = {
        "input_field": f"Select 3 snippets. Output three numbers, separated with comma.\nList:\n{shown}\nOutput:",
        "output_field": [first, first + 2, first + 6],
    }
    sample = ec_guide.selection(row, random.Random(1))
    assert sample is not None and isinstance(sample.output_field, tuple)
    options = ec_guide.listed(sample.input_field)
    assert options is not None
    assert {options[1][int(number)] for number in sample.output_field} == {"fast", "loud", "spout"}


def test_only_titles_are_translated_and_japanese_has_its_metric() -> None:
    sentence = {"input_field": "Translate this into German. Sentence: 'It rains.'", "output_field": "Es regnet."}
    assert ec_guide.title_translation(sentence, random.Random(0)) is None
    title = {"input_field": "Translate the product title 'Kettle' into Japanese.", "output_field": "やかん"}
    sample = ec_guide.title_translation({**title, "metric": "bleu"}, random.Random(0))
    assert sample is not None and sample.metric == "jp-bleu"


def test_a_type_is_the_same_text_in_whatever_words() -> None:
    questions = ("Explain the product type Brass Kettle", "Input: Tell me what the brass kettle is about \n")
    assert {ec_guide.explained_type({"input_field": text}) for text in questions} == {"brass kettle"}


def test_what_a_title_does_not_tell_cannot_be_inferred() -> None:
    answers = set()
    for seed in RNG_SEEDS:
        sample = ave.value_choice(ave.EXAMPLE, random.Random(seed))
        assert sample is not None and ave.UNKNOWN in sample.input_field
        right = next(
            line for line in sample.input_field.splitlines() if line.strip(" (").startswith(str(sample.output_field))
        )
        attribute = next(name for name in ("brand", "net content", "scent") if name in sample.input_field)
        assert (attribute == "scent") == right.endswith(ave.UNKNOWN)
        answers.add(attribute)
    assert len(answers) == 3


def test_totals_are_right() -> None:
    for seed in RNG_SEEDS:
        sample = ave.total(ave.EXAMPLE, random.Random(seed))
        assert sample is not None and "96 ounces" in sample.input_field
    assert ave.total({**ave.EXAMPLE, "input": "Tea, 16 oz"}, random.Random(0)) is None


def test_results_are_numbers_among_numbers() -> None:
    row = {"question": "What do 1,200 cups hold?", "answer": "1200 * 2 = 2400\n#### 2,400"}
    sample = gsm8k.problem(row, random.Random(0))
    assert sample is not None
    right = next(
        line for line in sample.input_field.splitlines()[1:] if line.strip(" (").startswith(str(sample.output_field))
    )
    assert right.endswith("2400")


def test_relations_of_queries() -> None:
    kinds = set()
    for seed in RNG_SEEDS:
        sample = query_lists.relation(query_lists.QUERIES_EXAMPLE, random.Random(seed))
        assert sample is not None and sample.task_type is TaskType.MULTIPLE_CHOICE
        line = next(
            text for text in sample.input_field.splitlines() if text.strip(" (").startswith(str(sample.output_field))
        )
        kinds.add(line.split()[-1].split(".")[-1])
    assert kinds >= {"complement", "irrelevant", "narrowing"}


def held_out_as_training(shared: Path, folder: Path) -> Path:
    """The held-out rows under the names of training files: the same schema, for the readers' sake only."""
    for origin in sorted((shared / "data/ecom_instruct").iterdir()):
        target = folder / "ecom_instruct" / origin.name
        target.mkdir(parents=True)
        (target / "meta-info.json").write_bytes((origin / "meta-info.json").read_bytes())
        (target / "train.jsonl").write_bytes((origin / "test.jsonl").read_bytes())
    return folder


@pytest.mark.slow
def test_chain_of_task_cuts_every_published_kind(shared: Path, tmp_path: Path) -> None:
    rows = list(ecominstruct.rows(SourceFolder(held_out_as_training(shared, tmp_path))))
    made = {}
    for task in ecominstruct.TASKS:
        built = [task.sample(row) for row in rows]
        made[task.name] = sum(sample is not None for sample in built)
    assert made["ecominstruct_task"] > 1200
    assert all(count > 80 for count in made.values()), made


def test_held_out_rows_of_ecominstruct_are_never_training_rows(shared: Path) -> None:
    with pytest.raises(MissingDataset, match=r"public release holds tests only.*your own rows") as caught:
        list(ecominstruct.rows(SourceFolder(shared / "data")))
    assert "\n" not in str(caught.value)


def test_a_users_own_folder_builds_the_recipe(tmp_path: Path) -> None:
    folder = tmp_path / "sources/ecom_instruct/Shop/tasks/EN-Shop-NER-mine"
    folder.mkdir(parents=True)
    meta = {**ecominstruct.EXTRACTION["meta"], "task": "EN-Shop-Condition_Extract-another"}
    (folder / "meta-info.json").write_text(json.dumps(meta))
    sentences = [f"A kettle number {number} of brass and tin by Ostavi ." for number in range(9)]
    spans = [{"term": term, "type": "Material"} for term in ("brass", "tin")] + [{"term": "Ostavi", "type": "Brand"}]
    rows = [{"sentences": list(text), "spans": spans if text[16] != "0" else []} for text in sentences]
    (folder / "train.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "test.json").write_text(json.dumps({"sentences": "held out", "spans": spans}))
    build(recipe_named("ecomgpt"), tmp_path / "sources", tmp_path / "out")
    made = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text(encoding="utf-8").splitlines()]
    full = {write(one["task_type"], one["output_field"]) for one in made if one["task_name"] == "ecominstruct_task"}
    assert full == {"Product: None\nMaterial: brass, tin\nBrand: Ostavi", "Product: None\nMaterial: None\nBrand: None"}
    assert not any("held out" in one["input_field"] for one in made)


def test_entities_are_answered_as_ecomgpts_own_code_writes_them(shared: Path) -> None:
    lines = (shared / "data/conformance/ecomgpt.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if "gold_texts" in case]
    assert cases
    for case in cases:
        labels, between = offered_labels(case["meta"]), separator(case["meta"])
        assert [entities_text(typed_spans(row), labels, between) for row in case["rows"]] == case["gold_texts"]


def test_a_folder_without_its_description_is_named(tmp_path: Path) -> None:
    (tmp_path / "ecom_instruct/some").mkdir(parents=True)
    (tmp_path / "ecom_instruct/some/train.jsonl").write_text(json.dumps({"sentences": "x"}) + "\n")
    with pytest.raises(SourceError, match=r"meta-info\.json: the task's description cannot be read .*; it belongs"):
        list(ecominstruct.rows(SourceFolder(tmp_path)))


def test_a_folder_of_any_name_needs_no_name_in_its_description(tmp_path: Path) -> None:
    folder = tmp_path / "ecom_instruct/my own"
    folder.mkdir(parents=True)
    meta = {name: value for name, value in ecominstruct.EXTRACTION["meta"].items() if name != "task"}
    (folder / "meta-info.json").write_text(json.dumps(meta))
    row = {name: ecominstruct.EXTRACTION[name] for name in ("sentences", "spans")}
    (folder / "train.jsonl").write_text(json.dumps(row) + "\n")
    task = next(one for one in ecominstruct.TASKS if one.name == "ecominstruct_task")
    samples = [task.sample(row) for row in task.rows(SourceFolder(tmp_path))]
    assert [sample and sample.output_field for sample in samples] == ["Product: kettle\nMaterial: brass\nBrand: None"]
    (folder / "meta-info.json").write_text("[]")
    with pytest.raises(SourceError, match="the task's description must be a JSON object"):
        list(task.rows(SourceFolder(tmp_path)))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_description_is_read_in_every_encoding_that_its_rows_are(encoding: str, tmp_path: Path) -> None:
    folder = tmp_path / "ecom_instruct/my own"
    folder.mkdir(parents=True)
    row = {"sentences": "一个铜水壶", "spans": [{"term": "铜", "type": "材料"}]}
    meta = {**ecominstruct.EXTRACTION["meta"], "label_set": ["材料"]}
    (folder / "meta-info.json").write_text(json.dumps(meta, ensure_ascii=False), encoding=encoding)
    (folder / "train.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding=encoding)
    (read,) = ecominstruct.rows(SourceFolder(tmp_path))
    assert (read["sentences"], read["meta"]["label_set"]) == (row["sentences"], ["材料"])


def test_attributes_with_several_values_are_compared_whole() -> None:
    row = {**ecominstruct.CLASSIFICATION, "sentences": "Item 1: pot, a#:#x#;#a#:#y\nItem 2: pan, a#:#y#;#a#:#x"}
    sample = ecominstruct.attribute_comparison(row, random.Random(0))
    assert sample is not None and sample.output_field == "yes"
