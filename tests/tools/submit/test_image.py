"""How the environment is read that a Dockerfile gives a submission."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopbench.errors import UserError
from tools.submit.image import environment_of, read_environment


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ENV A=1", {"A": "1"}),
        ("env A=1 B='two words' C=\"x=y\" D=a\\ b E=", {"A": "1", "B": "two words", "C": "x=y", "D": "a b", "E": ""}),
        ("ENV A 1 and more", {"A": "1 and more"}),
        ("ENV\tA=1 \\\n  # B is said below\n  B=2\\\n\nRUN echo ENV C=3", {"A": "1", "B": "2"}),
        ("# ENV A=1\n  #ENV B=2\nLABEL ENV=1", {}),
        ("ENV A=1\nENV A=2", {"A": "2"}),
        ("ARG N=320\nENV A=$N B=${N}0 C=${M:-5}", {"A": "320", "B": "3200", "C": "5"}),
        ("ARG N=320\nENV A=${N:-4} B=${N:+6} C=${M:+7}x", {"A": "320", "B": "6", "C": "x"}),
        ("ENV A=1\nENV B=$A", {"A": "1", "B": "1"}),
        ("ARG ONLY_GIVEN\nENV A=${ONLY_GIVEN}", {"A": ""}),
        ("FROM x AS build\nENV A=1\nFROM y\nENV B=2", {"B": "2"}),
        ("FROM --platform=linux/amd64 x AS base\nENV A=1\nFROM Base\nENV B=2", {"A": "1", "B": "2"}),
        ("ENV A=1\nENV A=2 B=$A", {"A": "2", "B": "1"}),
        ("ARG N=3\nFROM x\nENV A=$N\nFROM x\nARG N\nENV B=$N", {"B": "3"}),
        ("FROM x\nARG N=3\nFROM y\nARG N\nENV A=$N", {"A": ""}),
        ("", {}),
    ],
)  # fmt: skip
def test_the_environment_of_the_image(text: str, found: dict[str, str], tmp_path: Path) -> None:
    assert environment_of(text) == found
    (tmp_path / "Dockerfile").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_environment(tmp_path / "Dockerfile") == found


def test_a_dockerfile_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Dockerfile: is missing; restore it"):
        read_environment(tmp_path / "Dockerfile")
    (tmp_path / "Dockerfile").write_text("ENV A='1")
    with pytest.raises(UserError, match=r"Dockerfile: an ENV or ARG cannot be understood \(No closing quotation\)"):
        read_environment(tmp_path / "Dockerfile")


def test_our_own_dockerfile_is_read(repository: Path) -> None:
    assert read_environment(repository / "Dockerfile")["VIRTUAL_ENV"] == "/opt/venv"
