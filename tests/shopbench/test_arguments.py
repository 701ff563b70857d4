"""Numbers of the command line: what makes no sense is refused by every command before any work."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from shopbench.arguments import above_zero, finite, not_negative, positive

NO_NUMBERS = ["", " ", "x", "1e", "nan", "-nan", "inf", "-Infinity", "1e999"]
PACKAGES = ("shopbench", "models", "evaluation", "training", "tools", "benchmarks")
ANY_WHOLE_NUMBER = {"--seed"}


@pytest.mark.parametrize("kind", [finite, not_negative, above_zero, positive])
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_finite_number_is_refused(kind: Callable[[str], float], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        kind(text)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (positive, ["1", "16", "007"], ["0", "-1", "-3", "+1", "1.0", "1.5", "1_000", "٣", "²", "9" * 5000]),
        (finite, ["-1", "0", "0.5", "1e3"], []),
        (not_negative, ["0", "-0.0", "0.5", "12"], ["-1", "-1e-9"]),
        (above_zero, ["1e-9", "120"], ["0", "-0.0", "-1"]),
    ],
)
def test_each_kind_has_its_bounds(kind: Callable[[str], float], good: list[str], bad: list[str]) -> None:
    for text in good:
        assert kind(text) == float(text)
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError):
            kind(text)


def test_no_command_takes_any_number_whatever(repository: Path) -> None:
    """`type=int` and `type=float` accept 0, -3 and NaN: only a choice of numbers, or a seed, may be read so."""
    files = [repository / "local_evaluation.py", *(f for name in PACKAGES for f in (repository / name).rglob("*.py"))]
    found = []
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            kind = named.get("type")
            if isinstance(kind, ast.Name) and kind.id in ("int", "float") and "choices" not in named:
                option = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
                if option not in ANY_WHOLE_NUMBER:
                    found.append(f"{path.relative_to(repository)}:{node.lineno}: {option}")
    assert not found, "\n".join(found)
