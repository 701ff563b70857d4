"""What the tool says to cut where a track is not certain to end in time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from models.tokenizer import load_tokenizer
from shopbench.files import ROOT
from shopbench.sample import Sample
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import choice
from tests.tools.scratch import make_weights
from tools.budget.cuts import certain_context, cuts, cuts_text
from tools.budget.devices import GPUS
from tools.budget.projection import Target, project
from tools.budget.roofline import Shape
from tools.budget.workload import Asking, batches_of_track

QWEN = json.loads((ROOT / "tools" / "model_configs" / "qwen2-72b-awq.json").read_text())
TARGET = Target(Shape.from_config(QWEN), GPUS["T4"], 4)
TRACK = TRACKS[4]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(make_weights(tmp_path_factory.mktemp("cuts") / "weights"))


def long_questions(words: int) -> list[Sample]:
    texts = [" ".join(f"{number}{word}" for word in range(words)) for number in range(4)]
    return [choice(f"Which is it?\n{text}\n0. a\n1. b\nAnswer:") for text in texts]


def test_each_change_is_projected(tokenizer: Any) -> None:
    found = {cut.name: cut for cut in cuts(TARGET, long_questions(200), tokenizer, TRACK)}
    none = found["none"]
    assert none.pessimistic is not None and none.typical is not None and not none.certain
    assert none.pessimistic.total > none.typical.total
    assert found["8-bit weights and activations"].pessimistic is None, "73 GB do not fit four T4s"
    contexts = [found[f"SHOPBENCH_CONTEXT={size}"].pessimistic for size in (1024, 512, 384, 256)]
    totals = [projection.total for projection in contexts if projection is not None]
    assert len(totals) == 4 and totals == sorted(totals, reverse=True) and totals[-1] < none.pessimistic.total
    int8 = found["4-bit weights, 8-bit activations (symmetric weights)"].pessimistic
    assert int8 is not None and int8.prefill < none.pessimistic.prefill


def test_the_context_that_is_recommended_is_the_longest_that_is_certain(tokenizer: Any) -> None:
    samples = long_questions(200)
    found = certain_context(TARGET, samples, tokenizer, TRACK)
    assert found is not None and found.certain
    size = int(found.name.split("=")[1])
    for context, certain in ((size, True), (size + 64, False)):
        batches = batches_of_track(samples, tokenizer, TRACK, Asking(context))
        assert project(TARGET, batches, TRACK, "pessimistic").in_time is certain
    assert f"to be certain set SHOPBENCH_CONTEXT={size}: " in cuts_text(TARGET, samples, tokenizer, TRACK)


def test_where_no_context_is_enough_the_tool_says_so(tokenizer: Any) -> None:
    slow = replace(TARGET, gpu=replace(TARGET.gpu, teraflops=5))
    assert certain_context(slow, long_questions(200), tokenizer, TRACK) is None
    assert "take more or larger GPUs" in cuts_text(slow, long_questions(200), tokenizer, TRACK)
