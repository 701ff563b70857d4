"""Whole runs: killed and resumed, what they write, what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from shopbench.errors import UserError, exit_code_of
from shopbench.files import file_hash, write_json
from shopbench.sample import write_samples
from tests.training.finetune.made import TINY, adapter, samples
from training.data.build.run import SPLITS
from training.finetune import command
from training.finetune.make_trainer import make_trainer
from training.finetune.run import TrainingRun, finetune, last_checkpoint
from training.finetune.trainer import AnswerTrainer


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
@pytest.mark.parametrize("adapter_type", [torch.float32, torch.bfloat16])  # the latter is TRL's on a 4-bit base
def test_a_run_that_goes_on_trains_in_the_same_types(
    adapter_type: torch.dtype, base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_in_type(*arguments: Any) -> Any:
        trainer, counts = make_trainer(*arguments)
        trained = [weight for weight in trainer.model.parameters() if weight.requires_grad]
        assert {weight.dtype for weight in trained} == {torch.float32}, "the LM head's too"
        for weight in trained:
            weight.data = weight.data.to(adapter_type)
        return trainer, counts

    def stop_in_the_midst(trainer: Any, *arguments: Any) -> None:
        save(trainer, *arguments)
        if trainer.state.global_step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("training.finetune.make_trainer.compute_type", lambda: torch.bfloat16)
    monkeypatch.setattr("training.finetune.run.make_trainer", made_in_type)
    recipe = replace(TINY, training=replace(TINY.training, epochs=1, train_lm_head=True))
    finetune(TrainingRun(recipe, data, tmp_path / "whole", base))
    save, stopped = AnswerTrainer._save_checkpoint, TrainingRun(recipe, data, tmp_path / "stopped", base)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(AnswerTrainer, "_save_checkpoint", stop_in_the_midst)
        finetune(stopped)
    finetune(stopped)
    resumed, expected = adapter(tmp_path / "stopped"), adapter(tmp_path / "whole")
    assert resumed.keys() == expected.keys() and any(".lm_head." in name for name in expected)
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
    assert not any(".base_layer." in name for name in weights), "a copy of the base's head"
    assert any(".lm_head." in name for name in weights) and all(torch.isfinite(t).all() for t in weights.values())
    assert any("lora_B" in name and tensor.abs().max() > 0 for name, tensor in weights.items() if "lm_head" in name)
    assert str(base) not in (output / "adapter_config.json").read_text()
    before = (output / "adapter_model.safetensors").stat().st_mtime_ns
    (output / "checkpoints" / "checkpoint-1").mkdir(parents=True)  # as a kill right after provenance.json leaves them
    finetune(run)
    assert (output / "adapter_model.safetensors").stat().st_mtime_ns == before
    assert not (output / "checkpoints").exists()
    with pytest.raises(UserError, match="holds other weights"):
        finetune(replace(run, recipe=replace(run.recipe, seed=7)))


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another_adapter(base: Path, data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    short = replace(TINY, training=replace(TINY.training, epochs=0.5, train_lm_head=True))
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
    options = json.loads((first / "adapter_config.json").read_text())
    patterned = {"alpha_pattern": {"q_proj": 64}}
    for option, has in (({"use_rslora": True}, r"\(4, 16\)"), (patterned, r"\(4, 8\), \(4, 64\)")):
        (first / "adapter_config.json").write_text(json.dumps(options | option))
        with pytest.raises(UserError, match=f"has rank and alpha {has}, the recipe"):
            finetune(TrainingRun(short, data, tmp_path / "other", base, start=first))


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
    assert last_checkpoint(run, run.identity()) is None
    with pytest.raises(UserError, match="checkpoints of another run"):
        last_checkpoint(run, replace(run, recipe=replace(TINY, seed=5)).identity())


@pytest.mark.slow
def test_provenance_tells_of_the_data_that_were_read(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copytree(data, tmp_path / "data")
    run = TrainingRun(replace(TINY, training=replace(TINY.training, epochs=0.2)), own, tmp_path / "out", base)
    begun_with = run.identity()

    def then_built_anew(*arguments: Any) -> Any:
        made = make_trainer(*arguments)
        write_json(own / "manifest.json", {"recipe": "embedded_a", "seed": 7})
        return made

    monkeypatch.setattr("training.finetune.run.make_trainer", then_built_anew)
    finetune(run)
    assert json.loads((tmp_path / "out" / "provenance.json").read_text()).items() >= begun_with.items()
    assert run.identity() != begun_with


def test_weights_from_elsewhere_are_not_overwritten(base: Path, data: Path, tmp_path: Path) -> None:
    """They have no provenance.json, and a run that was killed while it saved its own has a description beside them."""
    other = shutil.copytree(base, tmp_path / "other")
    before = {file.name: file_hash(file) for file in other.iterdir()}
    with pytest.raises(UserError, match="holds other weights"):
        finetune(TrainingRun(TINY, data, other, base))
    assert before == {file.name: file_hash(file) for file in other.iterdir()}


def test_checkpoints_of_samples_changed_by_hand_are_refused(base: Path, data: Path, tmp_path: Path) -> None:
    """Whether the manifest gives the samples' hash, as a build's does, or not, as one written by hand."""
    own = shutil.copytree(data, tmp_path / "data")
    built = {"recipe": "embedded_a", "sha256": {split: file_hash(own / f"{split}.jsonl") for split in SPLITS}}
    for number, manifest in enumerate(({"recipe": "embedded_a"}, built)):
        (own / "manifest.json").write_text(json.dumps(manifest))
        run = TrainingRun(TINY, own, tmp_path / str(number), base)
        assert ("data_sha256" in run.identity()) is (manifest is not built)
        assert last_checkpoint(run, run.identity()) is None
        with open(own / "train.jsonl", "r+b") as file:
            lines = file.readlines()
            file.truncate(len(b"".join(lines[:-1])))
        with pytest.raises(UserError, match="checkpoints of another run"):
            last_checkpoint(run, run.identity())
        shutil.copyfile(data / "train.jsonl", own / "train.jsonl")


@pytest.mark.parametrize("held", ["", "too long"])
def test_a_run_without_validation_samples_trains_all_the_same(
    held: str, base: Path, data: Path, tmp_path: Path
) -> None:
    """Recipes that keep none back (the winners') get an empty validation.jsonl from the build."""
    own = shutil.copytree(data, tmp_path / "data")
    (own / "validation.jsonl").write_text("")
    if held:
        question = samples(1)[0]
        write_samples(own / "validation.jsonl", [replace(question, input_field=question.input_field + "long " * 400)])
    trainer, counts = make_trainer(TINY, own, base, tmp_path / "checkpoints")
    assert counts["samples"] == 60 and trainer.eval_dataset is None and trainer.args.eval_strategy == "no"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", "{}", "its tokenizer cannot be loaded"),
        ("chat_template.jinja", "{{ raise_exception('System role not supported') }}", "System role not supported"),
        ("chat_template.jinja", "{% for m in messages %}{{ m.content|lower }}{% endfor %}", "question once, as it is"),
    ],
)
def test_a_base_that_cannot_be_asked_is_refused_before_the_work(
    name: str, content: str, message: str, base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shutil.copytree(base, tmp_path / "base")
    (broken / name).write_text(content)
    arguments = ["--recipe", "embedded_a", "--data", data, "--base", broken, "--output", tmp_path / "out"]
    assert exit_code_of(command.main, list(map(str, arguments))) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


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
