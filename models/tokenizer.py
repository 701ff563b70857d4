"""The tokenizer of a folder of weights."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.weights import WeightsError
from shopbench.imports import quick_imports
from shopbench.prompts import template_problem


@lru_cache(maxsize=4)
def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a weights folder, a WeightsError if there is none for chats.

    Nothing is downloaded and no code of the folder is run.
    """
    for name, value in {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
        os.environ.setdefault(name, value)
    with quick_imports():
        from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise WeightsError(f"{folder}: its tokenizer cannot be loaded ({reason}); copy its files again") from None
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise WeightsError(f"{folder}: its tokenizer has no chat template or end token; an instruct model is wanted")
    if problem := template_problem(tokenizer):
        raise WeightsError(f"{folder}: its chat template {problem}; mend the template")
    return tokenizer
