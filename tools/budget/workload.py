"""What a file of questions asks of an engine, counted in tokens: the input of every projection.

The questions are batched as the evaluator batches them and rendered as inference renders them. A prompt's tokens
are cached where its beginning was in an earlier prompt, in whole blocks, as vLLM's prefix cache does it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evaluation.runner import batches_of
from evaluation.suites.shopbench import SHOPBENCH, items_of, track_of_sample
from models.planning import Planner
from models.settings import CONTEXT
from shopbench.answers import write
from shopbench.errors import UserError
from shopbench.naming import AnswerBy
from shopbench.prompts import encode_text
from shopbench.sample import Sample
from shopbench.tracks import MAX_BATCH_SIZE, Track

GPU_BLOCK = 16
"""Tokens in a block of the prefix cache on CUDA."""


@dataclass(frozen=True)
class Asking:
    """How questions are asked, as models/settings.py has it: what decides a track's batches and their tokens.

    `context`: most tokens of prompt and answer; `block_size`: tokens in a block of the prefix cache; `batch_size`:
    questions in a batch; `answer_by`: what options are named by.
    """

    context: int = CONTEXT
    block_size: int = GPU_BLOCK
    batch_size: int = MAX_BATCH_SIZE
    answer_by: AnswerBy = AnswerBy.NUMBER

    def options(self) -> list[str]:
        """The options of tools.budget that ask in this way."""
        named = {f"--{name.replace('_', '-')}": str(value) for name, value in asdict(self).items()}
        return [word for pair in named.items() for word in pair]


USUAL = Asking()


@dataclass(frozen=True)
class QuestionLoad:
    """One question: the tokens of its prompt, and of them those that no earlier prompt has left in the cache.

    `steps` are its decode steps if the answer is as long as the true one, `most_steps` if as long as allowed.
    """

    prompt_tokens: int
    uncached_tokens: int
    steps: int
    most_steps: int

    @property
    def pairs(self) -> int:
        """Tokens that the uncached ones attend to in all: the n-th of a prompt to n."""
        cached = self.prompt_tokens - self.uncached_tokens
        return (self.prompt_tokens * (self.prompt_tokens + 1) - cached * (cached + 1)) // 2


@dataclass(frozen=True)
class BatchLoad:
    """One batch: the sums of its questions, and the decode steps of its longest answer."""

    questions: int
    prompt_tokens: int
    uncached_tokens: int
    steps: int
    most_steps: int
    pairs: int

    @classmethod
    def of(cls, questions: Sequence[QuestionLoad]) -> BatchLoad:
        """These questions, asked in one batch."""
        return cls(
            questions=len(questions),
            prompt_tokens=sum(question.prompt_tokens for question in questions),
            uncached_tokens=sum(question.uncached_tokens for question in questions),
            steps=max(question.steps for question in questions),
            most_steps=max(question.most_steps for question in questions),
            pairs=sum(question.pairs for question in questions),
        )


def questions_of(samples: Sequence[Sample], track: Track) -> list[Sample]:
    """The questions of a track: its own, or all of them for All-Around."""
    return [sample for sample in samples if track.number == 5 or track_of_sample(sample) == track]


def draw(samples: Sequence[Sample], track: Track, count: int | None) -> list[Sample]:
    """`count` questions of a track, at most those there are: a question asked twice would come from the cache."""
    own = questions_of(samples, track)
    if not own:
        raise UserError(f"the question file holds none of track {track.number}; give another with --questions")
    return random.Random(track.number).sample(own, min(count or track.questions, track.questions, len(own)))


def batches_of_track(
    samples: Sequence[Sample], tokenizer: Any, track: Track, asking: Asking = USUAL
) -> list[BatchLoad]:
    """A track's full batches on GPUs; one without questions of its own is taken to ask what the others ask.

    A track's thousands of questions come in batches of 16 (or what `asking` says), a file's few of a kind often do not
    fill one, and a batch takes as many decode steps as its longest answer. So each kind's questions are gone through as
    often as a batch has places, which fills as many batches as it has questions; none counts as asked before.
    """
    own, size = questions_of(samples, track) or samples, asking.batch_size
    found = question_loads(own, tokenizer, asking.block_size, asking.context, asking.answer_by)
    return [
        BatchLoad.of([found[kind[(start + place) % len(kind)]] for place in range(size)])
        for kind in batches_of(SHOPBENCH, items_of(own), len(own))
        for start in range(0, size * len(kind), size)
    ]


def loads(samples: Sequence[Sample], tokenizer: Any, block: int) -> list[BatchLoad]:
    """The batches of just these questions, as they would be asked; `block`: tokens in a block of the prefix cache."""
    found = question_loads(samples, tokenizer, block)
    batches = batches_of(SHOPBENCH, items_of(samples), MAX_BATCH_SIZE)
    return [BatchLoad.of([found[place] for place in places]) for places in batches]


def question_loads(
    samples: Sequence[Sample],
    tokenizer: Any,
    block: int,
    context: int = CONTEXT,
    answer_by: AnswerBy = AnswerBy.NUMBER,
) -> list[QuestionLoad]:
    """Each question as inference asks it, after those before it; `context`: most tokens of prompt and answer."""
    cached: set[int] = set()
    planner = Planner(tokenizer, context, answer_by)
    found = []
    for sample in samples:
        plan = planner.plan(sample.input_field, sample.is_multiple_choice)
        truth = len(encode_text(tokenizer, write(sample.task_type, sample.output_field)))
        most = max(plan.space.max_tokens, 1)
        uncached = len(plan.prompt) - _cached_tokens(plan.prompt, block, cached)
        found.append(QuestionLoad(len(plan.prompt), uncached, min(max(truth, 1), most) - 1, most - 1))
    return found


def _cached_tokens(prompt: list[int], block: int, cached: set[int]) -> int:
    """Tokens of the longest beginning in `cached`, whole blocks, and never all of them; the prompt's are added."""
    hit, key, open_hit = 0, 0, True
    for end in range(block, len(prompt) + 1, block):
        key = hash((key, tuple(prompt[end - block : end])))
        if key not in cached:
            open_hit = False
            cached.add(key)
        elif open_hit and end < len(prompt):
            hit = end
    return hit
