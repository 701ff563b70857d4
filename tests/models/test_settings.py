"""What is chosen for which weights on which machine, and what is refused with which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.settings import Behaviour, EngineSettings, Machine, SettingsError, behaviour, choose
from models.weights import (
    Weights,
    WeightsError,
    active_track,
    answer_by,
    check_weights,
    find_weights,
    track_folder,
    warn_if_other_prompts,
)

GIB = 1024**3
FOUR_T4 = Machine(gpu_memory=(15 * GIB,) * 4, capability=(7, 5))
ONE_H200 = Machine(gpu_memory=(139 * GIB,), capability=(9, 0))
AVX2 = Machine(cpu_flags=frozenset({"avx2", "fma"}), cpu_memory=24 * GIB)
AMX = Machine(cpu_flags=frozenset({"avx2", "avx512_bf16", "amx_bf16"}), cpu_memory=24 * GIB)

SMOL = {
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "hidden_size": 576,
    "head_dim": 64,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "max_position_embeddings": 8192,
}
QWEN_72B = {
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "hidden_size": 8192,
    "intermediate_size": 29568,
    "num_hidden_layers": 80,
    "max_position_embeddings": 32768,
    "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128},
}
PADDED = QWEN_72B | {"intermediate_size": 29696}


def weights(config: dict[str, Any], gib: float) -> Weights:
    return Weights(Path("weights/some"), config, int(gib * GIB))


def chosen(config: dict[str, Any], gib: float, machine: Machine, **environment: str) -> EngineSettings:
    return choose(weights(config, gib), machine, environment)


def test_the_winning_model_on_the_competition_s_machine() -> None:
    settings = chosen(PADDED, 38.7, FOUR_T4)
    assert (settings.tensor_parallel, settings.dtype, settings.context) == (4, "float16", 3072)
    assert (settings.eager, settings.block_size, settings.sequences, settings.quantization) == (False, 16, 16, None)


def test_one_big_gpu_takes_it_alone() -> None:
    settings = chosen(PADDED, 38.7, ONE_H200)
    assert (settings.tensor_parallel, settings.dtype) == (1, "bfloat16")


def test_more_workers_than_gpus_are_spread_over_a_ray_cluster() -> None:
    settings = chosen(PADDED, 100, FOUR_T4, SHOPBENCH_TENSOR_PARALLEL="8")
    assert (settings.tensor_parallel, settings.ray) == (8, True)
    assert not chosen(PADDED, 38.7, FOUR_T4).ray
    with pytest.raises(WeightsError, match=r"100.0 GiB of weights on 4 x .* quantize them"):
        chosen(PADDED, 100, FOUR_T4, SHOPBENCH_TENSOR_PARALLEL="4")


def test_a_small_model_needs_one_of_four_gpus() -> None:
    assert chosen(SMOL, 0.3, FOUR_T4).tensor_parallel == 1


def test_heads_bound_the_number_of_workers() -> None:
    assert chosen(SMOL, 30, FOUR_T4).tensor_parallel == 3


@pytest.mark.parametrize(("machine", "dtype"), [(AVX2, "float32"), (AMX, "bfloat16")])
def test_a_cpu_computes_in_what_it_has(machine: Machine, dtype: str) -> None:
    settings = chosen(SMOL, 0.3, machine)
    assert (settings.on_gpu, settings.tensor_parallel, settings.dtype, settings.eager) == (False, 1, dtype, True)
    assert settings.block_size == 32
    values = 16 * 3072 * 30 * 3 * 64 * 2
    assert settings.cache_bytes == values * (4 if dtype == "float32" else 2)


def test_a_short_model_bounds_the_context() -> None:
    assert chosen(SMOL | {"max_position_embeddings": 2048}, 0.3, AVX2).context == 2048


def test_everything_can_be_overridden() -> None:
    settings = chosen(
        SMOL,
        0.3,
        AVX2,
        SHOPBENCH_TENSOR_PARALLEL="3",
        SHOPBENCH_DTYPE="bfloat16",
        SHOPBENCH_QUANTIZATION="awq",
        SHOPBENCH_MEMORY_SHARE="0.5",
        SHOPBENCH_CONTEXT="1024",
        SHOPBENCH_BLOCK_SIZE="64",
        SHOPBENCH_EAGER="0",
    )
    assert (settings.tensor_parallel, settings.dtype, settings.quantization) == (3, "bfloat16", "awq")
    assert (settings.memory_share, settings.context, settings.block_size) == (0.5, 1024, 64)
    assert (settings.eager, settings.sequences) == (False, 16)


def test_a_cpu_without_kernels_for_quantized_weights_is_told_so() -> None:
    quantized = SMOL | {"quantization_config": {"quant_method": "awq", "group_size": 64}}
    with pytest.raises(WeightsError, match=r"AVX-512 only, this one has AVX2; serve the float model"):
        chosen(quantized, 0.1, AVX2)
    avx512 = Machine(cpu_flags=AVX2.cpu_flags | {"avx512f"}, cpu_memory=AVX2.cpu_memory)
    assert chosen(quantized, 0.1, avx512).dtype == "bfloat16"


def test_eight_bits_are_for_cpus_whose_sums_of_products_do_not_overflow() -> None:
    both = {"weights": {"num_bits": 8}, "input_activations": {"num_bits": 8, "type": "int", "dynamic": True}}
    w8a8 = SMOL | {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"all": both}}}

    def cpu(*flags: str) -> Machine:
        return Machine(cpu_flags=AVX2.cpu_flags | set(flags), cpu_memory=AVX2.cpu_memory)

    with pytest.raises(WeightsError, match="need a CPU with VNNI"):
        chosen(w8a8, 0.1, cpu("avx512f"))
    assert chosen(w8a8, 0.1, cpu("avx512f", "avx512_vnni")).dtype == "float32"
    assert chosen(w8a8, 0.1, cpu("avx512f", "avx512_vnni", "avx512_bf16")).dtype == "bfloat16"


def test_behaviour_is_read_from_the_environment() -> None:
    assert behaviour({}) == Behaviour(16, "exact", None)
    environment = {
        "SHOPBENCH_BATCH_SIZE": "8",
        "SHOPBENCH_CONSTRAINTS": "winners",
        "SHOPBENCH_RUN_SECONDS": "1200",
        "SHOPBENCH_QUESTION_SECONDS": "600",
    }
    assert behaviour(environment) == Behaviour(8, "winners", 1200.0, question_seconds=600.0)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SHOPBENCH_BATCH_SIZE", "17", "1 to 16"),
        ("SHOPBENCH_BATCH_SIZE", "2.5", "whole number"),
        ("SHOPBENCH_EAGER", "many", "SHOPBENCH_EAGER=many"),
        ("SHOPBENCH_CONSTRAINTS", "strict", "exact, winners, none"),
        ("SHOPBENCH_RUN_SECONDS", "-1", "0 to"),
        ("SHOPBENCH_QUESTION_SECONDS", "0", "1 to"),
        ("SHOPBENCH_DTYPE", "int8", "float16, bfloat16 or float32"),
        ("SHOPBENCH_CONTEXT", "99999", "128 to 8192"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        behaviour({name: value})
        chosen(SMOL, 0.3, AVX2, **{name: value})


def test_groups_that_do_not_fit_the_workers_are_refused_before_the_start() -> None:
    with pytest.raises(WeightsError, match=r"29568 is no multiple of group 128 x tensor parallel 4 = 512; pad"):
        chosen(QWEN_72B, 38.7, FOUR_T4)
    compressed = QWEN_72B | {"quantization_config": {"config_groups": {"group_0": {"weights": {"group_size": 128}}}}}
    with pytest.raises(WeightsError, match="pad the model"):
        chosen(compressed, 38.7, FOUR_T4)


@pytest.mark.parametrize(
    "where",
    [
        {"quantization_config": {"quant_method": "awq", "w_bit": 4, "q_group_size": 128}},
        {"quantization_config": {"quant_method": "awq", "q_group_size": 128, "group_size": -1}},
        {"compression_config": {"config_groups": {"group_0": {"weights": {"group_size": 128}}}}},
        {"quantization_config": {"config_groups": {"a": {"weights": None}, "b": {"weights": {"group_size": 128}}}}},
    ],
    ids=["AutoAWQ's old spelling", "both spellings", "compressed-tensors' old place", "a group without weights"],
)
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "in text_config"])
def test_groups_are_found_wherever_vllm_looks_for_them(where: dict[str, Any], nested: bool) -> None:
    """vLLM 0.32: AWQConfig.from_config, compressed-tensors' config_groups, weight_utils.get_quant_config."""
    sizes = {key: value for key, value in QWEN_72B.items() if key != "quantization_config"}
    if nested and "quantization_config" in where:
        config = {"model_type": "two_kinds", "text_config": sizes | where}
    elif nested:
        config = {"model_type": "two_kinds", "text_config": sizes} | where
    else:
        config = sizes | where
    with pytest.raises(WeightsError, match="29568 is no multiple of group 128 x tensor parallel 4 = 512"):
        weights(config, 38.7).check_tensor_parallel(4)


def test_groups_must_fit_the_attention_too() -> None:
    narrow = SMOL | {"quantization_config": {"group_size": 128}, "intermediate_size": 1536}
    with pytest.raises(WeightsError, match="attention width 576 is no multiple of group 128 x tensor parallel 1"):
        chosen(narrow, 0.1, AVX2)


def test_heads_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(WeightsError, match="9 attention heads cannot be split over 2"):
        chosen(SMOL, 0.3, AVX2, SHOPBENCH_TENSOR_PARALLEL="2")


def test_weights_that_no_gpu_can_hold_are_refused() -> None:
    with pytest.raises(WeightsError, match="quantize them"):
        chosen(PADDED, 135, FOUR_T4)


def folder(path: Path, config: str | None = "{}", content: bytes | None = None) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (path / "config.json").write_text(config)
    if content is not None:
        (path / "model.safetensors").write_bytes(content)
    return path


SAFETENSORS = (2).to_bytes(8, "little") + b"{}"


def test_a_folder_of_weights_is_read(tmp_path: Path) -> None:
    found = check_weights(folder(tmp_path / "w", '{"num_attention_heads": 9}', SAFETENSORS))
    assert (found.config, found.size, found.group_size) == ({"num_attention_heads": 9}, 10, None)


@pytest.mark.parametrize(
    ("config", "content", "says"),
    [
        (None, SAFETENSORS, "holds no config.json"),
        ("{", SAFETENSORS, "is broken JSON"),
        ('{"a":' * 100_000, SAFETENSORS, "is broken JSON"),
        ("[]", SAFETENSORS, "must be a JSON object"),
        ("version https://git-lfs.github.com/spec/v1\n", SAFETENSORS, "is a Git LFS pointer"),
        ('{"num_attention_heads": "9"}', SAFETENSORS, "num_attention_heads is '9', a whole number above 0 is wanted"),
        ('{"hidden_size": 0}', SAFETENSORS, "hidden_size is 0, a whole number"),
        ('{"quantization_config": "awq"}', SAFETENSORS, "quantization_config is 'awq', a JSON object is wanted"),
        ("{}", (5000).to_bytes(8, "little") + b'{"a":' * 1000, "cut off"),
        ("{}", None, r"holds no \*.safetensors"),
        ("{}", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git lfs pull"),
        ("{}", b"", "cut off"),
        ("{}", (10**6).to_bytes(8, "little") + b"{}", "cut off"),
    ],
)
def test_a_bad_folder_gets_one_line(tmp_path: Path, config: str | None, content: bytes | None, says: str) -> None:
    with pytest.raises(WeightsError, match=says) as raised:
        check_weights(folder(tmp_path / "w", config, content))
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)


def test_a_missing_folder_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such folder"):
        check_weights(tmp_path / "nowhere")


def test_weights_are_looked_for_where_the_challenge_says(tmp_path: Path) -> None:
    assert find_weights(tmp_path, {}) == tmp_path / "weights/embedded"
    challenge = {"challenge_id": "amazon-kdd-cup-24-user-behavior-alignment"}
    (tmp_path / "aicrowd.json").write_text(json.dumps(challenge))
    track = active_track(tmp_path)
    assert track and track_folder(tmp_path, track) == tmp_path / "weights/track3"
    assert find_weights(tmp_path, {}) == tmp_path / "weights/embedded"
    folder(tmp_path / "weights/track3", "{}", SAFETENSORS)
    assert find_weights(tmp_path, {}) == tmp_path / "weights/track3"
    assert find_weights(tmp_path, {"SHOPBENCH_WEIGHTS": "elsewhere"}) == Path("elsewhere")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_manifest_saved_by_another_editor_is_read(encoding: str, tmp_path: Path) -> None:
    text = json.dumps({"challenge_id": "amazon-kdd-cup-24-all-around"})
    (tmp_path / "aicrowd.json").write_text(text, encoding=encoding)
    assert (track := active_track(tmp_path)) and track.number == 5


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_broken_manifest_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "aicrowd.json").write_text(content)
    with pytest.raises(WeightsError, match=r"aicrowd\.json: "):
        active_track(tmp_path)


def test_an_unknown_challenge_is_named(tmp_path: Path) -> None:
    (tmp_path / "aicrowd.json").write_text('{"challenge_id": "chess"}')
    with pytest.raises(WeightsError, match="chess"):
        find_weights(tmp_path, {})


def test_other_prompts_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = check_weights(folder(tmp_path / "w", "{}", SAFETENSORS))
    warn_if_other_prompts(found)
    (found.folder / "provenance.json").write_text('{"prompt_hash": "0000"}')
    assert not caplog.records
    warn_if_other_prompts(found)
    assert "other prompts" in caplog.text


@pytest.mark.parametrize(
    ("made_of", "way"),
    [
        (None, "number"),
        ("[]", "number"),
        ('{"answer_by": "text"}', "text"),
        ('{"training": {"answer_by": "text"}}', "text"),
        ('{"training": {"rank": 8}}', "number"),
    ],
)
def test_weights_say_what_they_name_options_by(tmp_path: Path, made_of: str | None, way: str) -> None:
    if made_of:
        (tmp_path / "provenance.json").write_text(made_of)
    assert answer_by(tmp_path) == way
