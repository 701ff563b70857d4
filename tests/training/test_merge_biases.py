"""Adapters that were trained with the base's biases (PEFT's `bias="all"` and `"lora_only"`): merged as PEFT does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from shopbench.errors import BAD_INPUT, exit_code_of
from shopbench.files import write_json
from shopbench.sample import write_samples
from tests.training.sweep.test_sweep import alpha, question
from tests.training.test_merge import Make, load, make_adapter, merged_by_peft, run
from training.finetune import command as finetune
from training.sweep import engine as sweep_engine
from training.weights.adapters import read_adapter
from training.weights.tensors import fingerprint

LAYER = "model.layers.0.self_attn"
FILE = "adapter_model.safetensors"
SAID = "trained biases and embeddings can only be merged into the base (training.merge without --as-adapter)\n"


@pytest.fixture(scope="module")
def base(tiny_model: Make) -> Path:
    """Qwen2: its q, k and v have biases."""
    return tiny_model("qwen2", tie_word_embeddings=False)


def trained(base: Path, folder: Path, seed: int, bias: str) -> Path:
    """An adapter of q, o and up with everything that PEFT trains in it far from where it began."""
    torch.manual_seed(seed)
    targets = ["q_proj", "o_proj", "up_proj"]
    model = get_peft_model(load(base), LoraConfig(r=4, lora_alpha=6, target_modules=targets, bias=bias))
    for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    write_json(folder / "provenance.json", {"base_fingerprint": fingerprint(base), "prompt_hash": "p"})
    return folder


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One for each of PEFT's settings that train biases, by it."""
    folder = tmp_path_factory.mktemp("biased")
    return {bias: trained(base, folder / bias, seed, bias) for seed, bias in enumerate(("all", "lora_only"))}


@pytest.mark.parametrize(("bias", "modules"), [("all", "qkv"), ("lora_only", "q")])
def test_biases_are_merged_as_peft_does(
    bias: str, modules: str, base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    assert set(read_adapter(adapters[bias], 1.0).biases) == {
        f"model.layers.{layer}.self_attn.{module}_proj.bias" for layer in (0, 1) for module in modules
    }
    assert run(base, tmp_path / "out", f"{adapters[bias]}:1") == 0
    before, expected = load(base).state_dict(), merged_by_peft(base, adapters[bias])
    assert not torch.allclose(before[f"{LAYER}.q_proj.bias"], expected[f"{LAYER}.q_proj.bias"])
    got = load(tmp_path / "out").state_dict()
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=1e-6)


def test_a_sum_takes_of_each_adapter_what_its_biases_moved(
    base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    """PEFT itself loads one adapter with biases at most; one without moves none."""
    plain = make_adapter(base, tmp_path / "plain", 3, 2)
    weights = {adapters["all"]: 0.5, adapters["lora_only"]: 0.25, plain: 2.0}
    assert run(base, tmp_path / "out", *(f"{folder}:{weight}" for folder, weight in weights.items())) == 0
    got, before = load(tmp_path / "out").state_dict(), load(base).state_dict()
    parts = {folder: merged_by_peft(base, folder) for folder in weights}
    for name, tensor in before.items():
        expected = tensor + sum(weight * (parts[folder][name] - tensor) for folder, weight in weights.items())
        torch.testing.assert_close(got[name], expected, atol=1e-5, rtol=1e-5)
    moved = parts[adapters["all"]][f"{LAYER}.k_proj.bias"] - before[f"{LAYER}.k_proj.bias"]
    torch.testing.assert_close(got[f"{LAYER}.k_proj.bias"], before[f"{LAYER}.k_proj.bias"] + 0.5 * moved)


def test_a_merged_bias_is_rounded_once(base: Path, adapters: dict[str, Path], tmp_path: Path) -> None:
    load(base).to(torch.bfloat16).save_pretrained(tmp_path / "half")
    copy = shutil.copytree(adapters["all"], tmp_path / "adapter")
    (copy / "provenance.json").unlink()
    assert run(tmp_path / "half", tmp_path / "out", f"{copy}:1") == 0
    got, given = load_file(tmp_path / "out" / "model.safetensors"), load_file(copy / FILE)
    name = f"{LAYER}.k_proj.bias"
    assert torch.equal(got[name], given[f"base_model.model.{name}"].to(torch.bfloat16))


def test_biases_that_do_not_fit_are_one_line_and_leave_nothing(
    base: Path, adapters: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = load_file(adapters["all"] / FILE)
    known, start = f"base_model.model.{LAYER}.k_proj.bias", f"base_model.model.{LAYER}"
    cases = {
        f"changes {LAYER}.o_proj.bias, which {base} has not": {f"{start}.o_proj.base_layer.bias": torch.zeros(24)},
        f"{LAYER}.k_proj.bias is (3,), in {base} it is (8,); give the model": {known: torch.zeros(3)},
        f"{LAYER}.k_proj.bias: holds NaN or infinity": {known: torch.full((8,), float("nan"))},
        f"holds {LAYER}.q_proj.bias twice, under two names": {f"{start}.q_proj.bias": torch.zeros(24)},
        f"{LAYER}.q_proj.lora_B.bias is no product of LoRA's": {f"{start}.q_proj.lora_B.bias": torch.zeros(24)},
    }
    for number, (said, wrong) in enumerate(cases.items()):
        other = shutil.copytree(adapters["all"], tmp_path / str(number))
        save_file(weights | wrong, other / FILE)
        assert run(base, tmp_path / "out", f"{other}:1") == BAD_INPUT
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ") and said in error
        assert not (tmp_path / "out").exists() and not (tmp_path / ".out.part").exists()


def test_biases_are_in_no_adapter_that_is_served(
    base: Path,
    adapters: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """vLLM would refuse it (the test below) when its turn comes, in the midst of a sweep."""
    assert run(base, tmp_path / "out", f"{adapters['lora_only']}:0.5", extra=("--as-adapter",)) == BAD_INPUT
    error = capsys.readouterr().err
    assert error.endswith(SAID) and error.count("\n") == 1 and f"changes {LAYER}.q_proj.bias; " in error
    assert not (tmp_path / "out").exists()

    monkeypatch.setattr(sweep_engine, "serving", lambda *_: pytest.fail("an engine was started"))
    write_samples(tmp_path / "q.jsonl", [question(1)])
    assert alpha(base, adapters["all"], tmp_path / "q.jsonl", tmp_path / "sweep") == BAD_INPUT
    assert capsys.readouterr().err.endswith(SAID)


@pytest.mark.slow
def test_no_training_goes_on_from_biases(
    base: Path, adapters: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It trains none, so the adapter that it wrote would have lost them."""
    write_json(tmp_path / "manifest.json", {"recipe": "embedded_a"})
    options = {"--data": tmp_path, "--base": base, "--start": adapters["all"], "--output": tmp_path / "out"}
    arguments = ["--recipe", "embedded_a", *(str(word) for option in options.items() for word in option)]
    assert exit_code_of(finetune.main, arguments) == BAD_INPUT
    assert capsys.readouterr().err.endswith(SAID) and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_biases_that_a_base_has_not_do_not_keep_its_adapter_from_being_served(tiny_model: Make, tmp_path: Path) -> None:
    """PEFT trained and wrote none, whatever the setting says; vLLM goes by the setting."""
    peft_helper = pytest.importorskip("vllm.lora.peft_helper")
    lora_config = pytest.importorskip("vllm.config.lora")
    base = tiny_model("llama")
    adapter = trained(base, tmp_path / "adapter", 1, "all")
    assert run(base, tmp_path / "one", f"{adapter}:0.5", extra=("--as-adapter",)) == 0
    served = lora_config.LoRAConfig(max_lora_rank=8)
    read = {folder: json.loads((folder / "adapter_config.json").read_text()) for folder in (adapter, tmp_path / "one")}
    peft_helper.PEFTHelper.from_dict(read[tmp_path / "one"]).validate_legal(served)
    with pytest.raises(ValueError, match="bias is not supported"):
        peft_helper.PEFTHelper.from_dict(read[adapter]).validate_legal(served)


def test_embeddings_are_in_no_adapter_that_is_served(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = make_adapter(base, tmp_path / "adapter", 1, 4, target_modules=["embed_tokens", "q_proj"])
    assert run(base, tmp_path / "out", f"{adapter}:1", extra=("--as-adapter",)) == BAD_INPUT
    assert "changes model.embed_tokens.weight; " in capsys.readouterr().err
