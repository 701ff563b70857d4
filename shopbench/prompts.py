"""The one renderer of questions, used by inference and by training alike.

A question becomes a system line (prompts/<task type>.txt: who the assistant is and which of the five task
types this is, as in the winning solution) and a user message (the question, stripped, without blanks before
line ends), in the chat template of the tokenizer at hand.

Questions are untrusted: the template is rendered once around a placeholder, and the question's own tokens
are made with special tokens switched off, so "<|im_end|>" inside a question stays eight plain characters.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any

from shopbench.files import ROOT
from shopbench.tasks import TaskType

PROMPTS = ROOT / "prompts"
_PLACEHOLDER = "QUESTION-GOES-HERE"

Tokenizer = Any
"""A Hugging Face tokenizer (typed loosely: this package imports only the standard library)."""


@lru_cache
def system_line(task_type: TaskType) -> str:
    """What the system message says for this task type."""
    return (PROMPTS / f"{task_type}.txt").read_text(encoding="utf-8").strip()


def clean(question: str) -> str:
    """The question as it is shown: stripped, no blanks before line ends, lone surrogates and NULs replaced."""
    text = question.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    # Looking back keeps a megabyte of blanks from being tried from each of them.
    return re.sub(r"(?<![ \t\r])[ \t\r]+\n", "\n", text).strip()


def messages(task_type: TaskType, question: str) -> list[dict[str, str]]:
    """The chat of one question, as role/content messages."""
    return [
        {"role": "system", "content": system_line(task_type)},
        {"role": "user", "content": clean(question)},
    ]


def chat_frame(tokenizer: Tokenizer, system: str) -> tuple[list[int], list[int]]:
    """The token ids before and after a user message: the chat template with this system line around nothing."""
    cache = tokenizer.__dict__.setdefault("_shopbench_frames", {})
    if system not in cache:
        chat = [{"role": "system", "content": system}, {"role": "user", "content": _PLACEHOLDER}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        before, after = text.split(_PLACEHOLDER)
        cache[system] = tuple(tokenizer.encode(part, add_special_tokens=False) for part in (before, after))
    return cache[system]


def prompt_frame(tokenizer: Tokenizer, task_type: TaskType) -> tuple[list[int], list[int]]:
    """The token ids before and after a question of this task type."""
    return chat_frame(tokenizer, system_line(task_type))


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of untrusted text: what looks like a special token stays text."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def encode_chat(tokenizer: Tokenizer, system: str, user: str) -> list[int]:
    """Token ids of a chat of a system line (ours) and a user message (untrusted), ready for the answer's first."""
    before, after = chat_frame(tokenizer, system)
    return [*before, *encode_text(tokenizer, clean(user)), *after]


def encode_prompt(tokenizer: Tokenizer, task_type: TaskType, question: str) -> list[int]:
    """Token ids of a question's whole prompt, ready for the answer's first token."""
    return encode_chat(tokenizer, system_line(task_type), question)


def encode_answer(tokenizer: Tokenizer, answer: str) -> list[int]:
    """Token ids of an answer with the end-of-turn token that closes it."""
    return [*encode_text(tokenizer, answer.strip()), tokenizer.eos_token_id]


@lru_cache
def prompt_hash() -> str:
    """SHA-256 over the wording of all prompts: weights trained with other wording carry another hash."""
    digest = hashlib.sha256()
    for task_type in TaskType:
        digest.update(f"{task_type}\n{system_line(task_type)}\n".encode())
    return digest.hexdigest()
