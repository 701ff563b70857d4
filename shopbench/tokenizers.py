"""Reading the tokenizer of a folder, for serving and training alike: nothing is downloaded, no code of it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.imports import quick_imports
from shopbench.prompts import Tokenizer, chat_frame


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder, whether or not it is one for chats; UserError if it cannot be loaded."""
    with quick_imports():
        from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise UserError(f"{folder}: its tokenizer cannot be loaded ({reason}); copy its files again") from None


def template_problem(tokenizer: Tokenizer) -> str | None:
    """Why a tokenizer's chat template cannot frame a question; None if it can."""
    from jinja2 import TemplateError  # what templates raise: some refuse a system line

    try:
        chat_frame(tokenizer, "A system line.")
    except TemplateError as error:
        return f"takes no system line and question ({error})"
    except ValueError:  # from `split`
        return "does not show a question once, as it is"
    return None
