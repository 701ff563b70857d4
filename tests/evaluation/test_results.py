"""results.json, the table and the projections to the tracks' time limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evaluation.benchmark import Options
from evaluation.journal import Batch
from evaluation.results import Results, make_results
from evaluation.runner import Answers
from evaluation.suites.shopbench import SHOPBENCH, items_of
from evaluation.table import format_results
from shopbench.files import write_json
from shopbench.sample import Sample
from shopbench.tracks import TRACKS
from tests.evaluation.fakes import ALL, choice, retrieval, text

SAMPLES = [
    choice("a", 1, "task2", TRACKS[1].challenge_id),
    choice("b", 1, "task2", TRACKS[1].challenge_id),
    retrieval("c", task="task13", track=TRACKS[3].challenge_id),
]


def made(samples: Sequence[Sample], answers: Answers) -> Results:
    return make_results(SHOPBENCH, "questions.jsonl", items_of(samples), answers, Options(), Path("weights"))


def results_of(seconds: float = 3.0, load: float = 60.0) -> Results:
    batches = [Batch([0, 1], ["1", "0"], 2 * seconds, {"repaired": 1}), Batch([2], ["1,2,3"], seconds, {"repaired": 2})]
    answers = Answers(["1", "0", "1,2,3"], [seconds] * 3, batches, load, 2)
    return made(SAMPLES, answers)


def test_holds_the_keys_that_others_read() -> None:
    results = results_of()
    assert {"score", "per_task", "per_type", "per_track", "timing", "samples", "weights", "versions"} <= set(results)
    wanted = {"index", "task_name", "task_type", "output", "parsed", "truth", "score"}
    assert all(wanted <= set(sample) for sample in results["samples"])
    assert [sample["score"] for sample in results["samples"]] == [1.0, 0.0, 1.0]
    assert results["score"] == 0.75
    assert results["model_counts"] == {"repaired": 3}


def test_answers_cut_by_the_time_are_warned_of_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def warnings(options: Options = ALL, **counts: int) -> list[str]:
        answers = Answers(["1", "0", ""], [1.0] * 3, [Batch([0, 1], ["1", "0"], 2, counts), Batch([2], [""], 1)], 0, 0)
        found: list[str] = make_results(
            SHOPBENCH, "questions.jsonl", items_of(SAMPLES), answers, options, Path("weights")
        )["warnings"]
        return found

    monkeypatch.delenv("SHOPBENCH_QUESTION_SECONDS", raising=False)
    assert warnings() == warnings(repaired=2, restarts=1, shortened=1, failed=1) == []
    (line,) = warnings(unfinished=2)
    assert line.startswith("2 of 3 answers were cut, or not begun, for want of time: the score is that of a slow")
    assert line.endswith("(SHOPBENCH_QUESTION_SECONDS=600 SHOPBENCH_RUN_SECONDS=0)")
    assert "the engine was started again: 4): the score" in warnings(unfinished=1, restarts=4)[0]
    monkeypatch.setenv("SHOPBENCH_QUESTION_SECONDS", "700")
    (line,) = warnings(Options(enforce_limits=True), unfinished=1)
    assert line.endswith("(SHOPBENCH_QUESTION_SECONDS above 700 SHOPBENCH_RUN_SECONDS=0, without --enforce-limits)")


def test_a_benchmark_without_a_script_has_no_published_column() -> None:
    results = results_of()
    assert results["published"] is None and results["per_task"]["task2"]["published"] is None
    assert "published" not in format_results(results)


def test_projects_each_track_and_all_around() -> None:
    tracks = results_of()["per_track"]
    assert list(tracks) == ["1", "3", "5"]
    assert tracks["3"]["projected_minutes"] == pytest.approx((60 + 3 * TRACKS[3].questions) / 60)
    assert not tracks["3"]["in_time"]
    assert (tracks["5"]["count"], tracks["5"]["score"]) == (3, 0.75)
    assert results_of(0.1)["per_track"]["3"]["in_time"]


def test_the_slowest_batch_is_the_slowest_for_its_size() -> None:
    answers = Answers(["1", "1", "1,2"], [1, 1, 11], [Batch([0, 1], ["1", "1"], 2), Batch([2], ["1,2"], 11)], 0, 0)
    timing = made(SAMPLES, answers)["timing"]
    assert timing["slowest_batch"]["first_index"] == 2
    assert timing["batches_over_limit"] == 1


def test_writes_what_json_can_hold_again(tmp_path: Path) -> None:
    results = results_of()
    results["samples"][0]["output"] = "ü \ud800 </script>"
    write_json(tmp_path / "results.json", results, indent=1)
    again = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert again["samples"][0]["output"] == "ü ? </script>"
    assert again["per_track"] == results["per_track"]
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_the_table_shows_every_group_and_the_score() -> None:
    table = format_results(results_of())
    for word in ("task2", "task13", "hit rate@3", "retrieval", "1 Shopping Concept Understanding", "TOO SLOW", "0.750"):
        assert word in table
    assert "2 answers are of an earlier" in table
    assert "repaired 3" in table


def test_the_table_shows_what_was_not_scored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("SHOPBENCH_METRIC_MODELS", str(tmp_path))
    samples = [text("q", "x", "multilingual-sent-transformer", "task17")]
    monkeypatch.setattr("shopbench.embeddings.find_model", _missing)
    results = made(samples, Answers(["x"], [1.0], [Batch([0], ["x"], 1.0)], 0, 0))
    assert results["score"] is None
    assert results["missing_metrics"]["multilingual-sent-transformer"]["questions"] == 1
    assert "1 unscored" in format_results(results)


def _missing(name: str) -> str:
    from shopbench.metrics import ModelMissing

    raise ModelMissing(f"{name} is not here")
