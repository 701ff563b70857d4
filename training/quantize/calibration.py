"""Calibration texts: questions with their answers, in the prompts of inference; some are held back for the check."""

from __future__ import annotations

from pathlib import Path

from shopbench.errors import UserError
from shopbench.naming import AnswerBy
from shopbench.prompts import Tokenizer, encode_prompt
from shopbench.sample import read_samples
from training.finetune.batches import answer_tokens

HELD = 6
"""Every sixth calibration text is held back for the perplexity."""


def calibration_ids(
    tokenizer: Tokenizer, path: Path, answer_by: AnswerBy = AnswerBy.NUMBER
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of every question with its answer: (for calibration, held back for the perplexity)."""
    texts = [
        [
            *encode_prompt(tokenizer, sample.task_type, sample.input_field),
            *answer_tokens(tokenizer, sample, answer_by),
        ]
        for sample in read_samples(path)
    ]
    held = texts[HELD - 1 :: HELD]
    if not held:
        raise UserError(f"{path}: {len(texts)} questions are too few; give at least {HELD} to calibrate and check")
    return [text for number, text in enumerate(texts, 1) if number % HELD], held
