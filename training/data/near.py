"""Near duplicates within a task: questions whose data differ in a word or two.

A question is sketched by the smallest hashes of the five-word runs in its data (training/data/decontaminate.py);
the share of hashes two sketches have in common estimates how alike the texts are (a bottom-k MinHash).
"""

from __future__ import annotations

import zlib
from collections import defaultdict

from shopbench import answers
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.decontaminate import runs, text_parts

SKETCH = 24
LOOKED_UP = 4
ALIKE = 0.85

_WRITTEN = (TaskType.GENERATION, TaskType.NER)


def sketch(question: str) -> tuple[int, ...]:
    """The smallest hashes of a question's word runs, rising; empty where its data are too short to have any."""
    hashes = {zlib.crc32(run.encode()) for part in set(text_parts(question)) for run in runs(part)}
    return tuple(sorted(hashes)[:SKETCH])


def likeness(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Estimated share of word runs that two questions have in common (Jaccard)."""
    smallest = sorted({*one, *other})[:SKETCH]
    return len(set(smallest) & set(one) & set(other)) / len(smallest) if smallest else 0.0


class NearDuplicates:
    """The samples taken so far, to be asked whether a further one is nearly one of them."""

    def __init__(self) -> None:
        self._sketches: dict[tuple[int, str], list[tuple[int, ...]]] = defaultdict(list)

    def has(self, sample: Sample) -> bool:
        """Whether a sample like this one was taken; if not, it is remembered.

        Samples with written answers must agree in the answer as well: one review gives several keyphrases.
        """
        own = sketch(sample.input_field)
        written = sample.task_type in _WRITTEN
        answer = answers.write(sample.task_type, sample.output_field).casefold() if written else ""
        keys = [(smallest, answer) for smallest in own[:LOOKED_UP]]
        if len(own) < SKETCH // 3:
            return False
        if any(likeness(own, other) >= ALIKE for key in keys for other in self._sketches.get(key, ())):
            return True
        for key in keys:
            self._sketches[key].append(own)
        return False
