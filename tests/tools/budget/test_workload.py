"""Counting a file's questions in tokens: batches, cached beginnings, decode steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.tokenizer import load_tokenizer
from shopbench.prompts import encode_prompt
from shopbench.sample import read_samples
from shopbench.tasks import TaskType
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import choice, text
from tests.training.conftest import byte_tokenizer
from tools.budget.workload import QuestionLoad, _cached_tokens, batches_of_track, loads, question_loads, questions_of


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    byte_tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    return load_tokenizer(folder)


def test_whole_blocks_of_an_earlier_prompt_are_cached() -> None:
    cached: set[int] = set()
    first = list(range(10))
    assert _cached_tokens(first, 4, cached) == 0
    assert _cached_tokens([*range(9), 99], 4, cached) == 8
    assert _cached_tokens([*range(5), 99, 98, 97, 96], 4, cached) == 4
    assert _cached_tokens([99, *range(1, 10)], 4, cached) == 0
    assert _cached_tokens([*range(4), *range(4, 8)], 4, cached) == 4, "the last token is always computed"
    assert _cached_tokens([4, 5, 6, 7], 4, cached) == 0, "a block counts only behind its beginning"


def test_batches_are_counted(tokenizer: Any) -> None:
    samples = [choice(f"Which is it, number {number}?\n0. a\n1. b\nAnswer:") for number in range(20)]
    samples += [text("Describe it.", "x" * 30), text("Describe this one.", "x" * 400)]
    found = loads(samples, tokenizer, block=16)
    assert [load.questions for load in found] == [16, 4, 2]
    assert [(load.steps, load.most_steps) for load in found] == [(0, 0), (0, 0), (49, 49)]
    prompts = [
        encode_prompt(
            tokenizer,
            TaskType.MULTIPLE_CHOICE if sample.is_multiple_choice else TaskType.GENERATION,
            sample.input_field,
        )
        for sample in samples
    ]
    assert sum(load.prompt_tokens for load in found) == sum(map(len, prompts))
    assert loads(samples[20:21], tokenizer, block=16)[0].steps == 29
    frame = len(encode_prompt(tokenizer, TaskType.MULTIPLE_CHOICE, "")) // 16 * 16
    assert found[0].uncached_tokens < found[0].prompt_tokens - 15 * (frame - 32)
    assert loads(samples, tokenizer, block=10_000)[0].uncached_tokens == found[0].prompt_tokens


def test_questions_of_a_track(repository: Path) -> None:
    samples = read_samples(repository / "data" / "sample_questions.jsonl")
    counts = {number: len(questions_of(samples, track)) for number, track in TRACKS.items()}
    assert counts[5] == len(samples) == sum(counts[number] for number in (1, 2, 3, 4))
    assert min(counts.values()) > 10


def test_pairs_are_those_that_causal_attention_has() -> None:
    question = QuestionLoad(prompt_tokens=10, uncached_tokens=4, steps=0, most_steps=0)
    assert question.pairs == 7 + 8 + 9 + 10


def test_a_tracks_batches_are_full(tokenizer: Any) -> None:
    """Each kind's few questions stand for many: full batches, each question as often, none counted as asked before."""
    samples = [choice(f"Which is it, number {number}?\n0. a\n1. b\nAnswer:") for number in range(3)]
    samples += [text("Describe it.", "x" * 30), text("Describe this one.", "x" * 400)]
    batches = batches_of_track(samples, tokenizer, TRACKS[5])
    assert [batch.questions for batch in batches] == [16] * 5
    found = question_loads(samples, tokenizer, 16)
    assert sum(batch.uncached_tokens for batch in batches) == 16 * sum(one.uncached_tokens for one in found)
    assert sum(batch.pairs for batch in batches) == 16 * sum(one.pairs for one in found)
    assert sorted(batch.most_steps for batch in batches) == [0, 0, 0, 49, 49]


def test_a_tighter_context_never_takes_more(tokenizer: Any) -> None:
    samples = [choice("Which is it?\n" + "long " * words + "\n0. a\n1. b\nAnswer:") for words in (3, 40, 200)]
    totals = []
    for context in (256, 384, 512, 3072):
        found = question_loads(samples, tokenizer, 16, context)
        assert all(one.prompt_tokens < context for one in found)
        totals.append(sum(one.uncached_tokens for one in found))
    assert totals == sorted(totals) and totals[0] < totals[-1]
