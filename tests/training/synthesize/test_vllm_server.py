"""The command against a real vLLM server on this machine's CPU, with faults between the two."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from training.synthesize.chat import prompt_named
from training.synthesize.checks import of_schema

from .servers import Fake, serving
from .test_synthesize import TASK, lines, manifest, product_rows, run

pytestmark = pytest.mark.engine


def passed_on(url: str, body: dict[str, Any]) -> tuple[str, str]:
    """What the real server says to a request, and why it ended."""
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        one = json.load(response)["choices"][0]
    return str(one["message"]["content"]), str(one["finish_reason"])


def test_a_real_server_behind_faults(real_server: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in product_rows(6)))
    faults = ["429", "cut", "hang up", "broken json", "503", "half"]
    between = Fake(lambda body: passed_on(real_server, body), faults)
    with serving(between) as url:
        assert run(url, tmp_path, "--concurrency", "4", "--tries", "9", "--timeout", "300") == 0
        asked = len(between.bodies)
        first = (tmp_path / "out.jsonl").read_bytes()
        assert run(url, tmp_path, "--concurrency", "4") == 0
        assert len(between.bodies) == asked, "the second run found every answer in the journal"
    said = manifest(tmp_path)
    assert (tmp_path / "out.jsonl").read_bytes() == first
    assert said["structured_output"] is True and said["rows"]["asked"] == 6 and not between.faults
    assert said["rows"]["accepted"] + said["rows"]["rejected"] >= 6
    # A small model says little of use, but the real server held every whole answer to its schema.
    answers = [one for one in lines(tmp_path / "out.jsonl.journal") if one.get("finish") == "stop"]
    schemas = [prompt_named(name).schema for name in (TASK, "check")]
    assert answers
    for one in answers:
        value = json.loads(one["text"])
        of_schema(value, schemas["answer" in value])


def test_a_real_server_without_faults_tells_what_it_cost(real_server: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in product_rows(3)))
    assert run(real_server, tmp_path, "--timeout", "300", "--attempts", "1") == 0
    spent = manifest(tmp_path)["spent"]
    assert spent["requests"] >= 3 and spent["prompt_tokens"] > 300 and spent["answer_tokens"] > 0
    assert spent["lost_requests"] == 0
