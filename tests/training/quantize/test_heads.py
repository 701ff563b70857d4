"""A model whose heads cannot be split over the workers is refused before the hours of quantizing, not when served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shopbench.errors import exit_code_of
from training.quantize import command


@pytest.mark.parametrize(("parts", "problem"), [(4, "14 attention heads cannot be split in 4"), (2, "--group 64")])
def test_qwen_of_half_a_billion_has_fourteen_heads(
    parts: int,
    problem: str,
    tiny_model: Callable[..., Path],
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Qwen2.5-0.5B's attention: 14 heads of 64, so 448 = 3.5 groups of 128 for each of two workers."""
    backend = type("Backend", (), {"OUTPUTS": 8})
    monkeypatch.setattr(command, "load_backend", lambda name, method: backend)
    sizes = {"hidden_size": 896, "intermediate_size": 512, "num_attention_heads": 14, "num_key_value_heads": 2}
    model = tiny_model("qwen2", num_hidden_layers=1, **sizes)
    questions = str(repository / "data" / "sample_questions.jsonl")
    arguments = ["--model", str(model), "--output", str(tmp_path / "out"), "--backend", "llmcompressor"]
    assert exit_code_of(command.main, [*arguments, "--tp", str(parts), "--calibration", questions]) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
