"""Whole runs: killed and resumed, what they write, what they refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from shopbench.errors import UserError, exit_code_of
from tests.training.finetune.made import TINY, adapter
from training.finetune import command
from training.finetune.run import TrainingRun, finetune, last_checkpoint


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(base: Path, data: Path, tmp_path: Path, repository: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    program = [sys.executable, "-m", "tests.training.finetune.train_made", str(data), str(base), str(killed), "{}"]
    process = subprocess.Popen(program, cwd=repository, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not list(killed.glob("checkpoints/checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert list(killed.glob("checkpoints/checkpoint-*")) and not (killed / "provenance.json").exists()
    finetune(TrainingRun(TINY, data, killed, base))
    finetune(TrainingRun(TINY, data, whole, base))
    resumed, expected = adapter(killed), adapter(whole)
    assert resumed.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(resumed[name], tensor, atol=0, rtol=0)


@pytest.mark.slow
def test_a_run_lowers_the_loss_and_says_what_it_was(base: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "adapter"
    training = replace(TINY.training, train_lm_head=True, learning_rate=0.05)
    run = TrainingRun(replace(TINY, training=training), data, output, base)
    finetune(run)
    facts = json.loads((output / "provenance.json").read_text())
    losses = [entry["eval_loss"] for entry in facts["log"] if "eval_loss" in entry]
    assert len(losses) >= 4 and losses[-1] < losses[0] - 0.3
    assert facts.items() >= run.identity().items() and facts["samples"] == 60 and facts["versions"]["peft"]
    assert list((output / "tensorboard").rglob("events.out.tfevents.*"))
    assert not (output / "checkpoints").exists()
    weights = adapter(output)
    assert any(".lm_head." in name for name in weights) and all(torch.isfinite(t).all() for t in weights.values())
    assert any("lora_B" in name and tensor.abs().max() > 0 for name, tensor in weights.items() if "lm_head" in name)
    assert str(base) not in (output / "adapter_config.json").read_text()
    before = (output / "adapter_model.safetensors").stat().st_mtime_ns
    finetune(run)
    assert (output / "adapter_model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds other weights"):
        finetune(replace(run, recipe=replace(run.recipe, seed=7)))


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another_adapter(base: Path, data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    short = replace(TINY, training=replace(TINY.training, epochs=0.5))
    finetune(TrainingRun(short, data, first, base))
    still = replace(short, training=replace(short.training, learning_rate=0.0))
    finetune(TrainingRun(still, data, second, base, start=first))
    before, after = adapter(first), adapter(second)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=0, rtol=0)
    facts = json.loads((second / "provenance.json").read_text())
    assert facts["start"] == json.loads((first / "provenance.json").read_text()) and len(facts["start_sha256"]) == 64
    wider = replace(short, training=replace(short.training, rank=8))
    with pytest.raises(UserError, match=r"has rank and alpha \(4, 8\), the recipe \(8, 8\)"):
        finetune(TrainingRun(wider, data, tmp_path / "wider", base, start=first))


@pytest.mark.slow
def test_full_finetuning_writes_a_model(base: Path, data: Path, tmp_path: Path) -> None:
    training = replace(TINY.training, method="full", epochs=1, learning_rate=1e-3)
    finetune(TrainingRun(replace(TINY, training=training), data, tmp_path / "full", base))
    assert len({file.stat().st_mode for file in (tmp_path / "full").glob("*.*")}) == 1, "the umask's, not its owner's"
    trained, untrained = load_file(tmp_path / "full" / "model.safetensors"), load_file(base / "model.safetensors")
    assert trained.keys() == untrained.keys()
    assert all(not torch.equal(trained[name], untrained[name]) for name in trained)


def test_checkpoints_of_another_run_are_refused(base: Path, data: Path, tmp_path: Path) -> None:
    run = TrainingRun(TINY, data, tmp_path / "run", base)
    assert last_checkpoint(run) is None
    with pytest.raises(UserError, match="checkpoints of another run"):
        last_checkpoint(replace(run, recipe=replace(TINY, seed=5)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "embeded_a"], "nearest: embedded_a"),
        (["--recipe", "embedded_a", "--base", "{tmp}/none"], "holds no model"),
        (["--recipe", "embedded_a", "--base", "{base}", "--data", "{tmp}/none"], "cannot be read"),
        (["--recipe", "embedded_c", "--base", "{base}"], "built for recipe 'embedded_a'"),
        (
            ["--recipe", "embedded_a", "--base", "{base}", "--start", "{tmp}/none"],
            "adapter configuration cannot",
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [argument.format(tmp=tmp_path, base=base) for argument in arguments]
    filled += [] if "--data" in filled else ["--data", str(data)]
    assert exit_code_of(command.main, [*filled, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
