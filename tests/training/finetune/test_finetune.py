"""Fine-tuning: exact batches, the loss on answers only, the faster LoRA, and runs that are killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from shopbench.errors import UserError, exit_code_of
from shopbench.sample import Sample, write_samples
from shopbench.tasks import TaskType
from training import recipes
from training.finetune import command, lora_linear, packed_attention
from training.finetune.batches import Encoded, Packed, Padded, encode, plan
from training.finetune.command import TrainingRun, last_checkpoint
from training.finetune.trainer import AnswerTrainer
from training.weights.base import load_tokenizer

Make = Callable[..., Path]


def samples(count: int = 24) -> list[Sample]:
    """Invented questions of three task types and of many lengths."""
    made = []
    for number in range(count):
        kind = (TaskType.MULTIPLE_CHOICE, TaskType.GENERATION, TaskType.RETRIEVAL)[number % 3]
        question = f"Which of these {number} goods fits?\n" + "\n".join(f"{i}. thing {i}" for i in range(number % 7))
        truth: Any = {"m": number % 4, "g": f"a blue cup, {number} pieces", "r": (1, 2, number % 9)}[kind[0]]
        made.append(Sample(question, truth, f"made{number % 3}", kind, "accuracy", kind[0] == "m"))
    return made


@pytest.fixture(scope="module")
def base(tiny_model: Make) -> Path:
    return tiny_model("llama", tie_word_embeddings=True)


@pytest.fixture(scope="module")
def encoded(base: Path) -> list[Encoded]:
    return encode(load_tokenizer(base), samples(), 400)[0]


def model_of(folder: Path, attention: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32)


def alone(model: Any, sample: Encoded) -> torch.Tensor:
    """Logits that predict a sample's answer, the sample being by itself."""
    logits = model(input_ids=torch.tensor([[*sample.head, *sample.body]])).logits[0]
    return logits[-sample.answer - 1 : -1]


def test_a_packed_row_computes_what_its_samples_compute_alone(base: Path, encoded: list[Encoded]) -> None:
    numbers = [0, 1, 2, 3, 4, 9, 17]
    batch = Packed(encoded)([{"samples": numbers}])
    assert batch["input_ids"].shape[1] < sum(encoded[number].length for number in numbers), "heads are shared"
    together = model_of(base, packed_attention.NAME)(**batch).logits[0]
    expected = torch.cat([alone(model_of(base, "sdpa"), encoded[number]) for number in numbers])
    torch.testing.assert_close(together, expected, atol=1e-5, rtol=1e-4)


def test_packed_and_padded_batches_have_the_loss_and_gradients_of_separate_samples(
    base: Path, encoded: list[Encoded]
) -> None:
    numbers = [5, 6, 7, 8, 13]

    def gradients(attention: str, batches: list[dict[str, Any]]) -> tuple[float, list[torch.Tensor]]:
        model = model_of(base, attention)
        answers = sum(encoded[number].answer for number in numbers)
        losses = [model(**batch, num_items_in_batch=torch.tensor(answers)).loss for batch in batches]
        sum(losses).backward()  # type: ignore[union-attr]
        return float(sum(losses).detach()), [parameter.grad for parameter in model.parameters()]

    separate = gradients("sdpa", [Padded(encoded, 0)([{"samples": [number]}]) for number in numbers])
    for layout, attention in ((Packed(encoded), packed_attention.NAME), (Padded(encoded, 0), "sdpa")):
        loss, grads = gradients(attention, [layout([{"samples": numbers}])])
        assert loss == pytest.approx(separate[0], rel=1e-5)
        for got, expected in zip(grads, separate[1], strict=True):
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-3)


def test_bloom_is_padded_and_its_loss_is_that_of_separate_samples(tiny_model: Make) -> None:
    folder = tiny_model("bloom", n_layer=2, n_head=4, hidden_size=24)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert not model._supports_attention_backend
    items = encode(load_tokenizer(folder), samples(8), 400)[0]
    batch = Padded(items, 0)([{"samples": [0, 1, 2, 7]}])
    logits = model(**batch).logits
    expected = torch.cat([alone(model, items[number]) for number in (0, 1, 2, 7)])
    torch.testing.assert_close(logits[batch["labels"] != -100], expected, atol=1e-4, rtol=1e-3)


def test_only_answers_are_labels(base: Path, encoded: list[Encoded]) -> None:
    tokenizer = load_tokenizer(base)
    labels = Packed(encoded)([{"samples": [0, 1, 2]}])["labels"][0]
    assert tokenizer.decode(labels) == "0<|im_end|>a blue cup, 1 pieces<|im_end|>1,2,2<|im_end|>"


def test_the_faster_lora_is_pefts(base: Path, encoded: list[Encoded]) -> None:
    config = LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", init_lora_weights=False)
    batch = Packed(encoded)([{"samples": [0, 4, 8]}])
    results = []
    for fast in (False, True):
        torch.manual_seed(1)
        model = get_peft_model(model_of(base, packed_attention.NAME), config)
        assert not fast or lora_linear.speed_up(model) == 14
        loss = model(**batch).loss
        loss.backward()
        results.append([loss, *(p.grad for p in model.parameters() if p.requires_grad)])
    for got, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_the_faster_lora_of_a_bfloat16_base_points_where_pefts_does(base: Path, encoded: list[Encoded]) -> None:
    config = LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", init_lora_weights=False)
    batch = Packed(encoded)([{"samples": [0, 4, 8]}])
    results = []
    for fast in (False, True):
        torch.manual_seed(1)
        model = get_peft_model(model_of(base, packed_attention.NAME).to(torch.bfloat16), config)
        for name, parameter in model.named_parameters():
            parameter.data = parameter.data.float() if "lora_" in name else parameter.data
        assert not fast or lora_linear.speed_up(model) == 14
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        results.append([loss.detach(), *(p.grad for p in model.parameters() if p.requires_grad)])
    assert float(results[1][0]) == pytest.approx(float(results[0][0]), rel=0.01)
    for got, expected in zip(results[1][1:], results[0][1:], strict=True):
        assert got.dtype is torch.float32
        assert torch.cosine_similarity(got.flatten(), expected.flatten(), 0) > 0.97


def test_the_faster_lora_leaves_dropout_to_peft(base: Path) -> None:
    config = LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear")
    assert lora_linear.speed_up(get_peft_model(model_of(base, "sdpa"), config)) == 0


@pytest.mark.parametrize("packed", [True, False])
def test_shares_make_every_sample_weigh_the_same(base: Path, encoded: list[Encoded], packed: bool) -> None:
    numbers = [5, 6, 7, 8, 13]
    layout: Any = Packed(encoded, True) if packed else Padded(encoded, 0, True)
    batch = layout([{"samples": numbers}])
    shares, labels = batch.pop("shares"), batch["shift_labels"]
    logits = model_of(base, packed_attention.NAME if packed else "sdpa")(**batch).logits
    trainer: Any = SimpleNamespace(current_gradient_accumulation_steps=2, model=SimpleNamespace(training=True))
    got = AnswerTrainer._mean_over_samples(trainer, logits, labels, shares, 99)
    own = [
        torch.nn.functional.cross_entropy(alone(model_of(base, "sdpa"), sample), torch.tensor(answer_of(sample)))
        for sample in (encoded[number] for number in numbers)
    ]
    assert len({encoded[number].answer for number in numbers}) > 1
    assert float(got) == pytest.approx(float(sum(own)) / len(own) / 2, rel=1e-4)


def answer_of(sample: Encoded) -> tuple[int, ...]:
    return sample.body[-sample.answer :]


@pytest.mark.parametrize("packed", [True, False])
def test_a_plan_uses_every_sample_once_an_epoch_and_keeps_the_budget(encoded: list[Encoded], packed: bool) -> None:
    batches = plan(encoded, 1000, 2, seed=3, packed=packed)
    assert sorted(number for batch in batches for number in batch) == sorted([*range(24), *range(24)])
    layout: Any = Packed(encoded) if packed else Padded(encoded, 0)
    assert all(layout([{"samples": batch}])["input_ids"].numel() <= 1000 for batch in batches)
    assert batches == plan(encoded, 1000, 2, seed=3, packed=packed) != plan(encoded, 1000, 2, seed=4, packed=packed)


def test_a_plan_by_samples(encoded: list[Encoded]) -> None:
    assert {len(batch) for batch in plan(encoded, 10**6, 1, seed=3, size=8)} == {8}


def test_samples_over_the_length_are_left_out_and_counted(base: Path) -> None:
    items, too_long = encode(load_tokenizer(base), samples(), 200)
    assert too_long == 24 - len(items) > 0 and all(item.length <= 200 for item in items)


# --- Whole runs, on the recipe below.

TINY = recipes.Recipe(
    "embedded_a",
    {},
    recipes.Training(
        base="tiny",
        method="lora",
        rank=4,
        alpha=8,
        dropout=0.1,
        learning_rate=5e-3,
        epochs=3,
        accumulation=2,
        tokens_per_batch=600,
        max_length=400,
        warmup=0.1,
    ),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_samples(folder / "train.jsonl", samples(60))
    write_samples(folder / "validation.jsonl", samples(6))
    (folder / "manifest.json").write_text(json.dumps({"recipe": "embedded_a"}))
    return folder


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


RUNNER = """
import sys
sys.path.insert(0, {repository!r})
from tests.training.finetune import test_finetune
from training.finetune.command import TrainingRun, finetune
from pathlib import Path
finetune(TrainingRun(test_finetune.TINY, Path({data!r}), Path({output!r}), Path({base!r})))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(base: Path, data: Path, tmp_path: Path, repository: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code = RUNNER.format(repository=str(repository), data=str(data), output=str(killed), base=str(base))
    process = subprocess.Popen([sys.executable, "-c", code], cwd=repository, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not list(killed.glob("checkpoints/checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert list(killed.glob("checkpoints/checkpoint-*")) and not (killed / "provenance.json").exists()
    command.finetune(TrainingRun(TINY, data, killed, base))
    command.finetune(TrainingRun(TINY, data, whole, base))
    resumed, expected = adapter(killed), adapter(whole)
    assert resumed.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(resumed[name], tensor, atol=0, rtol=0)


def test_a_run_lowers_the_loss_and_says_what_it_was(base: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "adapter"
    training = replace(TINY.training, train_lm_head=True, learning_rate=0.05)
    run = TrainingRun(replace(TINY, training=training), data, output, base)
    command.finetune(run)
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
    command.finetune(run)
    assert (output / "adapter_model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds other weights"):
        command.finetune(replace(run, recipe=replace(run.recipe, seed=7)))


def test_full_finetuning_writes_a_model(base: Path, data: Path, tmp_path: Path) -> None:
    training = replace(TINY.training, method="full", epochs=1, learning_rate=1e-3)
    command.finetune(TrainingRun(replace(TINY, training=training), data, tmp_path / "full", base))
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


# --- Several GPUs and machines.

CONFIGS = sorted((Path(__file__).resolve().parents[3] / "training" / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_builds_the_plugin_of_each_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `accelerate launch` makes of the file: environment variables, and from them FSDP's settings."""
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    config = load_config_from_file(str(path))
    assert config.num_processes == 8 * config.num_machines and str(config.mixed_precision) == "bf16"
    arguments = ["--config_file", str(path), "--main_process_ip", "10.0.0.1", "--main_process_port", "29500"]
    given = launch_command_parser().parse_args([*arguments, "-m", "training.finetune", "--recipe", "v7"])
    given, _, _ = _validate_launch_command(given)
    environment = prepare_multi_gpu_env(given)
    for name, value in environment.items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    assert environment["FSDP_SYNC_MODULE_STATES"] == environment["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "true"
    for name in ("FSDP_SYNC_MODULE_STATES", "FSDP_CPU_RAM_EFFICIENT_LOADING"):  # these look for a GPU at once
        monkeypatch.setenv(name, "false")
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.sharding_strategy.name == "FULL_SHARD" and plugin.fsdp_version == 1
    assert plugin.use_orig_params is (path.stem == "fsdp_full")
