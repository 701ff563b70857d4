"""What a folder of EcomInstruct says (Alibaba-NLP/EcomGPT, `data/ecom_instruct_v1`): its training rows and its tests.

`meta-info.json`: task, defi, label_set by language or level, label_key, label_sep, test_prompt.instruction with
{sentences} and {label_set}. Rows: sentences, with labels {key: [label, ...]} (classification, matching) or spans
[{term, type, start, end}] (extraction; generation where start is end).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

Fields = dict[str, Any]

SEPARATOR = ", "
NO_SPAN = "None"
"""What stands for the spans of a type that has none."""


class Kind(StrEnum):
    """The kinds of tasks, spelled as in the third part of a folder's name (EN-Lenovo-NER-NER)."""

    CLASSIFICATION = "CLS"
    SPANS = "Condition_Extract"
    QUOTATION = "Extract"
    ENTITIES = "NER"
    TEXT = "Generate"

    @classmethod
    def of_task(cls, name: str) -> Kind | None:
        """The kind that a task's name says; None if it says none."""
        return next((cls(part) for part in name.split("-")[2:3] if part in list(cls)), None)


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
    return list(dict.fromkeys(span["term"] for span in row.get("spans") or [] if span.get("term")))


def typed_spans(row: Fields) -> list[tuple[str, str]]:
    """(term, type) of an extraction row; empty for any other row."""
    spans = [(span.get("term"), span.get("type")) for span in row.get("spans") or []]
    return list(dict.fromkeys((term, kind) for term, kind in spans if term and kind))


def entities_text(spans: Iterable[Sequence[str]], labels: Sequence[str], separator: str = SEPARATOR) -> str:
    """The answer of an entity task, of (term, type) pairs: a line for each label, also "Type: None".

    Spans of other types are left out, as in the published reference texts.

    >>> entities_text([("lego", "Brand"), ("ty", "Brand")], ["Brand", "Product"])
    'Brand: lego, ty\\nProduct: None'
    """
    found: dict[str, list[str]] = {label: [] for label in labels}
    for term, kind in spans:
        if kind in found:
            found[kind].append(term)
    return "\n".join(f"{label}: {separator.join(found[label] or [NO_SPAN])}" for label in labels)
