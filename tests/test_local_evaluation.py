"""The command line of local_evaluation.py: results, bad input, kill and resume. No engine is started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import local_evaluation
from models.engine.requests import Completion, Request
from models.shopbench_model import ShopBenchModel
from models.spaces.one_digit import OneDigit
from shopbench import embeddings
from shopbench.answers import write
from shopbench.errors import exit_code_of
from shopbench.sample import write_samples
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import FakeModel, choice, make_weights, retrieval, text
from tests.models.fakes import BrokenEngine
from tests.models.tokens import byte_level

SAMPLES = [
    *(choice(f"mc {n}", n % 3, "task2") for n in range(9)),
    *(retrieval(f"three {n}", (1, 2, n + 3), "task3") for n in range(3)),
    text("phrase 0", "very soft on the skin"),
]
TRUTHS = {sample.input_field: write(sample.task_type, sample.output_field) for sample in SAMPLES}

Evaluate = Callable[..., int]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    write_samples(tmp_path / "questions.jsonl", SAMPLES)
    return tmp_path / "questions.jsonl"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return make_weights(tmp_path / "weights")


@pytest.fixture
def evaluate(tmp_path: Path, questions: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Run main() with a fake model; keyword `answer` is what it says, `model` a class to use instead."""
    monkeypatch.setenv("SHOPBENCH_WEIGHTS", str(weights))  # undone after the test, whatever main() sets

    def run(
        *arguments: str, answer: Callable[[str], str] = TRUTHS.__getitem__, model: Any = None, **options: Any
    ) -> int:
        module = types.SimpleNamespace(UserModel=model or (lambda: FakeModel(answer)))
        monkeypatch.setitem(sys.modules, "models.user_config", module)  # type: ignore[arg-type]
        named = {"questions": questions, "weights": weights, "output": tmp_path / "results.json", **options}
        given = [part for name, value in named.items() if value for part in (f"--{name}", str(value))]
        return exit_code_of(local_evaluation.main, [*given, *arguments])

    return run


def read(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))


def test_scores_right_answers_with_one(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: Path
) -> None:
    assert evaluate(report=tmp_path / "report.html") == 0
    results = read(tmp_path)
    assert results["score"] == 1.0
    assert {name: task["count"] for name, task in results["per_task"].items()} == {"task2": 9, "task3": 3, "task6": 1}
    assert [sample["question"] for sample in results["samples"]] == [sample.input_field for sample in SAMPLES]
    assert results["weights"]["folder"] == str(weights) == os.environ["SHOPBENCH_WEIGHTS"]
    printed = capsys.readouterr().out
    assert "SCORE (mean over 3 tasks): 1.000" in printed
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"questions.jsonl", "weights", "results.json", "report.html"}


def test_answers_that_were_cut_are_warned_of_in_one_last_line(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The submitted model's own code, with an engine that has time for choices only."""

    def slow(requests: Sequence[Request], timeout: float) -> list[Completion]:
        return [Completion(finished=isinstance(one.space, OneDigit)) for one in requests]

    page, tokenizer = tmp_path / "report.html", byte_level([])
    engine = BrokenEngine(tokenizer, slow)
    assert evaluate(model=lambda: ShopBenchModel(lambda: engine, tokenizer, 512), report=page) == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("warning: 4 of 13 answers were cut, or not begun, for want of time: the score is that ")
    (line,) = read(tmp_path)["warnings"]
    assert last == f"warning: {line}" and line in page.read_text(encoding="utf-8")
    assert evaluate(report=page) == 0
    assert "warning" not in capsys.readouterr().err
    assert read(tmp_path)["warnings"] == [] and "Warning" not in page.read_text(encoding="utf-8")


def test_scores_wrong_answers_with_zero(evaluate: Evaluate, tmp_path: Path) -> None:
    assert evaluate(answer=lambda question: "9") == 0
    assert read(tmp_path)["score"] == 0.0


def test_limit_takes_the_first_questions(evaluate: Evaluate, tmp_path: Path) -> None:
    assert evaluate(limit=4) == 0
    assert [sample["question"] for sample in read(tmp_path)["samples"]] == ["mc 0", "mc 1", "mc 2", "mc 3"]


def test_a_failing_model_leaves_no_results_and_its_answers_are_kept(evaluate: Evaluate, tmp_path: Path) -> None:
    def breaks(question: str) -> str:
        return TRUTHS[question] if question.startswith("mc") else 1 / 0  # type: ignore[return-value]

    with pytest.raises(ZeroDivisionError):
        evaluate(answer=breaks)
    assert not (tmp_path / "results.json").exists()
    asked: list[str] = []

    def mended(question: str) -> str:
        asked.append(question)
        return TRUTHS[question]

    assert evaluate(answer=mended) == 0
    assert sorted(asked) == ["phrase 0", "three 0", "three 1", "three 2"]
    results = read(tmp_path)
    assert results["score"] == 1.0
    assert results["timing"]["resumed_questions"] == 9


@pytest.mark.parametrize(
    ("flags", "code", "says"), [((), 1, "error: 1 "), (("--skip-missing-metrics",), 0, "skipped: 1 ")]
)
def test_a_missing_metric_model_is_named_and_the_rest_scored(
    evaluate: Evaluate,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    def missing(name: str) -> str:
        raise embeddings.ModelMissing(f"{name} is not here; get it there")

    monkeypatch.setattr(embeddings, "find_model", missing)
    embeddings._model.cache_clear()
    explained = text("erkläre", "Ein Topf.", "multilingual-sent-transformer", "task17")
    write_samples(tmp_path / "more.jsonl", [*SAMPLES, explained])
    answers = {**TRUTHS, "erkläre": "Ein Topf."}
    assert evaluate(*flags, questions=tmp_path / "more.jsonl", answer=answers.__getitem__) == code
    error = capsys.readouterr().err
    assert f"{says}questions of metric multilingual-sent-transformer are not scored" in error
    assert "get it there" in error
    assert read(tmp_path)["score"] == 1.0


GOOD = json.dumps(SAMPLES[0].to_dict())


def line(**changes: Any) -> str:
    return json.dumps({**SAMPLES[0].to_dict(), **changes})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("", "holds no questions"),
        ("\n \n", "holds no questions"),
        (f"{GOOD}\n\n{{broken\n", "line 3: broken JSON"),
        (f"{GOOD}\n[1]\n", "line 2: a JSON object"),
        ('{"input_field": "x"}\n', "line 1: field 'output_field' is missing"),
        (line(metric="acuracy"), "line 1: unknown metric 'acuracy'; known: accuracy, "),
        (line(metric=["accuracy"]), "line 1: field 'metric' must be text"),
        (line(metric="ndcg"), "line 1: metric 'ndcg' scores ranking answers, not multiple-choice"),
        (line(task_type="essay"), "line 1: unknown task type 'essay'; known: "),
        (line(output_field="b"), "line 1: field 'output_field' is no truth"),
        (line(input_field=3), "line 1: field 'input_field' must be text"),
    ],
)
def test_a_bad_question_file_gets_one_line(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, says: str
) -> None:
    bad = tmp_path / "bad.jsonl"
    if content is not None:
        bad.write_text(content)
    assert evaluate(questions=bad) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"error: {bad}")
    assert says in error
    assert not (tmp_path / "results.json").exists()


def test_bad_weights_get_one_line(evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pointer = make_weights(tmp_path / "pointer")
    (pointer / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, says in ((tmp_path / "none", "no such folder"), (empty, "config.json"), (pointer, "git lfs pull")):
        assert evaluate(weights=folder) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(folder) in error
        assert says in error


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ({"output": tmp_path / "no" / "results.json"}, {"report": tmp_path}):
        assert evaluate(answer=lambda question: pytest.fail("asked"), **options) == 2
        assert "cannot be written" in capsys.readouterr().err


def test_a_model_that_breaks_the_contract_gets_one_line(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(answer=lambda question: None) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "error: batch_predict on questions 1-4 returned NoneType for question 1; a text (str) is wanted"


def test_what_scoring_needs_is_loaded_while_the_model_starts(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    class Starting(FakeModel):
        def __init__(self, wait: bool = True) -> None:
            super().__init__(lambda question: "soft")
            events.append("ready" if wait else "begun")

        def wait_until_ready(self) -> None:
            events.append("ready")

    def missing(name: str) -> str:
        events.append(name)
        raise embeddings.ModelMissing(f"{name} is not here; get it there")

    monkeypatch.setattr(embeddings, "find_model", missing)
    embeddings._model.cache_clear()
    write_samples(tmp_path / "soft.jsonl", [text("how is it?", "soft", "sent-transformer")] * 2)
    assert evaluate(questions=tmp_path / "soft.jsonl", model=Starting) == 1
    assert events == ["begun", "all-MiniLM-L6-v2", "ready", "all-MiniLM-L6-v2"]


def test_track_keeps_its_questions(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(track=2) == 2
    assert "holds no questions of track 2" in capsys.readouterr().err
    assert evaluate(track=5) == 0


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5"])
def test_a_bad_limit_is_refused(evaluate: Evaluate, limit: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate(limit=limit)
    assert stopped.value.code == 2


KILLED_MIDWAY = """
import os, signal, sys, types
import local_evaluation
from shopbench.errors import run_command
from tests.evaluation.fakes import FakeModel
def answer(question):
    if question == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    print("asked", question)
    return "1"
sys.modules["models.user_config"] = types.SimpleNamespace(UserModel=lambda: FakeModel(answer))
run_command(lambda: local_evaluation.main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_goes_on_after_kill_9(repository: Path, tmp_path: Path, questions: Path, weights: Path) -> None:
    def command(fatal: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--questions", questions, "--weights", weights, "--output", tmp_path / "results.json"]
        command = [sys.executable, "-c", KILLED_MIDWAY, fatal, *map(str, arguments)]
        return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)

    assert command("mc 5").returncode == -signal.SIGKILL
    assert not (tmp_path / "results.json").exists()
    assert command("three 1").returncode == -signal.SIGKILL
    last = command("nothing is fatal")
    assert last.returncode == 0, last.stderr
    asked = [line for line in last.stdout.splitlines() if line.startswith("asked")]
    assert asked == [f"asked {sample.input_field}" for sample in SAMPLES[9:]]
    results = read(tmp_path)
    assert [sample["output"] for sample in results["samples"]] == ["1"] * len(SAMPLES)
    assert not list(tmp_path.glob("*.part"))


STOPPED_MIDWAY = """
import runpy, sys, time, types
from tests.evaluation.fakes import FakeModel
class Slow(FakeModel):
    def batch_predict(self, batch, is_multiple_choice):
        if self.calls:
            print("asked twice", flush=True)
            time.sleep(60)
        return super().batch_predict(batch, is_multiple_choice)
    def close(self):
        print("closed", flush=True)
sys.modules["models.user_config"] = types.SimpleNamespace(UserModel=Slow)
sys.argv[0] = "local_evaluation.py"
runpy.run_path("local_evaluation.py", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_ends_the_model_and_says_how_to_go_on(
    repository: Path, tmp_path: Path, questions: Path, weights: Path, stop: signal.Signals
) -> None:
    arguments = ["--questions", questions, "--weights", weights, "--output", tmp_path / "results.json"]
    command = [sys.executable, "-c", STOPPED_MIDWAY, *map(str, arguments)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=repository, **pipes) as run:
        assert run.stdout
        while run.stdout.readline() != "asked twice\n":
            assert run.poll() is None
        run.send_signal(stop)
        printed, error = run.communicate(timeout=60)
    assert run.returncode == 130
    assert printed == "closed\n"
    assert error.splitlines()[-1] == "interrupted: give the same command again to go on from here"
    assert (tmp_path / "results.json.answers.part").is_file()
    assert not (tmp_path / "results.json").exists()


@pytest.mark.slow
def test_a_run_over_the_limits_is_stopped_and_kept(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def slowly(question: str) -> str:
        time.sleep(60 if question == "mc 2" else 0)
        return "0"

    def one_at_a_time() -> FakeModel:
        return FakeModel(slowly, batch_size=1)

    write_samples(tmp_path / "few.jsonl", [replace(one, track=TRACKS[4].challenge_id) for one in SAMPLES[:3]])
    assert evaluate("--enforce-limits", questions=tmp_path / "few.jsonl", model=one_at_a_time) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("killed: questions 3 took over ") and last.endswith("the evaluator kills the run here")
    assert (tmp_path / "results.json.answers.part").is_file()


def test_help_and_bad_input_cost_no_engine(repository: Path) -> None:
    script = (
        "import sys, local_evaluation\n"
        "from shopbench.errors import exit_code_of\n"
        "assert exit_code_of(local_evaluation.main, ['--questions', 'no such file']) == 2\n"
        "heavy = {'vllm', 'torch', 'transformers', 'sentence_transformers', 'sacrebleu', 'nltk', 'sklearn'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], cwd=repository, check=True, capture_output=True)


def test_default_questions_are_the_development_file_else_our_own(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, evaluate: Evaluate
) -> None:
    own, development = tmp_path / "sample_questions.jsonl", tmp_path / "development.json"
    monkeypatch.setattr("shopbench.files.QUESTIONS", (development, own))
    write_samples(own, SAMPLES)
    assert evaluate(questions=None) == 0
    assert read(tmp_path)["questions_file"] == str(own)
    write_samples(development, SAMPLES[:2])
    assert evaluate(questions=None) == 0
    assert read(tmp_path)["questions_file"] == str(development)


ECINSTRUCT = [
    {
        "split": "test",
        "task": "Product_Matching",
        "setting": "IND_Diverse_Instruction",
        "instruction": "Are they the same?",
        "input": f"pair {number}",
        "options": None,
        "output": "yes" if number % 2 else "no",
        "few_shot_example": None,
    }
    for number in range(6)
]


@pytest.fixture
def ecinstruct(tmp_path: Path) -> Path:
    (tmp_path / "ECInstruct.json").write_text(json.dumps(ECINSTRUCT), encoding="utf-8")
    return tmp_path / "ECInstruct.json"


def test_a_benchmark_is_run_and_reported_in_the_same_way(
    evaluate: Evaluate, tmp_path: Path, ecinstruct: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    arguments = ("--benchmark", "ecinstruct", "--limit", "5", "--report", str(report))
    assert evaluate(*arguments, questions=ecinstruct, answer=lambda question: "yes") == 0
    results = read(tmp_path)
    # Five pairs, two of them the same: precision 2/5, recall 1.
    name = "PM, in-domain, seen instructions, 0-shot"
    assert results["score"] == results["per_task"][name]["score"] == pytest.approx(2 * 0.4 / 1.4)
    assert results["per_task"][name]["metrics"]["specificity"] == 0.0
    assert (results["benchmark"], results["per_task"][name]["count"]) == ("ecinstruct", 5)
    assert {"score", "per_task", "per_type", "per_track", "timing", "samples", "weights"} <= set(results)
    printed = capsys.readouterr().out
    assert "SCORE (mean over 1 tasks): 0.571" in printed and "specificity 0.000" in printed
    page = report.read_text(encoding="utf-8")
    assert "ECInstruct evaluation" in page and "specificity 0.000" in page and "Tracks" not in page
    assert not list(tmp_path.glob("*.part"))


def test_a_benchmark_goes_on_where_it_stopped(evaluate: Evaluate, tmp_path: Path, ecinstruct: Path) -> None:
    asked: list[str] = []

    def breaks(question: str) -> str:
        asked.append(question)
        return "no" if len(asked) < 5 else 1 / 0  # type: ignore[return-value]

    with pytest.raises(ZeroDivisionError):
        evaluate("--benchmark", "ecinstruct", questions=ecinstruct, answer=breaks)
    asked.clear()
    assert (
        evaluate("--benchmark", "ecinstruct", questions=ecinstruct, answer=lambda text: asked.append(text) or "no") == 0
    )
    assert [text.rpartition(" ")[2] for text in asked] == ["4", "5"]
    assert read(tmp_path)["timing"]["resumed_questions"] == 4


@pytest.mark.parametrize(
    ("arguments", "questions", "says"),
    [
        (("--benchmark", "ecinstruct"), False, "--benchmark ecinstruct: name ECInstruct's JSON file"),
        (("--benchmark", "ecinstruct", "--track", "1"), True, "--track: has no meaning for ECInstruct"),
        (("--benchmark", "ecinstruct", "--enforce-limits"), True, "--enforce-limits: has no meaning for ECInstruct"),
        (("--benchmark", "ecinstruct", "--split", "val"), True, "no val rows for 0 shots (rows: test 6)"),
        (("--benchmark", "ecominstruct", "--shots", "1"), True, "--shots: has no meaning for EcomInstruct"),
        (("--split", "val"), True, "--split: has no meaning for ShopBench"),
    ],
)
def test_options_that_do_not_go_together_get_one_line(
    evaluate: Evaluate,
    ecinstruct: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    questions: bool,
    says: str,
) -> None:
    assert evaluate(*arguments, questions=ecinstruct if questions else None) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
