"""EcomInstruct's tasks and the atomic ones: each of one type, whose answer can be given and scored, in any wording."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from models.spaces.quoted_spans import QuotedSpans
from shopbench.answers import write
from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.catalogue import all_tasks
from training.data.formats import Row
from training.data.sources import ecominstruct

from .test_table7 import law

LABELS = ["Product", "Material", "Brand", "Colour"]
CHINESE = ["商品", "材质", "品牌", "颜色", "风格"]


def row(text: str, spans: dict[str, str], labels: list[str], task: str = "EN-Shop-NER-mine", ask: str = "") -> Row:
    meta = {
        "task": task,
        "label_set": labels,
        "test_prompt": {"instruction": f"### Instruction:\n{{sentences}}\n{ask}\n### Response:"},
    }
    return {"meta": meta, "sentences": text, "spans": [{"term": term, "type": kind} for term, kind in spans.items()]}


EXTRACTION = (
    row("A kettle of brass by Ostavi .", {"kettle": "Product", "brass": "Material", "Ostavi": "Brand"}, LABELS),
    row("The entity 'Ostavi' makes tin pots ; 1. in red 2. in blue .", {"Ostavi": "Brand", "tin": "Material"}, LABELS),
    row("黑色网布拼接的水壶", {"黑色": "颜色", "网布": "材质"}, CHINESE),
)
MATCH = ("match", "not match")
MATCHING = tuple(
    {
        "meta": {"task": "ZH-Shop-CLS-item_match", "defi": about, "label_set": {"en": MATCH}, "label_key": "en"},
        "sentences": text,
        "labels": {"en": ["not match"]},
    }
    for about, text in (
        ("title entity match", "Item 1: kettle, 颜色#:#red#;#材质#:#brass,\nItem 2: pot, 颜色#:#red#;#材质#:#tin"),
        ("", "Item 1: find the title, a#:#x#;#b#:#y\nItem 2: query, a#:#y#;#b#:#y"),
    )
)
TYPES = {
    "chain_attribute_comparison": (TaskType.GENERATION, "rougel"),
    "chain_label_check": (TaskType.GENERATION, "rougel"),
    "chain_span_detection": (TaskType.NER, "micro f1"),
    "chain_span_typing": (TaskType.MULTIPLE_CHOICE, "accuracy"),
    "chain_spans_of_type": (TaskType.NER, "micro f1"),
    "chain_type_detection": (TaskType.RETRIEVAL, "hit rate@3"),
}


def made(task: str) -> Iterator[Sample]:
    """What every row gives in sixty draws: every wording, ending and mark of options."""
    rows = EXTRACTION if TYPES[task][0] in (TaskType.NER, TaskType.MULTIPLE_CHOICE, TaskType.RETRIEVAL) else MATCHING
    for one in rows:
        samples = [all_tasks()[task].sample(one, random.Random(seed)) for seed in range(60)]
        assert all(samples)
        yield from filter(None, samples)


@pytest.mark.parametrize("task", TYPES)
def test_an_atomic_task_is_of_one_type_in_every_wording(task: str) -> None:
    for sample in made(task):
        assert (sample.task_type, sample.metric) == TYPES[task]
        law(sample)
        if sample.task_type is TaskType.NER:
            answer = write(sample.task_type, sample.output_field)
            assert QuotedSpans(Question.read(sample.input_field, False).source, 64).finish(answer) == answer


def test_all_wordings_are_drawn() -> None:
    wordings = (*ecominstruct.SPANS, *ecominstruct.OF_TYPE, *ecominstruct.TYPE_OF, *ecominstruct.TYPES_IN)
    text = "\n".join(sample.input_field for task in TYPES for sample in made(task))
    for wording in (*wordings, *ecominstruct.IS_IT, *ecominstruct.SAME_VALUE):
        assert max(wording.replace("}", "{").split("{"), key=len) in text


def test_the_type_of_a_span_is_chosen_among_types_that_it_has_not() -> None:
    one = row("red brass in red", {"brass": "Material"}, LABELS)
    one["spans"] += [{"term": "brass", "type": "Colour"}]
    for seed in range(30):
        sample = ecominstruct.span_typing(one, random.Random(seed))
        assert sample is not None
        options = [option.text for option in Question.read(sample.input_field, True).options]
        assert len(options) == 3 and {"Product", "Brand"} < set(options)


def test_what_occurs_once_or_always_is_no_question_of_types() -> None:
    assert ecominstruct.type_detection(row("brass", {"brass": "Material"}, LABELS), random.Random(0)) is None
    spans = dict(zip(("a1", "b2"), LABELS[:2], strict=True))
    assert ecominstruct.type_detection(row("a1 b2", spans, LABELS[:2]), random.Random(0)) is None
    spans = dict(zip(("a1", "b2", "c3", "d4"), LABELS, strict=True))
    sample = ecominstruct.type_detection(row("a1 b2 c3 d4", spans, [*LABELS, "Size"]), random.Random(0))
    assert sample is not None and len(sample.output_field) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("term", ["tin", "brass, tin", "ras"])
def test_a_span_that_cannot_be_quoted_is_no_answer(term: str) -> None:
    assert ecominstruct.span_detection(row("A kettle of brass", {term: "Material"}, LABELS), random.Random(0)) is None


def test_a_label_check_says_what_the_label_is_about() -> None:
    for sample in made("chain_label_check"):
        assert '"title entity match"' in sample.input_field or '"item match"' in sample.input_field


@pytest.mark.parametrize(
    ("ask", "task", "expected"),
    [
        ("Detect all named entity about {label_set} in it.", "EN-Shop-Condition_Extract-mine", ("brass", "Ostavi")),
        (
            "Extract all named entity with type about {label_set} in it.",
            "EN-Shop-NER-mine",
            "Product: None\nMaterial: brass\nBrand: Ostavi\nColour: None",
        ),
        (
            "Extract all named entity: {label_set}.",
            "EN-Shop-NER-mine",
            None,
        ),  # read as to be quoted, answered with types
        ("Write what is said.", "EN-Shop-Generate-mine", "brass, Ostavi"),
    ],
)
def test_a_task_is_quoted_or_written_as_its_prompt_reads(
    ask: str, task: str, expected: str | tuple[str, ...] | None
) -> None:
    one = row("All of brass by Ostavi .", {"brass": "Material", "Ostavi": "Brand"}, LABELS, task, ask)
    sample = ecominstruct.full(one, random.Random(0))
    assert (sample and sample.output_field) == expected
    if sample:
        law(sample)


@pytest.mark.parametrize(
    ("title", "metric"),
    [("Brass Kettle, 2 l", "rougel"), ("黄铜水壶", "multilingual-sent-transformer"), ("латунный чайник", None)],
)
def test_rouge_is_no_metric_for_what_it_cannot_read(title: str, metric: str | None) -> None:
    one = row("颜色#:#red", {title: ""}, [], "ZH-Shop-Generate-title", "Write a title.")
    sample = ecominstruct.full(one, random.Random(0))
    assert sample is not None and sample.metric == (metric or "multilingual-sent-transformer")
