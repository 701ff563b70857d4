"""Sweeps from the command line, with a stand-in for the engine: scores, tables, pictures, and going on after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from evaluation.benchmark import Scored
from evaluation.scoring import Outcome
from evaluation.suites.shopbench import SHOPBENCH, items_of
from shopbench.errors import UserError, exit_code_of
from shopbench.files import write_json
from shopbench.sample import Sample, write_samples
from shopbench.tasks import TaskType
from shopbench.tracks import TRACKS
from tests.training.test_merge import make_adapter
from training.sweep import command as sweep
from training.sweep import engine as sweep_engine
from training.sweep import report as sweep_report
from training.sweep import study_run, weight_sweep
from training.sweep.studies import STUDIES, Claim
from training.weights.joined import merge_adapters

Make = Callable[..., Path]
PNG = b"\x89PNG\r\n\x1a\n"


def question(number: int, task: str = "t", track: str = "") -> Sample:
    text = f"Which one of {task} is number {number}?\n0. none\n1. this\nAnswer: "
    return Sample(text, 1, task, TaskType.MULTIPLE_CHOICE, "accuracy", True, track)


class Machine:
    """Stands in for the engine: the larger an adapter's delta, the more questions are answered rightly."""

    def __init__(self) -> None:
        self.starts = 0
        self.asked: list[str] = []
        self.dies_after: int | None = None

    @contextlib.contextmanager
    def serving(self, base: Path, rank: int, answer_by: str = "number") -> Iterator[Machine]:
        self.starts += 1
        yield self

    def answers(self, samples: Sequence[Sample], adapter: Path | None, journal: Path) -> list[Scored]:
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise UserError("a process of the engine has ended")
        self.asked.append(adapter.name if adapter else "base")
        right = 0
        if adapter:
            size = sum(
                tensor.abs().sum()
                for name, tensor in load_file(adapter / "adapter_model.safetensors").items()
                if "lora_B" in name
            )
            right = min(len(samples), int(8 * torch.log1p(size)))
        outputs = ["1" if place < right else "0" for place in range(len(samples))]
        return SHOPBENCH.score_answers(items_of(samples), outputs)[0]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(sweep_engine, "serving", made.serving)
    # The real one hashes this checkout's code: a file saved while a test runs would make it ask anew.
    monkeypatch.setattr(sweep_engine, "journal_key", lambda items, weights: str([item.text for item in items]))
    return made


@pytest.fixture(scope="module")
def base(tiny_model: Make) -> Path:
    return tiny_model("llama")


@pytest.fixture(scope="module")
def two(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [make_adapter(base, folder / "a", 1, 4), make_adapter(base, folder / "b", 2, 2)]


def alpha(base: Path, adapter: Path, questions: Path, output: Path, *more: str) -> int:
    arguments = ["--recipe", "embedded_a", "--base", base, "--adapter", adapter, "--questions", questions]
    return exit_code_of(sweep.main, ["alpha", *map(str, arguments), "--output", str(output), *more])


def test_the_alpha_curve_is_a_table_a_picture_and_numbers(
    machine: Machine, base: Path, two: list[Path], tmp_path: Path
) -> None:
    write_samples(tmp_path / "q.jsonl", [question(number, f"task{number % 3}") for number in range(60)])
    assert alpha(base, two[0], tmp_path / "q.jsonl", tmp_path / "out", "--points", "0,0.5,1,1.5") == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    scores = [row["score"] for row in found["points"]]
    assert scores[0] == 0 < scores[1] < scores[2] < scores[3] and found["best"] == [1.5]
    assert machine.starts == 1 and len(machine.asked) == 4
    assert (tmp_path / "out" / "plot.png").read_bytes().startswith(PNG)
    table = (tmp_path / "out" / "table.md").read_text()
    assert f"**{scores[3]:.3f}**" in table and "training.merge" in table
    assert str(tmp_path) not in table, "no absolute path of this machine"
    texts = (tmp_path / "out" / "points").glob("*.json")
    assert "Which one" not in "".join(path.read_text() for path in texts), "numbers only"
    assert not (tmp_path / "out" / "scaled").exists()


def test_a_sweep_goes_on_where_it_was_killed_and_asks_nothing_twice(
    machine: Machine, base: Path, two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_samples(tmp_path / "q.jsonl", [question(number) for number in range(20)])
    points = ("--points", "0,0.4,0.8")
    machine.dies_after = 2
    assert alpha(base, two[0], tmp_path / "q.jsonl", tmp_path / "out", *points) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: a process of the engine has ended")
    machine.dies_after = None
    assert alpha(base, two[0], tmp_path / "q.jsonl", tmp_path / "out", *points) == 0
    assert machine.asked == ["0.000", "0.400", "0.800"]
    assert alpha(base, two[0], tmp_path / "q.jsonl", tmp_path / "out", *points) == 0
    assert len(machine.asked) == 3 and machine.starts == 2, "no engine for what is known"
    write_samples(tmp_path / "q.jsonl", [question(number) for number in range(21)])
    assert alpha(base, two[0], tmp_path / "q.jsonl", tmp_path / "out", *points) == 0
    assert len(machine.asked) == 6, "other questions: everything anew"


def test_an_adapter_that_means_something_else_is_asked_again(
    machine: Machine, base: Path, two: list[Path], tmp_path: Path
) -> None:
    write_samples(tmp_path / "q.jsonl", [question(number) for number in range(20)])
    adapter = shutil.copytree(two[0], tmp_path / "adapter")
    for scale in (1, 2):
        options = json.loads((two[0] / "adapter_config.json").read_text())
        changed = options | {"lora_alpha": scale * options["lora_alpha"]}
        (adapter / "adapter_config.json").write_text(json.dumps(changed))
        assert alpha(base, adapter, tmp_path / "q.jsonl", tmp_path / "out", "--points", "0.5") == 0
    assert machine.asked == ["0.000", "0.500"] * 2


def test_points_that_are_close_are_not_taken_for_one(
    machine: Machine, base: Path, two: list[Path], tmp_path: Path
) -> None:
    write_samples(tmp_path / "q.jsonl", [question(number) for number in range(20)])
    assert alpha(base, two[0], tmp_path / "q.jsonl", tmp_path / "out", "--points", "0.4,0.4004") == 0
    assert machine.asked == ["0.000", "0.400", "0.4004"]


def test_scaling_is_a_factor_of_the_delta(base: Path, two: list[Path], tmp_path: Path) -> None:
    found = {}
    for weight in (1.0, 0.25, 0.0):
        points = weight_sweep.Sweep(str(base), base, (two[0],), tmp_path)
        merge_adapters(points.merge((weight,)), tmp_path / str(weight))
        found[weight] = load_file(tmp_path / str(weight) / "adapter_model.safetensors")
    for name, whole in found[1.0].items():
        part = 0.25 if "lora_B" in name else 1.0
        torch.testing.assert_close(found[0.25][name], whole * part, rtol=1e-3, atol=1e-6)
        assert "lora_A" in name or not found[0.0][name].any()


def test_an_ensemble_is_chosen_on_held_out_training_data_only(
    machine: Machine, base: Path, two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ensemble", "--recipe", "embedded", "--base", str(base), "--adapters", *map(str, two)]
    arguments += ["--first", "0,1", "--second", "0,0.5", "--output", str(tmp_path / "out"), "--questions"]
    write_samples(tmp_path / "test.jsonl", [question(1, track=TRACKS[1].challenge_id)])
    assert exit_code_of(sweep.main, [*arguments, str(tmp_path / "test.jsonl")]) == 2
    assert "choose weights on the validation.jsonl" in capsys.readouterr().err and not machine.asked
    write_samples(tmp_path / "held.jsonl", [question(number) for number in range(80)])
    assert sweep.main([*arguments, str(tmp_path / "held.jsonl")]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert sorted(row["weights"] for row in found["points"]) == [[0, 0], [0, 0.5], [1, 0], [1, 0.5]]
    assert found["best"] == [1, 0.5] and machine.starts == 1
    assert "--adapters a:1 b:0.5" in (tmp_path / "out" / "table.md").read_text()


def test_an_adapter_of_another_base_is_refused_before_the_engine_starts(
    machine: Machine, tiny_model: Make, two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_samples(tmp_path / "q.jsonl", [question(1)])
    assert alpha(tiny_model("llama", seed=9), two[0], tmp_path / "q.jsonl", tmp_path / "out") == 2
    assert "other weights" in capsys.readouterr().err and machine.starts == 0
    assert alpha(two[0], two[0], tmp_path / "q.jsonl", tmp_path / "out") == 2
    assert capsys.readouterr().err.count("\n") == 1


def study(base: Path, data: Path, output: Path, *more: str) -> int:
    arguments = ["tasks", "--recipe", "embedded_a", "--base", base, "--data", data, "--output", output]
    return exit_code_of(sweep.main, [*map(str, arguments), "--budget-tokens", "6000", "--questions", "12", *more])


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    folder.mkdir()
    wanted = STUDIES["tasks"]
    train = [question(number, task) for arm in wanted.arms for task in arm.tasks for number in range(4)]
    write_samples(folder / "train.jsonl", dict.fromkeys(train))
    write_samples(folder / "validation.jsonl", [question(9, task) for task in wanted.tested for _ in range(3)])
    write_json(folder / "manifest.json", {"tasks": dict.fromkeys(wanted.tasks), "sha256": {"train": "x"}})
    return folder


@pytest.mark.slow
def test_a_study_trains_its_arms_asks_them_and_judges_the_claim(
    machine: Machine, base: Path, pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real training of a tiny model, in this process; the first arm in a run of its own, as on another machine."""
    trained: list[str] = []

    class Here:
        def __init__(self, target: Callable[..., None], args: tuple[Any, ...]) -> None:
            self.call, self.exitcode = lambda: target(*args), 0
            trained.append(args[0].name)

        def start(self) -> None:
            self.call()

        def join(self) -> None:
            return

    monkeypatch.setattr(study_run.multiprocessing, "get_context", lambda kind: type("Context", (), {"Process": Here}))
    out = tmp_path / "out"
    assert study(base, pool, out, "--seeds", "1", "--arm", "3 tasks") == 0
    assert trained == ["3-tasks-s1"] and not machine.asked and not (out / "results.json").exists()
    assert study(base, pool, out, "--seeds", "1") == 0
    assert trained == ["3-tasks-s1", "8-tasks-s1", "15-tasks-s1"], "what is trained is not trained again"
    assert machine.asked == ["base", "3-tasks-s1", "8-tasks-s1", "15-tasks-s1"] and machine.starts == 1
    assert study(base, pool, out, "--seeds", "1,2") == 0
    assert len(trained) == 6 and len(machine.asked) == 7, "a second seed adds its own adapters only"
    found = json.loads((out / "results.json").read_text())
    assert [row["arm"] for row in found["arms"]] == ["base", "3 tasks", "8 tasks", "15 tasks"]
    assert set(found["arms"][1]["seeds"]) == {"1", "2"} and found["claims"][0]["verdict"]
    assert all(5000 <= one["tokens"] <= 10000 for one in found["adapters"].values()), "a budget and one sample more"
    assert "Which one" not in (out / "results.json").read_text()
    assert (out / "plot.png").read_bytes().startswith(PNG)
    assert found["claims"][0]["verdict"] in (out / "table.md").read_text()


ORPHAN = """
import multiprocessing, time
from training.processes import end_with_parent

def child():
    end_with_parent()
    time.sleep(300)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    print(process.pid, flush=True)
    process.join()
"""


@pytest.mark.slow
def test_a_training_ends_with_the_study_that_started_it(tmp_path: Path, repository: Path) -> None:
    """After kill -9 a second run must not meet the first one's training at the same checkpoints."""
    (tmp_path / "orphan.py").write_text(ORPHAN)
    command = [sys.executable, str(tmp_path / "orphan.py")]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
    child.wait(120)  # raises if it is still there


def test_a_folder_of_another_study_is_refused(
    base: Path, pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "study.json", {"study": "rank"})
    assert study(base, pool, tmp_path) == 2
    assert "holds another study" in capsys.readouterr().err


def outcome_sets(rights: dict[str, list[int]], count: int = 40) -> dict[str, dict[int, list[Any]]]:
    return {
        arm: {
            seed: [Outcome("t", "multiple-choice", "accuracy", float(n < right)) for n in range(count)]
            for seed, right in enumerate(of_seeds, 1)
        }
        for arm, of_seeds in rights.items()
    }


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ({"a": [30, 31], "b": [10, 12]}, "borne out"),
        ({"a": [10, 12], "b": [30, 31]}, "contradicted"),
        ({"a": [20, 21], "b": [20, 20]}, "not decided"),
        ({"a": [30, 10], "b": [20, 20]}, "not decided"),
        ({"a": [30], "b": [10]}, "not decided: borne out with one seed"),
    ],
)
def test_a_claim_is_judged_by_questions_and_seeds(rights: dict[str, list[int]], words: str) -> None:
    row = sweep_report.claim_row(Claim("a is better", {"a": 1, "b": -1}), outcome_sets(rights))
    assert row["verdict"].startswith(words)
    each = [(first - second) / 40 for first, second in zip(rights["a"], rights["b"], strict=True)]
    assert list(row["seeds"].values()) == pytest.approx(each)
    assert row["difference"] == pytest.approx(sum(each) / len(each))
    assert row["interval"][0] <= row["difference"] <= row["interval"][1]


@pytest.mark.parametrize("arguments", [["--points", "a"], ["--per-task", "0"]])
def test_bad_options_are_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sweep.main(["alpha", "--recipe", "r", "--adapter", "a", "--questions", "q", "--output", "o", *arguments])
    assert arguments[0] in capsys.readouterr().err
