"""What a file of questions asks of an engine, counted in tokens: the input of every projection.

The questions are batched as the evaluator batches them and rendered as inference renders them. A prompt's tokens
are cached where its beginning was in an earlier prompt, in whole blocks, as vLLM's prefix cache does it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.runner import batches_of
from evaluation.suites.shopbench import SHOPBENCH, items_of, track_of_sample
from shopbench.answers import write
from shopbench.errors import UserError
from shopbench.prompts import encode_prompt, encode_text
from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TASKS
from shopbench.tracks import MAX_BATCH_SIZE, TRACKS, Track

GPU_BLOCK = 16
"""Tokens in a block of the prefix cache on CUDA."""


@dataclass(frozen=True)
class BatchLoad:
    """One batch: the tokens of all its prompts, and of them those that no earlier prompt has left in the cache.

    `steps` are its decode steps if every answer is as long as the true one, `most_steps` if as long as allowed.
    """

    questions: int
    prompt_tokens: int
    uncached_tokens: int
    steps: int
    most_steps: int


def questions_of(samples: Sequence[Sample], track: Track) -> list[Sample]:
    """The questions of a track: its own, or all of them for All-Around."""
    return [sample for sample in samples if track.number == 5 or track_of_sample(sample) == track]


def draw(samples: Sequence[Sample], track: Track, count: int | None) -> list[Sample]:
    """`count` questions of a track, at most those there are: a question asked twice would come from the cache."""
    own = questions_of(samples, track)
    if not own:
        raise UserError(f"the question file holds none of track {track.number}; give another with --questions")
    return random.Random(track.number).sample(own, min(count or track.questions, track.questions, len(own)))


def batches_of_tracks(samples: Sequence[Sample], tokenizer: Any) -> dict[int, list[BatchLoad]]:
    """Each track's batches on GPUs; a track without questions of its own is taken to ask what the others ask."""
    return {
        number: loads(questions_of(samples, track) or samples, tokenizer, GPU_BLOCK) for number, track in TRACKS.items()
    }


def loads(samples: Sequence[Sample], tokenizer: Any, block: int) -> list[BatchLoad]:
    """The batches of these questions; `block`: tokens in a block of the prefix cache."""
    cached: set[int] = set()
    batches = []
    for places in batches_of(SHOPBENCH, items_of(samples), MAX_BATCH_SIZE):
        prompt_tokens, uncached, longest, most = 0, 0, 1, 1
        for sample in (samples[place] for place in places):
            task_type = Question.read(sample.input_field, sample.is_multiple_choice).task_type
            prompt = encode_prompt(tokenizer, task_type, sample.input_field)
            prompt_tokens += len(prompt)
            uncached += len(prompt) - _cached_tokens(prompt, block, cached)
            truth = len(encode_text(tokenizer, write(sample.task_type, sample.output_field)))
            most = max(most, TASKS[task_type].max_tokens)
            longest = max(longest, min(truth, TASKS[task_type].max_tokens))
        batches.append(BatchLoad(len(places), prompt_tokens, uncached, longest - 1, most - 1))
    return batches


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
