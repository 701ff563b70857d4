"""What a folder of EcomInstruct says (Alibaba-NLP/EcomGPT, `data/ecom_instruct_v1`): its training rows and its tests.

`meta-info.json`: task, defi, label_set by language or level, label_key, label_sep, test_prompt.instruction with
{sentences} and {label_set}. Rows: sentences, with labels {key: [label, ...]} (classification, matching) or spans
[{term, type, start, end}] (extraction; generation where start is end).
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

SEPARATOR = ", "
NER = "NER"
KINDS = ("CLS", "Condition_Extract", "Extract", "Generate", NER)
"""The kinds of tasks, as the third part of their names has them; an answer to NER names the types of its spans."""


def separator(meta: Fields) -> str:
    """What stands between the labels of a prompt and between the parts of an answer."""
    return str(meta.get("label_sep") or SEPARATOR)


def offered_labels(meta: Fields) -> list[str]:
    """The labels that the prompt offers."""
    offered = meta.get("label_set") or {}
    labels: list[str] = offered.get(meta.get("label_key", ""), []) if isinstance(offered, dict) else offered
    return [str(label) for label in labels if label]


def question(meta: Fields, sentences: str) -> str:
    """The prompt of the description around a row's sentences; a ValueError if the description has none."""
    prompts = meta.get("test_prompt")
    prompt = prompts.get("instruction") if isinstance(prompts, dict) else None
    if not isinstance(prompt, str) or "{sentences}" not in prompt:
        raise ValueError("test_prompt.instruction must be a text with {sentences} in it")
    # The labels first: sentences are data, and "{label_set}" inside them stays as it is.
    return prompt.replace("{label_set}", separator(meta).join(offered_labels(meta))).replace("{sentences}", sentences)


def truths(meta: Fields, row: Fields) -> list[str]:
    """What the row's answer consists of: its labels, or its spans' texts, each once."""
    if "labels" in row:
        return [str(label) for label in row["labels"].get(meta.get("label_key", ""), [])]
    return list(dict.fromkeys(span["term"] for span in row.get("spans", []) if span.get("term")))


def typed_spans(row: Fields) -> list[tuple[str, str]]:
    """(term, type) of an extraction row; empty for any other row."""
    spans = [(span.get("term"), span.get("type")) for span in row.get("spans") or []]
    return list(dict.fromkeys((term, kind) for term, kind in spans if term and kind))


def kind_of_task(*names: str) -> str | None:
    """The kind that the first of these names has (EN-Lenovo-NER-NER: NER); None if none has one.

    Give the name of the folder before that in the description: the public release has one with another task's name.
    """
    parts = (part for name in names for part in name.split("-")[2:3])
    return next((part for part in parts if part in KINDS), None)


def asks_types(kind: str | None, row: Fields) -> bool:
    """Whether a row of a task of this kind wants its spans by type; where no name says so, its spans do."""
    return kind == NER or (kind is None and bool(typed_spans(row)))


def typed_answer(meta: Fields, row: Fields) -> str:
    """An entity answer as the authors write it: a line for each type that is offered, "None" where it has no span.

    >>> spans = [{"term": "kettle", "type": "Product"}, {"term": "pot", "type": "Product"}]
    >>> typed_answer({"label_set": ["Brand", "Product"]}, {"spans": spans})
    'Brand: None\\nProduct: kettle, pot'
    """
    spans = typed_spans(row)
    kinds = offered_labels(meta) or list(dict.fromkeys(kind for _, kind in spans))
    lines = [(kind, [term for term, its_kind in spans if its_kind == kind]) for kind in kinds]
    return "\n".join(f"{kind}: {separator(meta).join(terms or ['None'])}" for kind, terms in lines)
