"""Quantizing: sizes checked first, the format read back, AutoAWQ's CPU fault worked around, broken results refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from shopbench.errors import UserError, exit_code_of
from shopbench.files import ROOT
from shopbench.naming import AnswerBy
from shopbench.sample import Sample, read_samples, write_samples
from shopbench.tasks import TaskType
from tests.training.quantize.small import write_awq
from training.quantize import checks
from training.quantize import command as quantize
from training.quantize.checks import check_sizes
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


BACKENDS = [
    ("autoawq", "awq", torch.int32),
    ("llmcompressor", "awq", torch.int32),
    ("llmcompressor", "gptq", torch.int32),
    ("llmcompressor", "w8a8", torch.int8),
]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "method", "kept_as"), BACKENDS)
def test_a_backend_quantizes_with_little_loss(
    backend: str, method: str, kept_as: torch.dtype, wide: Path, tmp_path: Path, repository: Path
) -> None:
    output = tmp_path / "out"
    result = in_environment(backend, command(wide, output, backend, "--method", method), repository)
    assert result.returncode == 0, result.stderr[-2000:]
    facts = json.loads((output / "provenance.json").read_text())["quantization"]
    assert facts["perplexity_after"] <= facts["perplexity_before"] * 1.25
    assert facts["perplexity_after"] != facts["perplexity_before"]
    written = [item for file in output.glob("*.safetensors") for item in stored(file).values()]
    assert sum(item.dtype is kept_as for item in written) >= 14
    assert json.loads((output / "config.json").read_text())["quantization_config"]
    assert (output / "tokenizer.json").read_bytes() == (wide / "tokenizer.json").read_bytes()
    assert len({file.stat().st_mode for file in output.iterdir()}) == 1, "who may read one file may read all"


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
for name in ("vllm", "trl", "peft", "datasets", "evaluation", "models"):
    sys.modules[name] = None
import training.quantize.command
"""


@pytest.mark.slow
def test_the_command_needs_nothing_that_the_backends_environments_lack(repository: Path) -> None:
    result = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--calibration", "{tmp}/none.json"], "cannot be read"),
        (["--method", "gptq"], "needs --backend llmcompressor"),
        (["--method", "w8a8"], "needs --backend llmcompressor"),
        ([], "make setup-quantize"),
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


@pytest.mark.slow
def test_a_broken_result_is_not_written(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that damages one layer: the perplexity on the held texts finds it out."""
    questions = read_samples(ROOT / "data" / "sample_questions.jsonl")[: 2 * checks.HELD]
    write_samples(tmp_path / "questions.jsonl", questions)
    few = ("--calibration", str(tmp_path / "questions.jsonl"))
    for damage, code in ((1.0, 0), (30.0, 2)):
        backend = SimpleNamespace(OUTPUTS=8, VERSIONS={}, readable=lambda folder: folder)
        backend.quantize = lambda model, texts, group, method, output, by=damage: write_awq(model, output, group, by)
        monkeypatch.setattr(quantize, "load_backend", lambda *_, made=backend: made)
        output = tmp_path / str(damage)
        assert exit_code_of(quantize.main, command(learned, output, "autoawq", *few)[2:]) == code
        assert output.exists() == (code == 0)
    assert "perplexity rose from" in capsys.readouterr().err


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
