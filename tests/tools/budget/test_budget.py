"""The command line of tools.budget: measured and projected, passed and failed, bad input. No engine is started."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.journal import Batch
from shopbench.errors import exit_code_of
from shopbench.files import ROOT, write_json
from shopbench.sample import read_samples, write_samples
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import FakeModel, choice
from tests.tools.scratch import make_weights
from tools.budget import command as budget
from tools.budget.command import main
from tools.budget.measure import Measured, measure
from tools.budget.workload import draw

QWEN = ROOT / "tools" / "model_configs" / "qwen2-72b-awq.json"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return make_weights(tmp_path / "weights")


@pytest.fixture
def run(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run main() with a fake model."""
    monkeypatch.setenv("SHOPBENCH_WEIGHTS", str(weights))

    def command(*arguments: str) -> int:
        module: Any = types.SimpleNamespace(UserModel=lambda: FakeModel(lambda question: "1"))
        monkeypatch.setitem(sys.modules, "models.user_config", module)
        return exit_code_of(main, ["--questions", str(ROOT / "data" / "sample_questions.jsonl"), *arguments])

    return command


def test_measures_and_projects(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--track", "2", "--sample", "10") == 0
    printed = capsys.readouterr().out
    assert "Measured on this machine: 10 of track 2's 1896 questions" in printed
    assert "of 20 minutes: pass" in printed
    assert "on 4 x T4" in printed
    assert printed.rstrip().endswith("track 2: PASS")


@pytest.mark.slow
def test_the_winning_model_on_four_t4s_gets_an_answer_for_every_track(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    run("--track", "5", "--no-run", "--config", str(QWEN))
    printed = capsys.readouterr().out
    assert "41.6 GB of weights on 4 x T4" in printed
    for number, track in TRACKS.items():
        (row,) = (line for line in printed.splitlines() if line.startswith(f"{number} {track.name}"))
        assert row.split()[-1] in ("pass", "tight", "fail")
        assert row.split()[-2] == str(track.minutes)
    assert "Measured" not in printed


def test_a_track_that_is_not_certain_is_told_what_to_cut(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [" ".join(f"{number}{word}" for word in range(200)) for number in range(4)]
    questions = [choice(f"Which is it?\n{text}\n0. a\n1. b\nAnswer:") for text in texts]
    write_samples(tmp_path / "long.jsonl", questions)
    slow = ["--no-run", "--config", str(QWEN), "--track", "4", "--questions", str(tmp_path / "long.jsonl")]
    assert run(*slow) == 1
    printed = capsys.readouterr().out
    assert "Track 4 is not certain to end within 20 minutes" in printed
    advice = next(line for line in printed.splitlines() if line.startswith("to be certain set SHOPBENCH_CONTEXT="))
    context = advice.split("=")[1].split(":")[0]
    assert run(*slow, "--context", context) == 0
    assert "not certain" not in capsys.readouterr().out


def test_the_projection_is_of_the_settings_that_are_named(
    run: Callable[..., int], weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [choice(f"Which is it?\n{'x ' * 90}\n0. the {number} long name\n1. it\nAnswer:") for number in range(4)]
    write_samples(tmp_path / "few.jsonl", asked)

    def shown(*arguments: str) -> str:
        assert run("--track", "2", "--no-run", "--questions", str(tmp_path / "few.jsonl"), *arguments) in (0, 1)
        return capsys.readouterr().out

    usual = shown()
    assert "for a batch of 16" in usual and "for a batch of 2" in shown("--batch-size", "2")
    assert usual == shown("--block-size", "16", "--answer-by", "number") != shown("--block-size", "64")
    by_text = shown("--answer-by", "text")
    write_json(weights / "provenance.json", {"answer_by": "text"})
    assert usual != by_text == shown(), "as it is served: by what the weights were trained for"
    assert shown("--config", str(weights / "config.json")) == usual, "what is projected are other weights"


def test_what_does_not_fit_fails(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--track", "2", "--no-run", "--config", str(QWEN), "--gpu", "T4x2") == 1
    printed = capsys.readouterr().out
    assert "does not fit: quantize the weights, or take more or larger GPUs" in printed
    assert "track 2: FAIL" in printed


def test_a_slow_model_fails(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = Measured(16, 5.0, (Batch(list(range(16)), ["1"] * 16, 16.0),), {}, 0)
    monkeypatch.setattr(budget, "measure", lambda samples, folder: slow)
    assert run("--track", "2", "--no-projection") == 1
    assert "31.7 of 20 minutes: fail, -11.7 to spare" in capsys.readouterr().out


def test_where_the_time_goes() -> None:
    batches = (Batch([0, 1], ["1", "1"], 6.0), Batch([2], ["1"], 4.0))
    measured = Measured(3, 2.0, batches, {"prefill": 5.0, "decode": 3.0}, 7)
    assert measured.shares() == {"prefill": 0.5, "decode": 0.3, "overhead": pytest.approx(0.2)}
    assert measured.seconds_per_question == pytest.approx(10 / 3)
    assert measured.slowest_batch == batches[1]
    assert measured.projected_seconds(TRACKS[4]) == pytest.approx(2 + 1349 * 10 / 3)
    assert not measured.in_time(TRACKS[4])
    shown = measured.text(TRACKS[4])
    assert "prefill 50%  decode 30%  overhead 20%" in shown
    assert "4.0 s of 10 s for its 1 questions" in shown
    late = Measured(16, 0.0, (Batch(list(range(16)), ["1"] * 16, 161.0),), {}, 0)
    assert not late.in_time(TRACKS[1])


def test_measure_plays_the_evaluator(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBENCH_WEIGHTS", "elsewhere")
    engine = types.SimpleNamespace(seconds={"prefill": 5.0, "decode": 2.0}, decode_steps=30)  # warming up

    def answer(question: str) -> str:
        engine.seconds["prefill"] += 0.5
        engine.decode_steps += 1
        return "1"

    model = FakeModel(answer)
    model.engine = engine  # type: ignore[attr-defined]
    samples = [choice(f"question {number}") for number in range(10)]
    measured = measure(samples, weights, lambda: model)
    assert sum(len(prompts) for prompts, _ in model.calls) == 10
    assert measured.questions == 10
    assert [index for batch in measured.batches for index in batch.indices] == list(range(10))
    assert (measured.engine, measured.decode_steps) == ({"prefill": 5.0, "decode": 0.0}, 10)


def test_draws_no_question_twice(repository: Path) -> None:
    samples = read_samples(repository / "data" / "sample_questions.jsonl")
    everything = draw(samples, TRACKS[5], None)
    assert sorted(sample.input_field for sample in everything) == sorted(sample.input_field for sample in samples)
    few = draw(samples, TRACKS[3], 7)
    assert len(few) == 7
    assert {sample.track for sample in few} == {TRACKS[3].challenge_id}
    assert few == draw(samples, TRACKS[3], 7)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--context", "100"], "--context 100: must be at least 128"),
        (["--data", "anything"], "give it with --recipe"),
        (["--gpu", "T5x4"], "--gpu: unknown GPUs 'T5x4'"),
        (["--config", "nowhere.json"], "nowhere.json: what --config names cannot be read"),
        (["--questions", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["--weights", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_input_gets_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run("--track", "2", "--no-run", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_config_that_is_no_model_gets_one_line(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    for content, says in (
        ("[]", "must be a JSON object; give a Hugging Face config.json"),
        ("{", "is broken JSON"),
        (json.dumps({"vocab_size": 3}), "has no 'hidden_size'"),
        (json.dumps({"hidden_size": "wide", "num_attention_heads": 4}), "has sizes that are no numbers"),
    ):
        config.write_text(content)
        assert run("--track", "2", "--no-run", "--config", str(config)) == 2
        assert says in capsys.readouterr().err


def test_a_track_without_questions_cannot_be_measured(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_samples(tmp_path / "q.jsonl", [choice("question", track=TRACKS[1].challenge_id)])
    assert run("--track", "3", "--questions", str(tmp_path / "q.jsonl")) == 2
    assert "holds none of track 3" in capsys.readouterr().err
