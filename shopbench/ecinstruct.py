"""ECInstruct's rows as published (`NingLab/ECInstruct`): names of tasks and fields, and how a row becomes a question.

Used by training (training/data/sources) and by the benchmark (evaluation/suites/ecinstruct): the same
prompt in both.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

AVE = "Attribute_Value_Extraction"
PRP = "Product_Relation_Prediction"
PM = "Product_Matching"
SA = "Sentiment_Analysis"
SR = "Sequential_Recommendation"
MPC = "Multiclass_Product_Classification"
PSI = "Product_Substitute_Identification"
QPR = "Query_Product_Rank"
AP = "Answerability_Prediction"
AG = "Answer_Generation"
TASKS = {
    "AVE": AVE,
    "PRP": PRP,
    "PM": PM,
    "SA": SA,
    "SR": SR,
    "MPC": MPC,
    "PSI": PSI,
    "QPR": QPR,
    "AP": AP,
    "AG": AG,
}
"""The paper's short names and the file's."""
YES_NO_TASKS = ("PM", "PSI", "AP")
_SPELLINGS = {
    "queryproductranking": "QPR",
    "productsubstitueidentification": "PSI",
    "productrelationpredicition": "PRP",
} | {re.sub("[_ ]", "", task).lower(): short for short, task in TASKS.items()}
"""Short names by the file's spellings (and those of the published scripts), without underscores, in lower case."""
FIELDS = ("split", "task", "setting", "instruction", "input", "options", "output", "few_shot_example")
ESCI_GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
"""Gain of each ESCI label (exact, substitute, complement, irrelevant), as in ESCI's and ShopBench's own NDCG."""

Fields = Mapping[str, Any]


def short_name(task: str) -> str | None:
    """The paper's short name of a task as the file or a published script spells it; None of another."""
    return _SPELLINGS.get(re.sub(r"[_\s]", "", task).lower())


def value(text: str | None) -> Any:
    """A field as it is meant: parsed JSON, else a Python literal, else the text itself."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text or "")
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return text or ""


def render(row: Fields, example: Fields | str | None = None) -> str:
    """The question of a row as eCeLLM is asked: instruction, input and options, each as published.

    Args:
        example: another row (its input, options and output) or a text, shown between instruction and input
            (eCeLLM, appendix E.2).
    """
    parts = [row["instruction"].strip()]
    if example is not None:
        shown = example if isinstance(example, str) else f"{_given(example)}\nResponse: {example['output'].strip()}"
        parts += [f"Example:\n{shown.strip()}", "Now respond to this:"]
    return "\n".join([*parts, _given(row)])


def _given(row: Fields) -> str:
    given = f"Input: {row['input'].strip()}"
    return f"{given}\nOptions: {row['options'].strip()}" if row.get("options") else given
