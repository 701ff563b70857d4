"""What the evaluator calls, as the starter kit defines it."""

from __future__ import annotations

from typing import Any


class ShopBenchBaseModel:
    """The interface of a competition model; subclasses answer in both methods."""

    def get_batch_size(self) -> int:
        """How many questions the evaluator may hand over at once: 1 to 16."""
        raise NotImplementedError

    def batch_predict(self, batch: dict[str, Any], is_multiple_choice: bool) -> list[str]:
        """Answer a batch.

        Args:
            batch: {"prompt": [question, ...]}, at most `get_batch_size()` questions.
            is_multiple_choice: True if all of them are multiple-choice questions.

        Returns:
            One text for each question, in the same order.
        """
        raise NotImplementedError
