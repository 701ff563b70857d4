"""Merging: PEFT's own result for one adapter, the sum of deltas for several, streamed, and refusals."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from shopbench.errors import BAD_INPUT, INTERRUPTED, UserError, exit_code_of
from shopbench.files import write_json
from training import merge
from training.weights import tensors
from training.weights.tensors import fingerprint

Make = Callable[..., Path]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def make_adapter(base: Path, folder: Path, seed: int, rank: int, known: bool = True, **options: Any) -> Path:
    """A random adapter as PEFT saves it; `known` says whether its provenance names its base."""
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, **{"lora_alpha": 6, "target_modules": TARGETS, "init_lora_weights": False, **options})
    model = get_peft_model(load(base), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    if known:
        write_json(folder / "provenance.json", {"base_fingerprint": fingerprint(base), "prompt_hash": "p"})
    return folder


def merged_by_peft(base: Path, adapter: Path) -> dict[str, torch.Tensor]:
    merged = PeftModel.from_pretrained(load(base), str(adapter)).merge_and_unload()
    return {name: tensor.detach().clone() for name, tensor in merged.state_dict().items()}


def run(base: Path, output: Path, *adapters: str, extra: tuple[str, ...] = ()) -> int:
    arguments = ["--recipe", "embedded", "--base", str(base), "--output", str(output), "--adapters", *adapters, *extra]
    return exit_code_of(merge.main, arguments)


@pytest.fixture(scope="module")
def base(tiny_model: Make) -> Path:
    return tiny_model("qwen2", tie_word_embeddings=False, shard="20KB")


@pytest.fixture(scope="module")
def two(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters of different ranks, kinds of scaling and targets."""
    folder = tmp_path_factory.mktemp("adapters")
    first = make_adapter(base, folder / "first", 1, 4, alpha_pattern={"q_proj": 9}, rank_pattern={"o_proj": 2})
    second = make_adapter(base, folder / "second", 2, 8, use_rslora=True, target_modules=["q_proj", "down_proj"])
    return [first, second]


def test_one_adapter_is_merged_as_peft_does(base: Path, two: list[Path], tmp_path: Path) -> None:
    assert len(list(base.glob("model-*.safetensors"))) > 3
    for adapter in two:
        output = tmp_path / adapter.name
        assert run(base, output, f"{adapter}:1.0") == 0
        expected = merged_by_peft(base, adapter)
        got = {name: tensor for file in output.glob("*.safetensors") for name, tensor in load_file(file).items()}
        assert got.keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=1e-6)
        assert load(output).state_dict().keys() == expected.keys()


def test_an_ensemble_is_the_base_and_the_weighted_sum_of_deltas(base: Path, two: list[Path], tmp_path: Path) -> None:
    assert run(base, tmp_path / "out", f"{two[0]}:0.56", f"{two[1]}:0.75", extra=("--alpha", "0.5")) == 0
    got, before = load(tmp_path / "out").state_dict(), load(base).state_dict()
    parts = [merged_by_peft(base, adapter) for adapter in two]
    for name, tensor in before.items():
        expected = tensor + 0.28 * (parts[0][name] - tensor) + 0.375 * (parts[1][name] - tensor)
        torch.testing.assert_close(got[name], expected, atol=1e-6, rtol=1e-5)
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert [part["weight"] for part in facts["adapters"]] == [0.28, 0.375] and facts["prompt_hash"] == "p"


def test_a_weight_is_read_in_slices(
    base: Path, two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(base, tmp_path / "whole", f"{two[0]}:1", f"{two[1]}:1") == 0
    monkeypatch.setattr(tensors, "SLICE", 300)
    assert run(base, tmp_path / "slices", f"{two[0]}:1", f"{two[1]}:1") == 0
    for file in (tmp_path / "whole").glob("*.safetensors"):
        for name, tensor in load_file(tmp_path / "slices" / file.name).items():
            torch.testing.assert_close(tensor, load_file(file)[name], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("targets", [["lm_head", "q_proj"], ["embed_tokens", "v_proj"], ["q_proj"]])
def test_tied_weights_part_only_when_one_of_them_changes(tiny_model: Make, tmp_path: Path, targets: list[str]) -> None:
    base = tiny_model("llama", tie_word_embeddings=True)
    adapter = make_adapter(base, tmp_path / "adapter", 3, 4, target_modules=targets)
    assert run(base, tmp_path / "out", f"{adapter}:1") == 0
    parted = targets != ["q_proj"]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is not parted
    ids = torch.tensor([[1, 5, 9, 200]])
    expected = PeftModel.from_pretrained(load(base), str(adapter))(ids).logits
    torch.testing.assert_close(load(tmp_path / "out")(ids).logits, expected, atol=1e-4, rtol=1e-4)


def test_the_ensemble_as_one_adapter_computes_the_merged_model(base: Path, two: list[Path], tmp_path: Path) -> None:
    adapters = (f"{two[0]}:0.56", f"{two[1]}:0.25")
    assert run(base, tmp_path / "merged", *adapters) == 0
    assert run(base, tmp_path / "one", *adapters, extra=("--as-adapter",)) == 0
    config = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == 12
    ids = torch.tensor([[1, 5, 9, 200]])
    served = PeftModel.from_pretrained(load(base), str(tmp_path / "one"))(ids).logits
    torch.testing.assert_close(served, load(tmp_path / "merged")(ids).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", [5, 12, 100])
def test_the_ensemble_as_one_adapter_of_a_lower_rank_is_the_nearest_there_is(
    rank: int, base: Path, two: list[Path], tmp_path: Path
) -> None:
    adapters = (f"{two[0]}:0.56", f"{two[1]}:0.25")
    for name, extra in (("whole", ()), ("one", ("--rank", str(rank)))):
        assert run(base, tmp_path / name, *adapters, extra=("--as-adapter", *extra)) == 0
    config = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == min(rank, 12)
    whole, one = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "one"))
    assert whole.keys() == one.keys()
    for name in (name for name in whole if name.endswith("lora_A.weight")):
        other = name.replace("lora_A", "lora_B")
        u, values, v = torch.linalg.svd(whole[other] @ whole[name], full_matrices=False)
        kept = torch.where(torch.arange(len(values)) < rank, values, 0.0)
        torch.testing.assert_close(one[other] @ one[name], (u * kept) @ v, atol=1e-6, rtol=1e-4)


def test_a_merged_model_has_no_rank(base: Path, two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(base, tmp_path / "out", f"{two[0]}:1", extra=("--rank", "4"))
    assert not (tmp_path / "out").exists()


def test_one_shard_under_another_name_is_found_again(tiny_model: Make, tmp_path: Path) -> None:
    """As some models are published: model-00001-of-00001.safetensors, and an index that names it."""
    base = shutil.copytree(tiny_model("llama", seed=5), tmp_path / "base")
    whole, named = base / "model.safetensors", base / "model-00001-of-00001.safetensors"
    places = dict.fromkeys(load_file(whole), named.name)
    whole.rename(named)
    write_json(base / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    adapter = make_adapter(base, tmp_path / "adapter", 1, 4)
    assert run(base, tmp_path / "out", f"{adapter}:1") == 0
    expected, got = merged_by_peft(base, adapter), load(tmp_path / "out").state_dict()
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=1e-6)


def test_a_base_without_a_chat_template_gets_the_adapters_by_way_of_one_adapter_too(
    tiny_model: Make, tmp_path: Path
) -> None:
    plain = tiny_model("llama", seed=6)
    adapters = [make_adapter(plain, tmp_path / name, number, 2) for number, name in enumerate(("a", "b"))]
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(plain / file, adapters[1] / file)
    (adapters[1] / "chat_template.jinja").write_text("its template")
    (plain / "chat_template.jinja").unlink()
    names = [f"{adapter}:0.5" for adapter in adapters]
    assert run(plain, tmp_path / "one", *names, extra=("--as-adapter",)) == 0
    for number, given in enumerate((names, [f"{tmp_path / 'one'}:1"])):
        assert run(plain, tmp_path / str(number), *given) == 0
        assert (tmp_path / str(number) / "chat_template.jinja").read_text() == "its template"


def test_bf16_is_rounded_once(base: Path, two: list[Path], tmp_path: Path) -> None:
    half = tmp_path / "half"
    load(base).to(torch.bfloat16).save_pretrained(half)
    adapters = []
    for adapter in two:
        copy = shutil.copytree(adapter, tmp_path / f"{adapter.name}_half")
        write_json(copy / "provenance.json", {"base_fingerprint": fingerprint(half)})
        adapters.append(f"{copy}:0.5")
    assert run(half, tmp_path / "out", *adapters) == 0
    got = load_file(tmp_path / "out" / "model.safetensors")
    parts = [merged_by_peft(half, adapter) for adapter in two]
    for name, tensor in load_file(half / "model.safetensors").items():
        exact = tensor.float() + sum(0.5 * (part[name] - tensor.float()) for part in parts)
        assert got[name].dtype is torch.bfloat16
        assert ((got[name].float() - exact).abs() <= exact.abs() * 2**-8 + 1e-6).all(), name


def test_a_killed_merge_keeps_its_whole_shards(
    base: Path, two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of a killed run (its clean-up never happens) is found again by the same command only."""
    whole, written = tensors.write, []

    def killed_at_the_third(path: Path, *arguments: Any) -> None:
        if len(written) == 2:
            monkeypatch.setattr("training.weights.folders.shutil.rmtree", lambda *_, **__: None)
            raise KeyboardInterrupt
        written.append(path.name)
        whole(path, *arguments)

    monkeypatch.setattr(tensors, "write", killed_at_the_third)
    assert run(base, tmp_path / "out", f"{two[0]}:1") == INTERRUPTED
    monkeypatch.undo()
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(tensors, "write", lambda path, *a: (written.append(path.name), whole(path, *a)))
    assert run(base, tmp_path / "out", f"{two[0]}:1") == 0
    assert len(written) == len(set(written)) == len(list(base.glob("model-*.safetensors")))


def test_an_adapter_of_another_base_is_refused(
    tiny_model: Make, base: Path, two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny_model("qwen2", seed=5, tie_word_embeddings=False)
    assert run(other, tmp_path / "out", f"{two[0]}:1") == 2
    assert "was trained on other weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    "named",
    [
        None,
        "/data/models/x",
        "/root/.cache/huggingface/hub/models--A--B/snapshots/0123abc",
        "unsloth/smollm2-135m-instruct-bnb-4bit",
        "somewhere/SmolLM2-135M-Instruct",
    ],
)
def test_a_base_from_elsewhere_is_told_by_its_shapes_not_by_its_name(
    base: Path, two: list[Path], tmp_path: Path, named: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = shutil.copytree(two[0], tmp_path / "elsewhere")
    (adapter / "provenance.json").unlink()
    config = json.loads((adapter / "adapter_config.json").read_text())
    write_json(adapter / "adapter_config.json", {**config, "base_model_name_or_path": named})
    assert run(base, tmp_path / "out", f"{adapter}:1") == 0
    told = capsys.readouterr().err
    assert (f"says it was trained on {named or 'an unnamed base'}" in told) == (
        named != "somewhere/SmolLM2-135M-Instruct"
    )
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert facts["adapters"][0]["trained_on"] == (named or "an unnamed base")


@pytest.mark.parametrize("as_one", [(), ("--as-adapter",)])
def test_another_models_shapes_are_refused(
    tiny_model: Make, two: list[Path], tmp_path: Path, as_one: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = shutil.copytree(two[0], tmp_path / "elsewhere")
    (adapter / "provenance.json").unlink()
    wide = tiny_model("qwen2", tie_word_embeddings=False, intermediate_size=256)
    assert run(wide, tmp_path / "out", f"{adapter}:1", extra=as_one) == BAD_INPUT
    assert "give the model it was trained on as --base" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_line_and_leaves_nothing(
    tiny_model: Make, base: Path, two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error_of(*arguments: Any, **options: Any) -> str:
        assert run(*arguments, **options) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert not (tmp_path / "out").exists() and not (tmp_path / ".out.part").exists()
        return error

    out = tmp_path / "out"
    assert "wants NAME:WEIGHT" in error_of(base, out, "v8:heavy")
    assert "holds no adapter" in error_of(base, out, "nowhere:0.5")
    assert "holds no model" in error_of(tmp_path, out, f"{two[0]}:1")

    bad = shutil.copytree(two[0], tmp_path / "nan")
    weights = load_file(bad / "adapter_model.safetensors")
    next(iter(weights.values()))[0, 0] = float("nan")
    save_file(weights, bad / "adapter_model.safetensors")
    assert "holds NaN or infinity" in error_of(base, out, f"{bad}:1")

    (bad / "adapter_model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    assert "no whole safetensors file" in error_of(base, out, f"{bad}:1")

    dora = make_adapter(base, tmp_path / "dora", 1, 4, use_dora=True)
    assert "sets use_dora" in error_of(base, out, f"{dora}:1")

    broken = shutil.copytree(base, tmp_path / "broken")
    shard = sorted(broken.glob("model-*.safetensors"))[2]
    shard.write_bytes(shard.read_bytes()[:-100])
    assert "no whole safetensors file" in error_of(broken, out, f"{two[0]}:1")
    shard.unlink()
    assert f"lacks {shard.name}" in error_of(broken, out, f"{two[0]}:1")


def test_a_full_disk_is_seen_before_the_work(
    base: Path, two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("training.weights.folders.shutil.disk_usage", lambda _: usage)
    assert run(base, tmp_path / "out", f"{two[0]}:1") == 2
    assert "are free; make room" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_disk_that_is_full_during_the_work_is_one_line_and_leaves_nothing(
    base: Path, two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A write to an open file fails without a path: the message must name the output all the same."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tensors, "_write_rows", full)
    assert run(base, tmp_path / "out", f"{two[0]}:1") == BAD_INPUT
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == f"error: {tmp_path / 'out'}: cannot be written (No space left on device); make room"
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_is_no_full_disk(
    base: Path, two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(tensors, "_write_rows", broken)
    with pytest.raises(OSError, match="Input/output error"):
        run(base, tmp_path / "out", f"{two[0]}:1")
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_never_overwritten(base: Path, two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("x")
    with pytest.raises(UserError, match="exists; delete it"):
        merge.merge_weights(merge.resolve("embedded", base, [f"{two[0]}:1"], 1.0), tmp_path / "out")
    assert (tmp_path / "out" / "precious").read_text() == "x"


def test_adapters_that_name_options_in_different_ways_are_not_merged(
    base: Path, two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_text = tmp_path / "by_text"
    shutil.copytree(two[0], by_text)
    facts = json.loads((two[0] / "provenance.json").read_text())
    write_json(by_text / "provenance.json", {**facts, "training": {"answer_by": "text"}})
    assert run(base, tmp_path / "out", f"{by_text}:1", f"{two[1]}:1") == 2
    assert "name options by" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(base, tmp_path / "alone", f"{by_text}:0.5") == 0
    assert json.loads((tmp_path / "alone" / "provenance.json").read_text())["answer_by"] == "text"
