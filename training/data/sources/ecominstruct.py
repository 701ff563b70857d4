"""EcomInstruct (Alibaba-NLP/EcomGPT, `data/ecom_instruct_v1`): its tasks, and Chain-of-Task.

The public release holds the held-out tests of twelve tasks and no training rows, so what EcomGPT trained on cannot be
built from it. These tasks build from your own folders in its format, one a task under `ecom_instruct/` (as described in
shopbench/ecominstruct.py), with the training rows as `train*.jsonl` or `train*.json`, one a line. `test.json` and
`test.jsonl` are never read: they are held out for evaluation.

Entities with their types are answered as EcomGPT's own code writes them: a line for each type of the description, in
its order, the spans after it ("Brand: Ostavi, Orlune"), "None" where there are none.

Chain-of-Task (EcomGPT, Li et al., AAAI 2024): atomic sub-tasks cut from each dataset. An extraction row gives span
detection, typing of one span, detection of the types there are, and the spans of one type; a classification row the
check of one label; a matching row of two attribute lists the comparison of one attribute.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from shopbench import answers
from shopbench.ecominstruct import (
    SEPARATOR,
    Kind,
    entities_text,
    offered_labels,
    question,
    separator,
    truths,
    typed_spans,
)
from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TaskType
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
from training.data.options import same_key
from training.data.small_files import json_rows, mixed

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

SPANS = (
    "Detect every entity in the sentence, whatever its type.",
    "Which spans of the text name a product, a brand, an attribute or the like? List them.",
)
TYPE_OF = (
    'What is the type of the entity "{term}" in the sentence? Candidates: {labels}.',
    'Assign one of these types to "{term}" as the text uses it: {labels}.',
)
TYPES_IN = (
    "Which of these types of entities occur in the sentence? Candidates: {labels}.",
    "Name the attributes that the text says something about. Candidates: {labels}.",
)
OF_TYPE = (
    'Extract from the sentence what belongs to the type "{type}".',
    'Which spans of the text are of the type "{type}"?',
)
IS_IT = (
    'Is "{label}" the right category of the text? Reply yes or no.',
    'Does the label "{label}" hold for the text? Reply yes or no.',
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
            meta = json.loads(about.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(f"{about}: cannot be read ({error}); it belongs beside {path}") from None
        if not isinstance(meta, dict):
            raise SourceError(f"{about}: is no description of a task; it must be a JSON object")
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
    spans, kind = typed_spans(row), Kind.of_task(row["meta"]["task"])
    if kind is Kind.ENTITIES or (kind is None and spans):
        answer = entities_text(spans, label_set(row), separator(row["meta"]))
    else:
        answer = separator(row["meta"]).join(truths(row["meta"], row))
    return _sample(filled, answer) if answer else None


def _sample(asked: str, answer: str) -> Sample | None:
    """A sample of the type that the question reads as (entities or text): the prompt is then the same in use.

    None if the answer, read as entities and written again, is not the same text.
    """
    if Question.read(asked, False).task_type is not TaskType.NER:
        return make_sample(asked.strip(), answer.strip(), TaskType.GENERATION, "rougel")
    parts = answers.parse(TaskType.NER, answer)
    if not isinstance(parts, list) or answers.write(TaskType.NER, parts) != answer:
        return None
    return make_sample(asked.strip(), tuple(map(str, parts)), TaskType.NER, "micro f1")


def _asked(row: Row, request: str, *found: str) -> Sample | None:
    return _sample(f"### Instruction:\n{row['sentences']}\n{request}\n### Response:", SEPARATOR.join(found))


def span_detection(row: Row, rng: random.Random) -> Sample | None:
    """Every span, without its type."""
    spans = list(dict.fromkeys(term for term, _ in typed_spans(row)))
    return _asked(row, rng.choice(SPANS), *spans) if spans else None


def span_typing(row: Row, rng: random.Random) -> Sample | None:
    """The type of one span."""
    spans = typed_spans(row)
    if not spans:
        return None
    term, kind = rng.choice(spans)
    labels = label_set(row) or sorted({kind for _, kind in spans})
    request = rng.choice(TYPE_OF).format(term=term, labels=", ".join(labels))
    return _asked(row, request, kind) if kind in labels else None


def type_detection(row: Row, rng: random.Random) -> Sample | None:
    """The types that occur, in the order of the candidates."""
    kinds, labels = {kind for _, kind in typed_spans(row)}, label_set(row)
    found = [label for label in labels if label in kinds]
    request = rng.choice(TYPES_IN).format(labels=", ".join(labels))
    return _asked(row, request, *found) if found else None


def spans_of_type(row: Row, rng: random.Random) -> Sample | None:
    """The spans of one type; "none" for one that does not occur, in one question of six."""
    spans = typed_spans(row)
    if not spans:
        return None
    kinds = sorted({kind for _, kind in spans})
    absent = [label for label in label_set(row) if label not in kinds]
    kind = rng.choice(absent) if absent and rng.random() < 1 / 6 else rng.choice(kinds)
    found = [term for term, of in spans if of == kind] or ["none"]
    return _asked(row, rng.choice(OF_TYPE).format(type=kind), *found)


def label_check(row: Row, rng: random.Random) -> Sample | None:
    """Whether one label holds, as often one that does as one that does not."""
    right = truths(row["meta"], row) if "labels" in row else []
    wrong = [label for label in label_set(row) if label not in right]
    if not right or not wrong:
        return None
    holds = rng.random() < 0.5
    label = rng.choice(right if holds else wrong)
    return _asked(row, rng.choice(IS_IT).format(label=label), "yes" if holds else "no")


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
    request = rng.choice(SAME_VALUE).format(attribute=attribute)
    return _asked(row, request, answer)


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
