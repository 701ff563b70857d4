"""The tokenizer of a folder of weights."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.weights import WeightsError
from shopbench.imports import quick_imports


@lru_cache(maxsize=4)
def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a weights folder, a WeightsError if there is none for chats.

    Nothing is downloaded and no code of the folder is run.
    """
    for name, value in {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
        os.environ.setdefault(name, value)
    from jinja2 import TemplateError

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
    try:
        chat = [{"role": role, "content": "a"} for role in ("system", "user")]
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        raise WeightsError(
            f"{folder}: its chat template takes no system line and question ({error}); mend the template"
        ) from None
    return tokenizer
