"""Quantizing: sizes checked first, the format read back, AutoAWQ's CPU fault worked around, broken results refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shopbench.errors import UserError, exit_code_of
from shopbench.naming import AnswerBy
from shopbench.sample import Sample, write_samples
from shopbench.tasks import TaskType
from training.quantize import checks
from training.quantize import command as quantize
from training.quantize.awq_format import ORDER, dequantize, unpack
from training.quantize.checks import check_sizes, load_float
from training.weights.base import load_tokenizer
from training.weights.tensors import Stored, stored

Make = Callable[..., Path]
ENVIRONMENTS = Path(os.environ.get("SHOPBENCH_VENVS", "/opt/venvs"))
QWEN2_72B = {
    "model.layers.0.self_attn.q_proj.weight": (8192, 8192),
    "model.layers.0.self_attn.k_proj.weight": (1024, 8192),
    "model.layers.0.self_attn.o_proj.weight": (8192, 8192),
    "model.layers.0.mlp.up_proj.weight": (29568, 8192),
    "model.layers.0.mlp.down_proj.weight": (8192, 29568),
}


def tensors(shapes: dict[str, tuple[int, ...]]) -> dict[str, Stored]:
    return {name: Stored(Path("x"), name, torch.bfloat16, shape, 0, 0) for name, shape in shapes.items()}


def test_qwen2_72b_must_be_padded_for_four_gpus() -> None:
    check_sizes(tensors(QWEN2_72B), 128, 1)
    with pytest.raises(UserError, match=r"29568 inputs are no multiple of group 128 x TP 4; pad it .*--group 32"):
        check_sizes(tensors(QWEN2_72B), 128, 4)
    padded = {**QWEN2_72B, "model.layers.0.mlp.up_proj.weight": (29696, 8192)}
    check_sizes(tensors({**padded, "model.layers.0.mlp.down_proj.weight": (8192, 29696)}), 128, 4)


@pytest.mark.parametrize(("group", "fits"), [(128, False), (64, True), (32, True)])
def test_smollm2_takes_groups_of_64_or_32(group: int, fits: bool) -> None:
    shapes = {"model.layers.0.self_attn.q_proj.weight": (576, 576), "model.layers.0.mlp.down_proj.weight": (576, 1536)}
    if fits:
        check_sizes(tensors(shapes), group, 1)
    else:
        with pytest.raises(UserError, match="576 inputs are no multiple of group 128; take --group 64"):
            check_sizes(tensors(shapes), group, 1)


def test_outputs_must_fill_the_packs_of_every_part() -> None:
    with pytest.raises(UserError, match="20 outputs are no multiple of 8"):
        check_sizes(tensors({"model.layers.0.self_attn.q_proj.weight": (20, 128)}), 128, 1)
    with pytest.raises(UserError, match="24 outputs cannot be packed by 8 on TP 2"):
        check_sizes(tensors({"model.layers.0.self_attn.q_proj.weight": (24, 128)}), 128, 2)


def test_the_awq_format_is_read_back() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, outputs, group = 12, 16, 4
    numbers = torch.randint(0, 16, (inputs, outputs), generator=generator)
    zeros = torch.randint(0, 16, (inputs // group, outputs), generator=generator)
    scales = torch.rand(inputs // group, outputs, generator=generator).half()

    def pack(values: torch.Tensor) -> torch.Tensor:
        packs = torch.zeros(values.shape[0], outputs // 8, dtype=torch.int64)
        for place, bits in enumerate(ORDER):
            packs |= values[:, place::8] << (4 * bits)
        return torch.where(packs >= 2**31, packs - 2**32, packs).to(torch.int32)

    assert torch.equal(unpack(pack(numbers)), numbers.int())
    weight = dequantize(pack(numbers), pack(zeros), scales)
    expected = torch.empty(outputs, inputs)
    for o in range(outputs):
        for i in range(inputs):
            expected[o, i] = (numbers[i, o] - zeros[i // group, o]) * scales[i // group, o].float()
    torch.testing.assert_close(weight, expected)


def in_environment(name: str, code: list[str], repository: Path) -> subprocess.CompletedProcess[str]:
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"needs {python}: an environment of requirements-{name}.txt (SHOPBENCH_VENVS names their folder)")
    environment = {**os.environ, "PYTHONPATH": str(repository), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([str(python), *code], cwd=repository, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wide(tiny_model: Make) -> Path:
    """A tiny model whose sizes take groups of 32."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
    return tiny_model("llama", tie_word_embeddings=True, **sizes)


def command(model: Path, output: Path, backend: str, *more: str) -> list[str]:
    arguments = ["--model", str(model), "--output", str(output), "--backend", backend, "--group", "32", *more]
    return ["-m", "training.quantize", *arguments]


BACKENDS = [("autoawq", "awq"), ("llmcompressor", "awq"), ("llmcompressor", "gptq")]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "method"), BACKENDS)
def test_a_backend_writes_four_bits_with_little_loss(
    backend: str, method: str, wide: Path, tmp_path: Path, repository: Path
) -> None:
    output = tmp_path / "out"
    result = in_environment(backend, command(wide, output, backend, "--method", method), repository)
    assert result.returncode == 0, result.stderr[-2000:]
    facts = json.loads((output / "provenance.json").read_text())["quantization"]
    assert facts["perplexity_after"] <= facts["perplexity_before"] * 1.25
    assert facts["perplexity_after"] != facts["perplexity_before"]
    packed = [item for file in output.glob("*.safetensors") for item in stored(file).values()]
    assert sum(item.dtype is torch.int32 for item in packed) >= 14
    assert json.loads((output / "config.json").read_text())["quantization_config"]
    assert (output / "tokenizer.json").read_bytes() == (wide / "tokenizer.json").read_bytes()


FAULT = """
import copy
import torch
from awq.quantize.quantizer import AwqQuantizer
from training.quantize.autoawq import CloningQuantizer

torch.manual_seed(0)
layer = torch.nn.Linear(64, 64, bias=False)
inputs = torch.randn(8, 64) * torch.logspace(-1, 1, 64)
for kind in (AwqQuantizer, CloningQuantizer):
    searched = copy.deepcopy(layer)
    quantizer = object.__new__(kind)
    quantizer.__dict__.update(
        w_bit=4, group_size=32, zero_point=True, duo_scaling=True, n_parallel_calib_samples=None, max_chunk_memory=2**30
    )
    with torch.no_grad():
        means = (layer.weight.abs().mean(0), inputs.abs().mean(0))
        scales = quantizer._compute_best_scale(inputs, *means, searched, [searched], layer(inputs), {})
    change = (searched.weight - layer.weight).norm() / layer.weight.norm()
    print(kind.__name__, change.item(), scales.std().item())
"""


@pytest.mark.slow
def test_autoawqs_cpu_fault_is_worked_around(repository: Path) -> None:
    """The search for scales must leave the layer's weights as they were; on a CPU AutoAWQ's own does not."""
    result = in_environment("autoawq", ["-c", FAULT], repository)
    assert result.returncode == 0, result.stderr[-2000:]
    change = {name: float(value) for name, value, _ in map(str.split, result.stdout.strip().splitlines())}
    assert change["AwqQuantizer"] > 0.05, "AutoAWQ was mended: CloningQuantizer can go"
    assert change["CloningQuantizer"] == 0.0


ELSEWHERE = """
import sys
for name in ("vllm", "trl", "peft", "datasets", "accelerate", "evaluation", "models"):
    sys.modules[name] = None
import training.quantize.command, training.quantize.awq_format
"""


def test_the_command_needs_nothing_that_the_backends_environments_lack(repository: Path) -> None:
    result = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--calibration", "{tmp}/none.json"], "cannot be read"),
        (["--method", "gptq"], "needs --backend llmcompressor"),
        ([], "requirements-autoawq.txt"),
    ],
)
def test_bad_input_is_one_line(
    more: list[str], message: str, wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [text.format(tmp=tmp_path) for text in more]
    capsys.readouterr()
    assert exit_code_of(quantize.main, command(wide, tmp_path / "out", "autoawq", *filled)[2:]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_broken_result_is_not_written(
    wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend whose result answers nonsense: the perplexity on the held texts finds it out."""

    class Broken:
        OUTPUTS = 8
        VERSIONS: dict[str, str] = {}  # noqa: RUF012
        readable = staticmethod(lambda folder: folder)

        @staticmethod
        def quantize(model: Path, texts: list[list[int]], group: int, method: str, output: Path) -> None:
            assert len(texts) > 50 and group == 32
            (output / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())

        @staticmethod
        def read_back(model: Path, output: Path) -> Any:
            restored = load_float(output)
            with torch.no_grad():
                restored.get_output_embeddings().weight.mul_(40)
            return restored

    monkeypatch.setattr(quantize, "load_backend", lambda *_: Broken)
    assert exit_code_of(quantize.main, command(wide, tmp_path / "out", "autoawq")[2:]) == 2
    assert "perplexity rose from" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_calibration_answers_are_those_the_weights_were_trained_to_give(tiny_model: Make, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model())
    question = "Which is a fruit?\n0. red car\n1. green apple\nAnswer:"
    one = Sample(question, 1, "mc", TaskType.MULTIPLE_CHOICE, "accuracy", True)
    write_samples(tmp_path / "questions.jsonl", [one] * checks.HELD)
    ends = []
    for answer_by in AnswerBy:
        texts, held = checks.calibration_ids(tokenizer, tmp_path / "questions.jsonl", answer_by)
        assert (len(texts), len(held)) == (checks.HELD - 1, 1) and texts[0] == held[0]
        ends.append(tokenizer.decode(held[0])[-12:])
    assert ends[0].removesuffix(tokenizer.eos_token).endswith("1")
    assert ends[1].endswith(" g"), "a letter tells the names apart, and ends the answer"
