"""What a sample must pass to be taken: its length, its type as a reader finds it, an answer that its metric finds
right, no evaluation data, no repeat."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from functools import lru_cache

from shopbench import answers
from shopbench.embeddings import MODELS
from shopbench.metrics import METRICS
from shopbench.question import Question
from shopbench.sample import Sample, read_samples
from shopbench.tasks import TaskType
from training.data.build.decontaminate import Excluded, runs, text_parts
from training.data.hashes import digest
from training.data.options import same_key

PROMPT_TOKENS = 45
"""System line and chat template around a question, about."""

SKETCH = 24
LOOKED_UP = 4
ALIKE = 0.85
LONG = 8
"""Word runs that make a text a long one: twelve words, so that one more word is no other text."""
COMMON = 20
"""A run of so many samples of a task is its wording (options that are always the same): it is left out of account."""


def estimated_tokens(sample: Sample) -> int:
    """Tokens of prompt and answer, estimated: four ASCII characters each, any other character alone."""
    text = sample.input_field + answers.write(sample.task_type, sample.output_field)
    plain = sum(map(str.isascii, text))
    return PROMPT_TOKENS + plain // 4 + (len(text) - plain)


class Checks:
    """The checks of one task's samples; remembers those taken. `exclude`: evaluation files, not to be trained on."""

    def __init__(self, max_tokens: int, exclude: tuple[str, ...]) -> None:
        self._max_tokens = max_tokens
        self._excluded = _excluded(exclude)
        self._questions: set[str] = set()
        self._near: dict[str, NearDuplicates] = defaultdict(NearDuplicates)

    def problem(self, sample: Sample, setting: str = "") -> str | None:
        """Why a sample is not taken, or None; near repeats are those of its own setting (DataTask.setting)."""
        if estimated_tokens(sample) > self._max_tokens:
            return "too long"
        if Question.read(sample.input_field, sample.is_multiple_choice).task_type is not sample.task_type:
            return "reads as another task type"
        if not _scores(sample):
            return "its own answer does not score"
        if overlap := self._excluded.overlap(sample.input_field):
            return f"in evaluation data: {overlap}"
        key = digest(same_key(sample.input_field))
        if key in self._questions:
            return "repeat"
        if self._near[setting].has(sample):
            return "near repeat"
        self._questions.add(key)
        return None


def _scores(sample: Sample) -> bool:
    """Whether the right answer, as it is written, is right for the sample's metric; metrics that are models are not
    asked. ROUGE-L sees nothing of a Chinese answer, hit rate@3 no fourth number."""
    if sample.metric in MODELS:
        return True
    written = answers.write(sample.task_type, sample.output_field)
    # Of several true texts the first is written.
    truth = written if sample.task_type is TaskType.GENERATION else sample.output_field
    metric = METRICS[sample.metric]
    score = metric.aggregate([metric.score(answers.parse(sample.task_type, written), truth)])
    return bool(score > 0.99)


@lru_cache
def _excluded(paths: tuple[str, ...]) -> Excluded:
    return Excluded(sample.input_field for path in paths for sample in read_samples(path))


class NearDuplicates:
    """Samples of one task whose longer texts differ in a word or two, and in nothing else.

    The longer texts of a question are sketched by the smallest hashes of their five-word runs; the share of hashes
    that two sketches have in common estimates how alike they are (a bottom-k MinHash). Short texts (a query, an
    aspect, most options) must be the same: one word makes another question of them. So must written answers: one
    review gives several keyphrases.
    """

    def __init__(self) -> None:
        self._sketches: dict[tuple[int, int], list[tuple[int, ...]]] = defaultdict(list)
        self._seen: Counter[int] = Counter()

    def has(self, sample: Sample) -> bool:
        """Whether a sample like this one was taken; if not, it is remembered."""
        hashes: set[int] = set()
        written = sample.task_type in (TaskType.GENERATION, TaskType.NER)
        same = [answers.write(sample.task_type, sample.output_field)] if written else []
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
        if any(_likeness(own, other) >= ALIKE for key in keys for other in self._sketches.get(key, ())):
            return True
        for key in keys:
            self._sketches[key].append(own)
        self._seen.update(own)
        return False


def _likeness(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Estimated share of word runs that two sketched questions have in common (Jaccard)."""
    smallest = sorted({*one, *other})[:SKETCH]
    return len(set(smallest) & set(one) & set(other)) / len(smallest)
