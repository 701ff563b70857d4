"""A row that a model does not answer costs that row; a server that answers nothing ends the run, in its own words."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from .servers import Fake, Refuse, serving
from .test_synthesize import label_and_check, lines, manifest, product_rows, run

LIMIT = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with eight rows, each of which takes four requests."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in product_rows(8)))
    return tmp_path


def refuses(status: int, message: str, *names: str, **more: Any) -> Refuse:
    """Refuse each request that has one of these parameters; every request where none is named."""
    error = {"message": message, "type": "invalid_request_error", **more}
    return lambda body: (status, error) if not names or any(name in body for name in names) else None


def without_third(content: Any, finish: str | None) -> Any:
    """A model that says this to one row, and answers the others."""

    def answer(body: dict[str, Any]) -> Any:
        return (content, finish) if "No. 3>>>" in body["messages"][1]["content"] else label_and_check(body)

    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "finish", "reason"),
    [
        (None, "stop", "no answer: no text"),
        (None, None, "no answer: no text"),
        (None, "content_filter", "no answer: content_filter"),
        (None, "tool_calls", "no answer: tool_calls"),
        (None, "length", "cut off"),
        ("", "stop", "empty"),
        ("half a sen", "content_filter", "no answer: content_filter"),
    ],
)
def test_a_row_without_an_answer_is_rejected_with_its_reason_and_the_run_goes_on(
    work: Path, content: Any, finish: Any, reason: str
) -> None:
    fake = Fake(without_third(content, finish))
    with serving(fake) as url:
        assert run(url, work, "--concurrency", "1", "--attempts", "1") == 0
        assert manifest(work)["reasons"] == {reason: 1} and len(lines(work / "out.jsonl")) == 7
        asked = len(fake.bodies)
        assert asked == 1 + 7 * 4, "one try of the row, which was paid for"
        assert run(url, work, "--concurrency", "1", "--attempts", "1") == 0
    assert len(fake.bodies) == asked, "it is in the journal"


def test_an_answer_without_a_reason_or_usage_is_taken_and_its_tokens_are_estimated(work: Path) -> None:
    with serving(Fake(lambda body: (label_and_check(body), None), usage=None)) as url:
        assert run(url, work) == 0
    spent = manifest(work)["spent"]
    assert len(lines(work / "out.jsonl")) == 8 and spent["prompt_tokens"] > 32 * 50 and spent["answer_tokens"] > 32 * 3


def test_a_text_in_parts_is_a_text(work: Path) -> None:
    def parts(body: dict[str, Any]) -> Any:
        text = label_and_check(body)
        return [{"type": "text", "text": text[:9]}, {"type": "text", "text": text[9:]}], "stop"

    with serving(Fake(parts)) as url:
        assert run(url, work) == 0
    assert len(lines(work / "out.jsonl")) == 8


@pytest.mark.parametrize("finish", ["STOP", "eos_token", "end_turn", "stop_sequence"])
def test_an_answer_that_ended_well_in_other_words_is_taken(work: Path, finish: str) -> None:
    with serving(Fake(lambda body: (label_and_check(body), finish), usage={})) as url:
        assert run(url, work) == 0
    assert len(lines(work / "out.jsonl")) == 8


def test_json_that_the_server_has_read_itself_is_taken(work: Path) -> None:
    with serving(Fake(lambda body: (json.loads(label_and_check(body)), "stop"))) as url:
        assert run(url, work) == 0
    assert len(lines(work / "out.jsonl")) == 8


@pytest.mark.parametrize(
    ("status", "message"),
    [(413, "Request too large for model"), (403, "Your input was flagged by moderation"), (451, "not here")],
)
def test_a_text_that_is_not_let_in_costs_its_row(work: Path, status: int, message: str) -> None:
    def refuse(body: dict[str, Any]) -> Any:
        return (status, {"message": message}) if "No. 3>>>" in body["messages"][1]["content"] else None

    fake = Fake(label_and_check, refuse=refuse)
    with serving(fake) as url:
        assert run(url, work) == 0
    assert manifest(work)["reasons"] == {"refused by the server": 1} and len(lines(work / "out.jsonl")) == 7


def test_a_limit_a_minute_that_is_called_a_quota_is_waited_for(work: Path) -> None:
    message = "You exceeded your current quota, please check your plan and billing details. Please retry in 20.5ms."
    seen: list[int] = []

    def refuse(body: dict[str, Any]) -> Any:
        seen.append(1)
        return (429, {"message": message, "code": 429}) if len(seen) == 1 else None

    with serving(Fake(label_and_check, refuse=refuse)) as url:
        assert run(url, work) == 0
    assert len(lines(work / "out.jsonl")) == 8


@pytest.mark.parametrize(
    ("refuse", "more_requests", "left_out"),
    [
        (refuses(400, LIMIT, "max_tokens", param="max_tokens"), 1, []),
        (refuses(400, "'max_tokens' is no parameter of this model", "max_tokens"), 1, []),
        (refuses(422, "extra fields not permitted: seed", "seed"), 1, ["seed"]),
        (refuses(400, "only the default is supported", "temperature", param="temperature"), 1, ["temperature"]),
        (refuses(400, "temperature and seed are fixed", "temperature", "seed"), 2, ["seed", "temperature"]),
        (refuses(400, "This model takes no response_format", "response_format"), 1, []),
        (refuses(422, "no", "response_format"), 1, []),
    ],
)
def test_a_parameter_that_a_model_does_not_take_is_spelled_otherwise_or_left_out(
    work: Path, refuse: Refuse, more_requests: int, left_out: list[str]
) -> None:
    fake = Fake(label_and_check, refuse=refuse)
    with serving(fake) as url:
        assert run(url, work, "--concurrency", "1") == 0
    assert len(lines(work / "out.jsonl")) == 8 and len(fake.bodies) == 32 + more_requests
    assert manifest(work)["left_out"] == left_out


@pytest.mark.parametrize("concurrency", ["1", "8"])
def test_a_server_that_refuses_everything_ends_the_run_in_its_own_words(
    work: Path, concurrency: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Fake(label_and_check, refuse=refuses(400, "This model's maximum context length is 8 tokens"))
    with serving(fake) as url:
        assert run(url, work, "--concurrency", concurrency) == 2
    assert "maximum context length is 8 tokens" in capsys.readouterr().err
    assert len(fake.bodies) <= 2 * (2 + int(concurrency))


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota"),
        (402, "Payment required", None),
        (429, "Your credit balance is too low", None),
    ],
)
def test_an_empty_account_is_final_and_said(
    work: Path, status: int, message: str, code: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Fake(label_and_check, refuse=refuses(status, message, code=code))
    with serving(fake) as url:
        assert run(url, work, "--concurrency", "1", "--tries", "6") == 2
    error = capsys.readouterr().err
    assert "out of quota" in error and message[:20] in error and len(fake.bodies) == 1


@pytest.mark.parametrize("key", ["sk-1234\n", " sk-1234", "sk-1234\r\n", "sk-12\n34", "sk-тест"])
def test_a_key_that_no_header_can_carry_is_named_and_not_shown(
    work: Path, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    fake = Fake(label_and_check)
    with serving(fake) as url:
        assert run(url, work, "--key-variable", "MY_KEY") == 2
    error = capsys.readouterr().err
    assert "MY_KEY: holds a line end" in error and "1234" not in error and not fake.bodies


@pytest.mark.parametrize("fault", ["500", "no choices"])
def test_one_request_that_a_server_never_answers_well_costs_its_row(work: Path, fault: str) -> None:
    """The next run asks for it again, and finds all others answered."""
    fake = Fake(label_and_check, faults=[fault] * 3)
    with serving(fake) as url:
        assert run(url, work, "--concurrency", "1", "--tries", "3", "--attempts", "1") == 0
        assert manifest(work)["reasons"] == {"refused by the server": 1} and len(lines(work / "out.jsonl")) == 7
        asked = len(fake.bodies)
        assert run(url, work, "--concurrency", "1", "--tries", "3", "--attempts", "1") == 0
    assert len(lines(work / "out.jsonl")) == 8 and len(fake.bodies) == asked + 4


def test_a_server_that_answers_nothing_well_ends_the_run(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = Fake(label_and_check, faults=["500"] * 100)
    with serving(fake) as url:
        assert run(url, work, "--concurrency", "1", "--tries", "3") == 2
    assert "status 500, 3 times" in capsys.readouterr().err and len(fake.bodies) == 6


def test_a_lone_surrogate_in_an_answer_crashes_no_run(work: Path) -> None:
    """JSON's escapes can carry one, in an answer that is taken and in one that is not."""

    def answer(body: dict[str, Any]) -> str:
        said = body["messages"][1]["content"]
        if "No. 3>>>" in said:
            return "not JSON \ud800"
        if "No. 4>>>" in said and "Reply with the number" not in said:
            return json.dumps({"category": "bicycle bell", "attributes": ["bell \udfff finish", "bell weight"]})
        return label_and_check(body)

    for _ in range(2):
        with serving(Fake(answer)) as url:
            assert run(url, work) == 0
        assert len(lines(work / "out.jsonl")) >= 6


@pytest.mark.parametrize("fault", ["choices by name", "trickle"])
def test_an_answer_that_is_none_or_never_ends_is_asked_for_again(work: Path, fault: str) -> None:
    """A trickle of bytes keeps every single read short of the time for an answer."""
    fake = Fake(label_and_check, faults=[fault])
    began = time.monotonic()
    with serving(fake) as url:
        assert run(url, work, "--concurrency", "1", "--timeout", "2") == 0
    assert len(lines(work / "out.jsonl")) == 8 and len(fake.bodies) == 1 + 8 * 4
    assert manifest(work)["spent"]["lost_requests"] == 1 and time.monotonic() - began < 20


@pytest.mark.parametrize("usage", [{"prompt_tokens": 1e999}, {"prompt_tokens": -5, "completion_tokens": -5}])
def test_a_count_of_tokens_that_is_none_stops_no_run_and_makes_no_room_under_a_ceiling(work: Path, usage: Any) -> None:
    fake = Fake(label_and_check, usage=usage)
    with serving(fake) as url:
        code = run(url, work, "--concurrency", "1", "--tries", "2", "--first-wait", "0.01")
    if usage["prompt_tokens"] < 0:
        assert code == 0 and manifest(work)["spent"]["prompt_tokens"] == 0
    else:
        assert code == 2, "no chat completion, time and again"


def test_a_part_of_an_answer_without_text_is_no_answer(work: Path) -> None:
    asked: list[str] = []

    def answer(body: dict[str, Any]) -> Any:
        asked.append(body["messages"][1]["content"])
        return ([{"type": "text"}], "stop") if len(asked) == 1 else label_and_check(body)

    with serving(Fake(answer)) as url:
        assert run(url, work, "--concurrency", "1") == 0
    assert len(lines(work / "out.jsonl")) == 8 and asked[0] == asked[1]


def test_an_error_that_comes_as_an_answer_is_said(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Fake(label_and_check, refuse=lambda body: (200, {"message": "upstream is down"}))) as url:
        assert run(url, work, "--tries", "2", "--first-wait", "0.01") == 2
    assert "its answer is an error" in (said := capsys.readouterr().err) and "upstream is down" in said
