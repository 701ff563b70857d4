"""Near duplicates within a task: questions whose longer texts differ in a word or two, and in nothing else.

The longer texts of a question are sketched by the smallest hashes of their five-word runs; the share of hashes that
two sketches have in common estimates how alike they are (a bottom-k MinHash). Short texts (a query, an aspect, most
options) must be the same: one word makes another question of them.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict

from shopbench import answers
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.build.decontaminate import runs, text_parts

SKETCH = 24
LOOKED_UP = 4
ALIKE = 0.85
LONG = 8
"""Word runs that make a text a long one: twelve words, so that one more word is no other text."""
COMMON = 20
"""A run of so many samples of a task is its wording (options that are always the same): it is left out of account."""

_WRITTEN = (TaskType.GENERATION, TaskType.NER)


def likeness(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Estimated share of word runs that two sketched questions have in common (Jaccard)."""
    smallest = sorted({*one, *other})[:SKETCH]
    return len(set(smallest) & set(one) & set(other)) / len(smallest) if smallest else 0.0


class NearDuplicates:
    """The samples taken so far, to be asked whether a further one is nearly one of them."""

    def __init__(self) -> None:
        self._sketches: dict[tuple[int, int], list[tuple[int, ...]]] = defaultdict(list)
        self._seen: Counter[int] = Counter()

    def has(self, sample: Sample) -> bool:
        """Whether a sample like this one was taken; if not, it is remembered.

        Samples with written answers must agree in the answer as well: one review gives several keyphrases.
        """
        hashes: set[int] = set()
        same = [answers.write(sample.task_type, sample.output_field)] if sample.task_type in _WRITTEN else []
        for part in sorted(set(text_parts(sample.input_field))):
            found = runs(part)
            if len(found) >= LONG:
                hashes |= {zlib.crc32(run.encode()) for run in found}
            else:
                same.append(part)
        own = tuple(sorted(run for run in hashes if self._seen[run] < COMMON)[:SKETCH])
        if len(own) < LONG:
            return False
        rest = zlib.crc32("\n".join(same).casefold().encode())
        keys = [(smallest, rest) for smallest in own[:LOOKED_UP]]
        if any(likeness(own, other) >= ALIKE for key in keys for other in self._sketches.get(key, ())):
            return True
        for key in keys:
            self._sketches[key].append(own)
        self._seen.update(own)
        return False
