"""What is taken of the outcomes: no row twice, exactly or nearly; and the counts that the manifest shows."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.build.checks import NearDuplicates
from training.data.formats import Row
from training.data.options import same_key
from training.synthesize.checks import Rejected
from training.synthesize.steps import RowResult
from training.synthesize.tasks.task import SynthesisTask


class Acceptance:
    """Rows accepted so far, and what was rejected. Outcomes in the same order give the same rows."""

    def __init__(self, task: SynthesisTask) -> None:
        self._task = task
        self._seen: set[str] = set()
        self._near = NearDuplicates()
        self.rows: list[Row] = []
        self.rejected: list[dict[str, Any]] = []

    @property
    def reasons(self) -> dict[str, int]:
        """How many were rejected for each reason, the most frequent first."""
        return dict(Counter(one["reason"] for one in self.rejected).most_common())

    def take(self, row: Row, outcome: RowResult) -> None:
        """Take what is new of an outcome."""
        for problem in outcome.rejected:
            self._reject(row, problem)
        for made in outcome.rows:
            try:
                self._check_new(made)
            except Rejected as problem:
                self._reject(row, problem)
            else:
                self.rows.append(made)

    def _check_new(self, made: Row) -> None:
        content = {key: value for key, value in made.items() if key != "id"}
        text = self._task.text(made)
        exact = [json.dumps(["id", made["id"]]), same_key(text) if text else ""]
        if self._task.kind == "reword":
            exact.append(same_key(json.dumps([made["task"], made["wording"]])))
        if any(key and key in self._seen for key in exact):
            raise Rejected("repeat", json.dumps(content, ensure_ascii=False))
        if text and self._near.has(_as_sample(text)):
            raise Rejected("near repeat", text)
        self._seen.update(exact)

    def _reject(self, row: Row, problem: Rejected) -> None:
        self.rejected.append({"id": row["id"], "reason": problem.reason, "detail": problem.detail})


def _as_sample(text: str) -> Sample:
    """Text in the form that near duplicates are looked for in: under a header, so that all of it counts as data."""
    line = " ".join(text.split())
    return Sample(f"Text: {line}", "-", "synthesis", TaskType.GENERATION, "rougel", False)
