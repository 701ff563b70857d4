"""What a sample must pass to be taken: its length, its type as a reader finds it, no evaluation data, no repeat."""

from __future__ import annotations

from functools import lru_cache

from shopbench import answers
from shopbench.question import Question
from shopbench.sample import Sample, read_samples
from training.data.build.decontaminate import Excluded
from training.data.build.near import NearDuplicates
from training.data.hashes import digest
from training.data.options import same_key

PROMPT_TOKENS = 45
"""System line and chat template around a question, about."""


def estimated_tokens(sample: Sample) -> int:
    """Tokens of prompt and answer, estimated: four ASCII characters each, any other character alone."""
    text = sample.input_field + answers.write(sample.task_type, sample.output_field)
    plain = sum(map(str.isascii, text))
    return PROMPT_TOKENS + plain // 4 + (len(text) - plain)


class Checks:
    """The checks of one task's samples; remembers those taken.

    Args:
        max_tokens: of prompt and answer, estimated.
        exclude: evaluation files, whose questions and texts may not be trained on.
    """

    def __init__(self, max_tokens: int, exclude: tuple[str, ...]) -> None:
        self._max_tokens = max_tokens
        self._excluded = _excluded(exclude)
        self._questions: set[str] = set()
        self._near = NearDuplicates()

    def problem(self, sample: Sample) -> str | None:
        """Why a sample is not taken, or None."""
        if estimated_tokens(sample) > self._max_tokens:
            return "too long"
        if Question.read(sample.input_field, sample.is_multiple_choice).task_type is not sample.task_type:
            return "reads as another task type"
        if overlap := self._excluded.overlap(sample.input_field):
            return f"in evaluation data: {overlap}"
        key = digest(same_key(sample.input_field))
        if key in self._questions:
            return "repeat"
        if self._near.has(sample):
            return "near repeat"
        self._questions.add(key)
        return None


@lru_cache
def _excluded(paths: tuple[str, ...]) -> Excluded:
    return Excluded.of(sample.input_field for path in paths for sample in read_samples(path))
