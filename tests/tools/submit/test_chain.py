"""The whole chain with a tiny random model, command by command as in docs/submission.md, to a clone that answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.machine import machine
from shopbench.prompts import prompt_hash
from shopbench.sample import read_samples, write_samples
from tests.tools.scratch import bare, commit, copy_of, git, with_lfs

pytestmark = [pytest.mark.slow, pytest.mark.engine]
GROUP = 64
SIZES = {
    "hidden_size": 256,
    "intermediate_size": 300,  # no multiple of 64 x 4: it must be padded to 512
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
}


def quantizer(repository: Path) -> str:
    """The Python of the quantizer's own environment."""
    named = os.environ.get("SHOPBENCH_AUTOAWQ_PYTHON", "")
    for path in (named, str(repository / ".venv-autoawq" / "bin" / "python")):
        if path and Path(path).is_file():
            return path
    pytest.skip("no environment of requirements-autoawq.txt: make .venv-autoawq, or name SHOPBENCH_AUTOAWQ_PYTHON")


def run(root: Path, *command: str | Path, python: str = sys.executable, status: int = 0) -> str:
    """A command in `root`; its output, after a look at its exit code."""
    done = subprocess.run(
        [python, *map(str, command)], cwd=root, capture_output=True, text=True, check=False, env=with_lfs()
    )
    assert done.returncode == status, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_from_a_base_model_to_a_clone_that_answers(
    repository: Path, tmp_path: Path, tiny_model: Callable[..., Path]
) -> None:
    python = quantizer(repository)
    base = tiny_model("llama", **SIZES)
    root = copy_of(repository, tmp_path / "work")
    bare(tmp_path / "remote.git", root)

    questions = read_samples(root / "data" / "sample_questions.jsonl")
    data = tmp_path / "data"
    data.mkdir()
    (data / "manifest.json").write_text('{"recipe": "embedded_a"}')
    write_samples(data / "train.jsonl", questions[:24])
    write_samples(data / "validation.jsonl", questions[24:30])

    made = tmp_path / "made"
    run(
        root,
        "-m",
        "training.finetune",
        "--recipe",
        "embedded_a",
        "--base",
        base,
        "--data",
        data,
        "--output",
        made / "a",
    )
    mix = ("--adapters", f"{made / 'a'}:0.7")
    run(root, "-m", "training.merge", "--recipe", "embedded", "--base", base, *mix, "--output", made / "merged")
    sizes = ("--group", str(GROUP), "--tp", "4")
    run(root, "-m", "training.pad", "--model", made / "merged", "--output", made / "padded", *sizes)
    quantize = ("--model", made / "padded", "--output", root / "weights" / "track2", "--backend", "autoawq", *sizes)
    run(root, "-m", "training.quantize", *quantize, python=python)
    config = json.loads((root / "weights" / "track2" / "config.json").read_text())
    assert (config["intermediate_size"], config["quantization_config"]["group_size"]) == (512, GROUP)
    commit(root, "Add the weights of track 2")

    checked = run(root, "-m", "tools.submit", "check", "--track", "2", "--skip", "dry-run", status=1)
    failed = [line.split()[1] for line in checked.splitlines() if line.startswith("FAIL")]
    assert failed == ["manifest"], "the challenge id is what push will set"
    # Without AVX-512 vLLM has no kernels for quantized weights (models/settings.py): there the clone's code is proven
    # with the float weights that they were made from.
    runs_quantized = "avx512f" in machine().cpu_flags or not machine().cpu_flags
    left_out = () if runs_quantized else ("--skip", "dry-run")
    pushed = run(root, "-m", "tools.submit", "push", "--track", "2", *left_out)
    assert f"{'ok  ' if runs_quantized else 'skip'}  dry-run" in pushed
    assert "pushed submission-track2-v1" in pushed

    clone = tmp_path / "clone"
    source = (tmp_path / "remote.git").as_uri()
    command = ["git", "clone", "--quiet", "--branch", "submission-track2-v1", source, str(clone)]
    subprocess.run(command, check=True, env=with_lfs(), capture_output=True)
    assert git(clone, "status", "--porcelain", environment=with_lfs()) == ""
    evaluate = ["local_evaluation.py", "--limit", "12", "--skip-missing-metrics", "--enforce-limits"]
    evaluate += ["--questions", "data/sample_questions.jsonl"]
    served = clone / "weights" / "track2" if runs_quantized else made / "padded"
    if not runs_quantized:
        run(clone, *evaluate, status=2)
        evaluate += ["--weights", str(served)]
    run(clone, *evaluate)
    results = json.loads((clone / "results.json").read_text())
    assert Path(results["weights"]["folder"]) == served
    assert results["weights"]["provenance"]["prompt_hash"] == prompt_hash()
    assert (results["questions"], results["unreadable"]) == (12, 0)
