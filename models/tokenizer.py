"""The tokenizer of a folder of weights."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.weights import WeightsError
from shopbench.errors import UserError
from shopbench.tokenizers import read_tokenizer, template_problem


@lru_cache(maxsize=4)
def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a weights folder, a WeightsError if there is none for chats.

    Nothing is downloaded and no code of the folder is run.
    """
    for name, value in {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
        os.environ.setdefault(name, value)
    try:
        tokenizer = read_tokenizer(folder)
    except UserError as error:
        raise WeightsError(str(error)) from None
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise WeightsError(f"{folder}: its tokenizer has no chat template or end token; an instruct model is wanted")
    if problem := template_problem(tokenizer):
        raise WeightsError(f"{folder}: its chat template {problem}; mend the template")
    return tokenizer
