"""What the evaluator's machine makes of a submission, with the settings that it will run with."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from shopbench.files import write_json
from shopbench.sample import write_samples
from tests.evaluation.fakes import choice, text
from tests.tools.scratch import CONFIG, commit, submission
from tools.budget import command as budget
from tools.submit.command import CHECKS, main, problems_of
from tools.submit.submission import Warned

pytestmark = pytest.mark.slow  # a repository of its own for each, with Git LFS

LARGE = {
    "hidden_size": 8192,
    "intermediate_size": 29696,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
}
"""The shape of Qwen2-72B."""


def problems(root: Path, name: str) -> list[str]:
    return problems_of(CHECKS[name], submission(root))


def set_in_image(root: Path, *settings: str) -> None:
    with open(root / "Dockerfile", "a", encoding="utf-8") as file:
        file.write(f"ENV {' '.join(settings)}\n")


def make_large(root: Path) -> None:
    """Weights whose configuration is of a large model, split over the four GPUs; and few, long questions."""
    asked = [f"{number} " * 300 for number in range(10, 14)]
    samples = [*map(choice, asked), *(text(f"What is {question}?", "a cup") for question in asked)]
    write_samples(root / "data" / "sample_questions.jsonl", samples)
    write_json(root / "weights" / "track2" / "config.json", {**CONFIG, **LARGE})
    set_in_image(root, "SHOPBENCH_TENSOR_PARALLEL=4")


def test_settings_are_the_image_s_and_the_code_s_and_none_of_this_shell(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPBENCH_CONTEXT", "999")
    monkeypatch.setenv("SHOPBENCH_BATCH_SIZE", "1")
    assert submission(small).settings == {}
    set_in_image(small, "SHOPBENCH_CONTEXT=320", "SHOPBENCH_EAGER=1", "VLLM_USE_V1=1")
    with open(small / "models" / "user_config.py", "a", encoding="utf-8") as file:
        file.write("\nimport os\nos.environ['SHOPBENCH_EAGER'] = '0'\nprint('loaded', end='')\n")
    sent = submission(small)
    assert sent.settings == {"SHOPBENCH_CONTEXT": "320", "SHOPBENCH_EAGER": "0"}
    run = sent.offline()
    assert (run["SHOPBENCH_CONTEXT"], run["VLLM_USE_V1"]) == ("320", "1") and "SHOPBENCH_BATCH_SIZE" not in run
    (small / "models" / "user_config.py").write_text("import no_such_module\n")
    assert submission(small).settings == {"SHOPBENCH_CONTEXT": "320", "SHOPBENCH_EAGER": "1"}


@pytest.mark.parametrize(
    ("setting", "says", "fails"),
    [
        ("SHOPBENCH_CONTEXT=99999", "SHOPBENCH_CONTEXT=99999: must be a number from 128 to 4096", True),
        ("SHOPBENCH_CONSTRAINTS=strict", "must be one of exact", True),
        ("SHOPBENCH_DTYPE=bfloat16", "T4s compute in float16; take it out", True),
        ("SHOPBENCH_TENSOR_PARALLEL=8", "SHOPBENCH_TENSOR_PARALLEL to a divisor of 4", True),
        ("SHOPBENCH_WEIGHTS=weights/embedded", "weights/track2 would not be served; take it out", True),
        ("SHOPBENCH_QUESTION_SECONDS=60", "kills a run at 10 s a question: take it out", False),
        ("SHOPBENCH_RUN_SECONDS=0", "takes over 20 minutes is killed and scores nothing: take it out", False),
        ("SHOPBENCH_RUN_SECONDS=1201", "takes over 20 minutes is killed and scores nothing: take it out", False),
    ],
)
def test_settings_that_do_not_suit_the_evaluator_are_named(small: Path, setting: str, says: str, fails: bool) -> None:
    set_in_image(small, setting)
    (problem,) = problems(small, "settings")
    assert says in problem and isinstance(problem, Warned) is not fails


@pytest.mark.parametrize("setting", ["SHOPBENCH_RUN_SECONDS=1100", "SHOPBENCH_QUESTION_SECONDS=5", "SHOPBENCH_EAGER=1"])
def test_settings_within_the_limits_are_no_problem(small: Path, setting: str) -> None:
    set_in_image(small, setting)
    assert problems(small, "settings") == []


def test_more_gpus_than_the_evaluator_has_are_refused(small: Path) -> None:
    write_json(small / "weights" / "track2" / "config.json", {**CONFIG, **LARGE, "intermediate_size": 128 * 240})
    set_in_image(small, "SHOPBENCH_TENSOR_PARALLEL=8")
    (problem,) = problems(small, "settings")
    assert problem.startswith("SHOPBENCH_TENSOR_PARALLEL=8: ") and "the evaluator has 4 GPUs; take it out" in problem


def test_the_time_is_that_of_the_submission_s_own_context(small: Path) -> None:
    """The shorter the context, the less time: from an error over a warning to nothing to say."""
    make_large(small)
    (problem,) = problems(small, "budget")
    assert not isinstance(problem, Warned)
    assert problem.startswith("budget: track 2, Shopping Knowledge Reasoning, would take ")
    assert " of 20 minutes (" in problem and " too many" in problem and "--context 3072 " in problem
    found = []
    for context in (128, 256, 640):
        set_in_image(small, f"SHOPBENCH_CONTEXT={context}")
        said = problems(small, "budget")
        assert len(said) <= 1 and all(f"--context {context}" in one for one in said)
        found.append("tight" if said and isinstance(said[0], Warned) else "fail" if said else "pass")
    assert found == ["pass", "tight", "fail"]


def test_smaller_batches_take_longer(small: Path) -> None:
    make_large(small)
    times = []
    for size in (16, 1):
        set_in_image(small, f"SHOPBENCH_BATCH_SIZE={size}")
        (problem,) = problems(small, "budget")
        times.append(float(problem.split("would take ")[1].split()[0]))
    assert times[1] > times[0]


def test_the_command_that_is_shown_shows_the_same_minutes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a work tree with a blank in its name, from a shell with settings of its own."""
    root = small.rename(tmp_path / "a work tree")
    make_large(root)
    monkeypatch.setenv("SHOPBENCH_BATCH_SIZE", "3")
    monkeypatch.setattr(budget, "cuts_text", lambda *_: "what to cut")  # seconds, and not the minutes

    def minutes(setting: str) -> str:
        set_in_image(root, f"SHOPBENCH_{setting}")
        (problem,) = problems(root, "budget")
        command = problem.split("python -m tools.budget ")[1]
        budget.main(shlex.split(command))
        (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("2 Shopping Knowledge")]
        assert problem.split("would take ")[1].split()[0] == row.split()[-4] and row.split()[-1] == "fail"
        assert "--answer-by text" in command and "--gpu T4x4" in command
        return row

    set_in_image(root, "SHOPBENCH_ANSWER_BY=text")
    found = [minutes(setting) for setting in ("BATCH_SIZE=1", "BLOCK_SIZE=64", "CONTEXT=900")]
    assert len(set(found)) == 3, "each of them makes a difference"


def test_what_is_tight_is_shown_as_a_warning_and_may_be_sent(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.submit.evaluator.verdict", lambda cases: "tight")
    manifest = small / "aicrowd.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **submission(small).manifest}))
    commit(small, "Name the track")
    assert main(["check", "--track", "2", "--root", str(small), "--skip", "dry-run"]) == 0
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if line.startswith("warn")]
    assert line.split()[1] == "budget"
    said = printed.splitlines()[printed.splitlines().index(line) + 1]
    assert said.strip().startswith("- budget: track 2, Shopping Knowledge Reasoning, is tight: ")
    assert (
        "typically" in said
        and "of 20 minutes (" in said
        and "to spare)" in said
        and "in the pessimistic case" in said
        and "tools.budget --track 2" in said
    )
    assert "FAIL" not in printed
