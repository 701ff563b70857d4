"""Which of PEFT's adapter options a merge takes, each against PEFT's own result, and that it refuses all others."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file

from shopbench.errors import BAD_INPUT, UserError
from shopbench.files import write_json
from tests.training.test_merge import Make, load, make_adapter, merged_by_peft, run
from training.weights.adapters import IN_THE_SUM, PLAIN_STARTS, check_options, read_adapter

FIRST, LAST = "model.layers.0.self_attn.q_proj", "down_proj"


@pytest.fixture(scope="module")
def base(tiny_model: Make) -> Path:
    return tiny_model("qwen2", tie_word_embeddings=False)


def changed(adapter: Path, folder: Path, **options: Any) -> Path:
    """A copy of an adapter with other options in its configuration."""
    copy = shutil.copytree(adapter, folder)
    config = json.loads((copy / "adapter_config.json").read_text())
    write_json(copy / "adapter_config.json", {**config, **options})
    return copy


@pytest.fixture(scope="module")
def plain(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("plain") / "plain", 1, 4)


@pytest.mark.parametrize(
    "options",
    [
        {"alpha_pattern": {rf"^{FIRST}": 30}},
        {"alpha_pattern": {r"model\.layers\.[0]\..*_proj": 30, LAST: 2}},
        {"alpha_pattern": {r"layers\.1\..*": 3, "q_proj": 30}},
        {"alpha_pattern": {"q_proj": 3, FIRST: 30}},
        {"alpha_pattern": {"proj": 30, "(q|k)_proj": 2}},
        {"alpha_pattern": {r".*\.mlp\..*": 1.5}, "rank_pattern": {r"^model\.layers\.1\..*": 2}},
        {"rank_pattern": {r".*\.1\.mlp\.down_proj": 8, "down_proj": 2}, "use_rslora": True},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": "orthogonal"},
        {"layers_to_transform": [1], "layers_pattern": "layers"},
        {"target_modules": r".*\.(q_proj|up_proj)"},
        {"target_modules": "all-linear", "exclude_modules": ["o_proj"]},
        {"lora_dropout": 0.3},
    ],
    ids=json.dumps,
)
def test_an_option_that_is_taken_means_what_it_means_to_peft(base: Path, tmp_path: Path, options: Any) -> None:
    adapter = make_adapter(base, tmp_path / "adapter", 4, 4, **options)
    assert run(base, tmp_path / "out", f"{adapter}:1") == 0
    expected, got = merged_by_peft(base, adapter), load(tmp_path / "out").state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=1e-6)


def test_an_adapter_that_was_started_by_eva_is_a_plain_sum(base: Path, plain: Path, tmp_path: Path) -> None:
    """EVA only chooses A's start and the ranks; PEFT is asked what the trained adapter adds."""
    adapter = changed(plain, tmp_path / "eva", init_lora_weights="eva")
    assert run(base, tmp_path / "out", f"{adapter}:1") == 0
    ids = torch.tensor([[1, 5, 9, 200]])
    expected = PeftModel.from_pretrained(load(base), str(adapter))(ids).logits
    torch.testing.assert_close(load(tmp_path / "out")(ids).logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "start", ["pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga", "mica", "of tomorrow", None, 3]
)
def test_a_start_that_may_change_the_base_is_refused_by_name(plain: Path, tmp_path: Path, start: Any) -> None:
    with pytest.raises(UserError, match=rf"init_lora_weights is {start!r}"):
        read_adapter(changed(plain, tmp_path / "a", init_lora_weights=start), 1.0)


REFUSED = {
    "alora_invocation_tokens": [5, 6],
    "use_dora": True,
    "use_qalora": True,
    "modules_to_save": ["lm_head"],
    "trainable_token_indices": {"embed_tokens": [1]},
    "layer_replication": [[0, 2], [1, 2]],
    "target_parameters": ["mlp.experts.gate_up_proj"],
    "fan_in_fan_out": True,
    "lora_bias": True,
    "ensure_weight_tying": True,
    "megatron_config": {"tensor_parallel": 2},
    "use_bdlora": {"nblocks": 2},
    "arrow_config": {"top_k": 1},
    "kasa_config": {"beta": 1},
    "monteclora_config": {"a": 1},
    "velora_config": {"a": 1},
    "an_option_of_tomorrow": "on",
}


@pytest.mark.parametrize("option", REFUSED)
def test_an_option_that_a_sum_does_not_hold_is_refused_by_name(plain: Path, tmp_path: Path, option: str) -> None:
    with pytest.raises(UserError, match=f"sets {option}, "):
        read_adapter(changed(plain, tmp_path / "a", **{option: REFUSED[option]}), 1.0)


def test_every_option_of_the_installed_peft_is_at_its_default_or_named(plain: Path) -> None:
    """What PEFT writes for an adapter with all defaults is taken, so nothing has a default that would be refused."""
    config = {field.name: getattr(LoraConfig(), field.name) for field in fields(LoraConfig)}
    written = json.loads((plain / "adapter_config.json").read_text())
    check_options(plain, {**written, "init_lora_weights": True})
    unknown = set(IN_THE_SUM) - set(config) - {"peft_version"}
    assert not unknown, "names that PEFT does not have"
    assert PLAIN_STARTS[0] is True


@pytest.mark.parametrize("pattern", [{"(": 3}, {"q_proj": "many"}, {"q_proj": None}, ["q_proj"]])
def test_a_pattern_that_cannot_be_read_is_one_line(plain: Path, tmp_path: Path, pattern: Any) -> None:
    with pytest.raises(UserError, match=r"alpha_pattern (has|is)"):
        read_adapter(changed(plain, tmp_path / "a", alpha_pattern=pattern), 1.0)


def test_a_rank_that_is_not_the_tensors_is_refused(plain: Path, tmp_path: Path) -> None:
    """PEFT would refuse to load it; to divide alpha by either rank would be a guess."""
    with pytest.raises(UserError, match=r"has rank 4, by adapter_config\.json 8"):
        read_adapter(changed(plain, tmp_path / "a", r=8), 1.0)
    with pytest.raises(UserError, match="must be numbers"):
        read_adapter(changed(plain, tmp_path / "b", lora_alpha="much"), 1.0)


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "base_model.model.base_model.model."])
@pytest.mark.parametrize("infix", ["", ".default"])
def test_names_are_read_with_and_without_prefix(
    base: Path, plain: Path, tmp_path: Path, prefix: str, infix: str
) -> None:
    other = shutil.copytree(plain, tmp_path / "renamed")
    weights = load_file(other / "adapter_model.safetensors")
    renamed = {
        prefix + name.removeprefix("base_model.model.").replace(".weight", f"{infix}.weight"): tensor
        for name, tensor in weights.items()
    }
    save_file(renamed, other / "adapter_model.safetensors")
    assert run(base, tmp_path / "out", f"{other}:1") == 0
    expected, got = merged_by_peft(base, plain), load(tmp_path / "out").state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=1e-6)


def test_names_of_a_model_without_its_head_get_a_remedy(
    base: Path, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(plain, tmp_path / "headless")
    weights = load_file(other / "adapter_model.safetensors")
    headless = {name.replace("model.model.model.", "model.model."): tensor for name, tensor in weights.items()}
    assert headless.keys() != weights.keys()
    save_file(headless, other / "adapter_model.safetensors")
    assert run(base, tmp_path / "out", f"{other}:1") == BAD_INPUT
    assert "train or save the adapter on AutoModelForCausalLM" in capsys.readouterr().err


def test_a_pickle_is_never_opened(base: Path, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = shutil.copytree(plain, tmp_path / "pickle")
    torch.save({}, other / "adapter_model.bin")
    assert run(base, tmp_path / "both", f"{other}:1") == 0
    (other / "adapter_model.safetensors").unlink()
    assert run(base, tmp_path / "out", f"{other}:1") == BAD_INPUT
    assert "save_pretrained writes safetensors" in capsys.readouterr().err
    (other / "adapter_model.bin").unlink()
    assert run(base, tmp_path / "out", f"{other}:1") == BAD_INPUT
    assert "holds no adapter_model.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lora_alpha": True}, "must be numbers"),
        ({"lora_alpha": float("nan")}, "must be numbers"),
        ({"lora_alpha": 10**400}, "must be numbers"),
        ({"use_rslora": "false"}, "use_rslora must be true or false"),
        ({"alpha_pattern": {"q_proj": True}}, "a pattern and a number wanted"),
        ({"alpha_pattern": {"q_proj": float("inf")}}, "a pattern and a number wanted"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_value_is_not_taken_for_another(plain: Path, tmp_path: Path, options: Any, said: str) -> None:
    adapter = changed(plain, tmp_path / "a")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, **options}))
    with pytest.raises(UserError, match=said):
        read_adapter(adapter, 1.0)


def test_halves_that_make_no_pair_are_refused(plain: Path, tmp_path: Path) -> None:
    first = f"base_model.model.{FIRST}.lora_A.weight"
    second = first.replace("lora_A", "lora_B")
    weights = load_file(plain / "adapter_model.safetensors")
    broken = {
        "has no other half": [
            {name: tensor for name, tensor in weights.items() if name != first},
            {name: tensor for name, tensor in weights.items() if name != second},
            weights | {second: weights[second][:, :2].clone()},
            weights | {first: weights[first][None].clone()},
        ],
        "twice, under two names": [weights | {first.removeprefix("base_model.model."): weights[first] * 2}],
    }
    for said, cases in broken.items():
        for number, case in enumerate(cases):
            other = shutil.copytree(plain, tmp_path / f"{said}{number}")
            save_file(case, other / "adapter_model.safetensors")
            with pytest.raises(UserError, match=said):
                read_adapter(other, 1.0)


@pytest.mark.parametrize(
    "of_first",
    [
        {"layers_to_transform": [0]},
        {"layers_to_transform": [0], "layers_pattern": "layers"},
        {"target_modules": "all-linear", "exclude_modules": ["q_proj"]},
    ],
    ids=json.dumps,
)
def test_joined_adapters_reach_all_that_each_of_them_reached(base: Path, tmp_path: Path, of_first: Any) -> None:
    parts = [make_adapter(base, tmp_path / "1", 1, 4, **of_first), make_adapter(base, tmp_path / "2", 2, 8)]
    named = [f"{part}:0.5" for part in parts]
    assert run(base, tmp_path / "merged", *named) == run(base, tmp_path / "one", *named, extra=("--as-adapter",)) == 0
    expected, got = load(tmp_path / "merged").state_dict(), merged_by_peft(base, tmp_path / "one")
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-5, rtol=1e-5)
