"""EcomInstruct (Alibaba-NLP/EcomGPT, `data/ecom_instruct_v1`): its tasks, and Chain-of-Task.

The public release holds held-out tests (twelve by its README, in 13 folders) and no training rows, so what EcomGPT
trained on cannot be built from it. These tasks build from your own folders in its format, one a task under
`ecom_instruct/` (as described in shopbench/ecominstruct.py), with the training rows as `train*.jsonl` or `train*.json`,
one a line. `test.json` and `test.jsonl` are never read: they are held out for evaluation.

Entities with their types are answered as EcomGPT's own code writes them: a line for each type of the description, in
its order, the spans after it ("Brand: Ostavi, Orlune"), "None" where there are none. That is a text to be written;
spans alone are quoted. shopbench/question.py reads which of them a prompt asks for.

Chain-of-Task (EcomGPT, Li et al., AAAI 2024): atomic sub-tasks cut from each dataset, each a question of one type. An
extraction row gives span detection and the spans of one type (entities), typing of one span (multiple choice) and
detection of two or three types that occur (retrieval); a classification row the check of one label, a matching row of
two attribute lists the comparison of one attribute (yes or no, written).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from shopbench.ecominstruct import (
    Kind,
    entities_text,
    offered_labels,
    question,
    separator,
    truths,
    typed_spans,
)
from shopbench.errors import UserError
from shopbench.files import read_json
from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from shopbench.words import find_whole
from training.data.formats import (
    Dataset,
    DataTask,
    MissingDataset,
    Row,
    SourceError,
    SourceFolder,
    ToSample,
    make_sample,
)
from training.data.hashes import digest
from training.data.options import first_number, multiple_choice, retrieval, same_key
from training.data.small_files import json_rows, mixed
from training.data.wordings import ENDINGS, choice, written

DATASETS = (
    Dataset(
        "ecom_instruct",
        "not stated by its owner",
        place="GitHub Alibaba-NLP/EcomGPT: the folders of data/ecom_instruct_v1 are tests, for local_evaluation.py "
        "--benchmark ecominstruct; training rows are not public: put your own beside a meta-info.json, as train.jsonl",
    ),
)
LICENCE = DATASETS[0].licence
PLAIN, ATOMIC = "ecominstruct", "chain_of_task"

TEXT = "{request}\nText: {text}"
SPANS = (
    "Detect every entity in the text, whatever its type. Separate entities with commas.",
    "Which entities does the text name: products, brands, attributes or the like? List them as they stand there.",
)
OF_TYPE = (
    'Extract from the text the entities of the type "{type}".',
    'Which entities of the text are of the type "{type}"? List them as they stand there.',
)
TYPE_OF = (
    'What is the type of the entity "{term}" in the text?',
    'Assign one of the types below to "{term}" as the text uses it.',
)
TYPES_IN = (
    "Select {number} types that entities of the text have. Output {number} numbers, separated by commas.",
    "Of which of the types below does the text hold entities? Give {number} option numbers with commas between them.",
)
NUMBERS = {2: "two", 3: "three"}
"""How many types are asked for: what ShopBench's metric for retrieval reads of an answer."""
IS_IT = (
    'The question about the text is "{about}". Is "{label}" the right answer? Reply yes or no.',
    'In the task "{about}", does the label "{label}" hold for the text? Reply yes or no.',
)
SAME_VALUE = (
    'Do both items have the same value of the attribute "{attribute}"? Reply yes or no.',
    'Compare the attribute "{attribute}" of the two items: is it the same? Reply yes or no.',
)
_ATTRIBUTE = re.compile(r"([^#;,]+)#:#([^#;]+)")


def rows(sources: SourceFolder) -> Iterator[Row]:
    """Training rows of every folder, mixed, each with its folder's description under "meta"."""
    paths = sources.files("ecom_instruct/**/train*.jsonl", "ecom_instruct/**/train*.json")
    if not paths:
        raise MissingDataset(
            f"{sources}: no ecom_instruct/**/train*.jsonl; EcomInstruct's public release holds tests only, so put your "
            "own rows there in its format, a folder a task with meta-info.json and train.jsonl; on what is public: "
            "python -m training.data.download ecom_instruct"
        )
    found: list[Row] = []
    for path in paths:
        about = Path(path).with_name("meta-info.json")
        try:
            meta = read_json(about, "the task's description", f"it belongs beside {path}")
        except UserError as error:
            raise SourceError(str(error)) from None
        # One description of the release has the name of another task, and your own may have none.
        if Kind.of_task(about.parent.name) or not isinstance(meta.get("task"), str):
            meta["task"] = about.parent.name
        found += [{**row, "meta": meta} for row in json_rows([path], "sentences")]
    yield from mixed(map(_joined, found))


def _joined(row: Row) -> Row:
    """The row with its sentences as one text: the release has lists of them, too."""
    sentences = row.get("sentences")
    return {**row, "sentences": "".join(sentences)} if isinstance(sentences, list) else row


def label_set(row: Row) -> list[str]:
    """The labels that the prompt offers."""
    return offered_labels(row["meta"])


def full(row: Row, rng: random.Random) -> Sample | None:
    """The task as EcomGPT is asked it."""
    try:
        filled = question(row["meta"], row["sentences"])
    except ValueError:  # a folder without a prompt
        return None
    filled, labels = filled.strip(), label_set(row)
    spans, kind = typed_spans(row), Kind.of_task(row["meta"]["task"])
    typed = kind is Kind.ENTITIES or (kind is None and bool(spans))
    asked = Question.read(filled, False)
    if asked.task_type is TaskType.NER:
        return None if typed else _quoted(filled, truths(row["meta"], row), asked)
    between = separator(row["meta"])
    answer = entities_text(spans, labels, between) if typed else between.join(truths(row["meta"], row))
    return make_sample(filled, answer.strip(), TaskType.GENERATION, _text_metric(answer)) if answer.strip() else None


def _text_metric(answer: str) -> str:
    """ShopBench's metric for a written answer: ROUGE-L sees nothing but a-z and 0-9, so others go by their meaning."""
    letters, seen = re.findall(r"[^\W_]", answer), re.findall("[a-z0-9]", answer, re.IGNORECASE)
    return "rougel" if seen and len(seen) >= 0.8 * len(letters) else "multilingual-sent-transformer"


def _quoted(asked: str, spans: Sequence[str], read: Question | None = None) -> Sample | None:
    """A sample whose answer is quoted; None if a span is no whole words of the text that is quoted from, or holds a
    comma, where the evaluator would read two spans."""
    source = (read or Question.read(asked, False)).source
    found = tuple({span.lower().strip(): span.strip() for span in spans}.values())
    if not found or any("," in span or "\n" in span or not find_whole(span, source) for span in found):
        return None
    return make_sample(asked, found, TaskType.NER, "micro f1")


def _request(row: Row, rng: random.Random, wordings: Sequence[str], **values: str) -> str:
    return TEXT.format(request=rng.choice(wordings).format(**values), text=row["sentences"].strip())


def span_detection(row: Row, rng: random.Random) -> Sample | None:
    """Every span, without its type."""
    spans = list(dict.fromkeys(term for term, _ in typed_spans(row)))
    return _quoted(_request(row, rng, SPANS) + rng.choice(ENDINGS), spans)


def spans_of_type(row: Row, rng: random.Random) -> Sample | None:
    """The spans of one type that occurs."""
    spans = typed_spans(row)
    if not spans:
        return None
    kind = rng.choice(sorted({kind for _, kind in spans}))
    asked = _request(row, rng, OF_TYPE, type=kind) + rng.choice(ENDINGS)
    return _quoted(asked, [term for term, of in spans if of == kind])


def span_typing(row: Row, rng: random.Random) -> Sample | None:
    """The type of one span, among all types of the description or nine of them."""
    spans = typed_spans(row)
    if not spans:
        return None
    term, kind = rng.choice(spans)
    labels = label_set(row) or sorted({kind for _, kind in spans})
    own = {of for other, of in spans if other == term}
    wrong = [label for label in labels if label not in own]
    if kind not in labels or not wrong:
        return None
    shown = multiple_choice(kind, wrong, rng, count=min(len(wrong) + 1, 9), first=first_number(rng))
    return choice(rng, _request(row, rng, TYPE_OF, term=term), shown)


def type_detection(row: Row, rng: random.Random) -> Sample | None:
    """Two or three types that occur, among at most ten; None where but one does, or no other could."""
    labels, kinds = label_set(row), {kind for _, kind in typed_spans(row)}
    found = [label for label in labels if label in kinds]
    absent = [label for label in labels if label not in kinds]
    found = rng.sample(found, min(len(found), max(NUMBERS)))
    shown = retrieval(found, absent, rng, count=10, least=len(found) + 1)
    if shown is None or len(found) not in NUMBERS:
        return None
    asked = f"{_request(row, rng, TYPES_IN, number=NUMBERS[len(found)])}\nTypes:\n{shown.text}{rng.choice(ENDINGS)}"
    return make_sample(asked, shown.truth, TaskType.RETRIEVAL, "hit rate@3")


def label_check(row: Row, rng: random.Random) -> Sample | None:
    """Whether one label holds, as often one that does as one that does not."""
    right = truths(row["meta"], row) if "labels" in row else []
    wrong = [label for label in label_set(row) if label not in right]
    if not right or not wrong:
        return None
    holds = rng.random() < 0.5
    asked = _request(row, rng, IS_IT, about=subject(row["meta"]), label=rng.choice(right if holds else wrong))
    return written(rng, asked, "yes" if holds else "no", "rougel")


def subject(meta: Row) -> str:
    """What a task is about: as its description says, else the last part of its name.

    >>> subject({"task": "ZH-Shop-CLS-item_match"}), subject({"defi": "product item match", "task": "x"})
    ('item match', 'product item match')
    """
    return str(meta.get("defi") or meta["task"].rpartition("-")[2].replace("_", " "))


def attributes(text: str) -> dict[str, set[str]]:
    """The values of each attribute in a text of `name#:#value#;#name#:#value`; a name may occur again."""
    found: dict[str, set[str]] = {}
    for name, value in _ATTRIBUTE.findall(text.replace("#;#", ";")):
        found.setdefault(name.strip(), set()).add(same_key(value))
    return found


def attribute_comparison(row: Row, rng: random.Random) -> Sample | None:
    """Whether two items agree in one attribute that both lists name."""
    first, _, second = row["sentences"].partition("\nItem 2:")
    if not second:
        return None
    one, other = attributes(first), attributes(second)
    shared = sorted(set(one) & set(other))
    if not shared:
        return None
    attribute = rng.choice(shared)
    answer = "yes" if one[attribute] == other[attribute] else "no"
    return written(rng, _request(row, rng, SAME_VALUE, attribute=attribute), answer, "rougel")


def row_id(row: Row) -> str:
    """Identity of a row: its task and sentences."""
    return digest(row["meta"]["task"], row["sentences"])


def sentences(row: Row) -> str:
    """What splits go by."""
    return same_key(row["sentences"])


EXTRACTION: Row = {
    "meta": {
        "task": "EN-Example-NER",
        "label_set": {"en": ["Product", "Material", "Brand"]},
        "label_key": "en",
        "label_sep": ", ",
        "test_prompt": {"instruction": "### Instruction:\n{sentences}\nName the {label_set} in it.\n### Response:"},
    },
    "sentences": "An old kettle of brass stands there .",
    "spans": [{"term": "kettle", "type": "Product"}, {"term": "brass", "type": "Material"}],
}
CLASSIFICATION: Row = {
    "meta": {**EXTRACTION["meta"], "label_set": {"en": ["match", "not match"]}},
    "sentences": "Item 1: kettle, 颜色#:#red#;#材质#:#brass,\nItem 2: pot, 颜色#:#red#;#产地#:#here",
    "labels": {"en": ["not match"]},
}


def _task(name: str, build: ToSample, example: Row, tag: str) -> DataTask:
    return DataTask(
        name=name,
        rows=rows,
        to_sample=build,
        example=example,
        row_id=row_id,
        licence=LICENCE,
        shareable=False,
        domain="concepts",
        tags=(tag,),
        group=sentences,
    )


TASKS = (
    _task("chain_attribute_comparison", attribute_comparison, CLASSIFICATION, ATOMIC),
    _task("chain_label_check", label_check, CLASSIFICATION, ATOMIC),
    _task("chain_span_detection", span_detection, EXTRACTION, ATOMIC),
    _task("chain_span_typing", span_typing, EXTRACTION, ATOMIC),
    _task("chain_spans_of_type", spans_of_type, EXTRACTION, ATOMIC),
    _task("chain_type_detection", type_detection, EXTRACTION, ATOMIC),
    _task("ecominstruct_task", full, EXTRACTION, PLAIN),
)
