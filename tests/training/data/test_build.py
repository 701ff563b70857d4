"""The build: the same bytes whatever the workers and after a kill, splits that share nothing, bad files by name."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from shopbench.errors import UserError, exit_code_of
from shopbench.sample import read_samples
from training.data.build import parts, run
from training.data.build.command import main
from training.data.build.parts import SKIPPED, PartSpec, Tally, part_samples
from training.data.build.run import SPLITS, build
from training.data.catalogue import all_tasks
from training.data.formats import MissingDataset, SourceError
from training.data.hashes import source_hash
from training.recipes import RECIPES, Recipe

pytestmark = pytest.mark.slow  # builds start worker processes

WORDS = ("brass", "oak", "wool", "steel", "clay", "linen", "silk", "pine", "copper", "glass", "paper", "cork")


def write_lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def rating_rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """EC-Guide reviews, each of other words."""
    return [
        {
            "input_field": "Instructions: Rate this product review between 1 and 5, where 1 is bad and 5 good.\nInput: "
            + " ".join(WORDS[(n * 7 + k * (n % 11 + 1)) % 12] + str(n * k % 97) for k in range(1, 20))
            + "\nAnswer:",
            "output_field": n % 5 + 1,
            "task_type": "multiple-choice",
            "metric": "accuracy",
        }
        for n in range(start, start + count)
    ]


def entity_rows(count: int) -> list[dict[str, Any]]:
    """EC-Guide titles with one entity."""
    return [
        {
            "input_field": f"Identify the 'MATERIAL' in the product title 'Thing {n} of {WORDS[n % 12]}'.",
            "output_field": [WORDS[n % 12]],
            "task_type": "named_entity_recognition",
            "metric": "micro f1",
        }
        for n in range(count)
    ]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    write_lines(folder / "ec_guide/MCQ/SA.jsonl", rating_rows(120))
    write_lines(folder / "ec_guide/NER/NER.jsonl", entity_rows(80))
    return folder


RECIPE = Recipe(
    "small",
    {"ec_guide_rating": 60, "ec_guide_title_entity": None},
    RECIPES["embedded_a"].training,
    validation_share=0.2,
    validation_limit=10,
)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_workers_do_not_matter_and_nothing_else_is_left(sources: Path, tmp_path: Path) -> None:
    manifest = build(RECIPE, sources, tmp_path / "one", workers=1)
    build(RECIPE, sources, tmp_path / "three", workers=3)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "three")
    assert sorted(bytes_of(tmp_path / "one")) == ["manifest.json", "train.jsonl", "validation.jsonl"]
    train, validation = (read_samples(tmp_path / "one" / f"{split}.jsonl") for split in SPLITS)
    assert manifest["samples"] == {"train": len(train), "validation": len(validation)}
    assert sum(sample.task_name == "ec_guide_rating" for sample in train) == 60
    assert 0 < sum(sample.task_name == "ec_guide_rating" for sample in validation) <= 10
    assert not {sample.input_field for sample in train} & {sample.input_field for sample in validation}
    names = [sample.task_name for sample in train]
    assert names != sorted(names), "tasks are mixed"


def test_the_manifest_says_where_the_samples_come_from(sources: Path, tmp_path: Path) -> None:
    manifest = build(RECIPE, sources, tmp_path / "out")
    task = manifest["tasks"]["ec_guide_rating"]
    assert task["licence"] == "Apache-2.0" and task["counts"]["train"] == 60
    assert sum(task["answers"].values()) == 60
    assert task["counts"]["read"] == 60 + task["counts"]["validation"] + sum(task["dropped"].values())
    path = str(sources / "ec_guide/MCQ/SA.jsonl")
    assert manifest["sources"][path] == source_hash(Path(path))
    assert manifest["sha256"]["train"] == source_hash(tmp_path / "out/train.jsonl")


def test_what_earlier_adapters_trained_on_is_left_out(sources: Path, tmp_path: Path) -> None:
    build(RECIPE, sources, tmp_path / "earlier")
    recipe = replace(RECIPE, tasks={"ec_guide_rating": 30}, skip={"ec_guide_rating": 60})
    manifest = build(recipe, sources, tmp_path / "later")
    earlier, later = (read_samples(tmp_path / name / "train.jsonl") for name in ("earlier", "later"))
    assert len(later) == 30 and not {one.input_field for one in later} & {one.input_field for one in earlier}
    assert manifest["tasks"]["ec_guide_rating"]["dropped"][SKIPPED] == 60
    held = [(tmp_path / name / "validation.jsonl").read_text() for name in ("earlier", "later")]
    assert set(held[1].splitlines()) <= set(held[0].splitlines())


def test_another_seed_mixes_otherwise(sources: Path, tmp_path: Path) -> None:
    build(RECIPE, sources, tmp_path / "a")
    build(replace(RECIPE, seed=7), sources, tmp_path / "b")
    one, other = ((tmp_path / name / "train.jsonl").read_text().splitlines() for name in "ab")
    assert one != other and sorted(one) == sorted(other)


def test_a_killed_build_goes_on_to_the_same_bytes(sources: Path, tmp_path: Path, repository: Path) -> None:
    write_lines(sources / "ec_guide/NER/NER.jsonl", entity_rows(15_000))  # long enough to be killed in its midst
    recipe = replace(RECIPE, tasks={"ec_guide_rating": 60, "ec_guide_title_entity": 10_000})
    script = tmp_path / "killed.py"
    script.write_text(
        "import pickle, sys\nfrom pathlib import Path\nfrom training.data.build.run import build\n"
        f"recipe = pickle.loads({pickle.dumps(recipe)!r})\n"
        f"if __name__ == '__main__':\n    build(recipe, Path({str(sources)!r}), Path({str(tmp_path / 'out')!r}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    process = subprocess.Popen([sys.executable, str(script)], env=environment, start_new_session=True)
    first, second = tmp_path / "out/parts/ec_guide_rating.json", tmp_path / "out/parts/ec_guide_title_entity.json"
    deadline = time.monotonic() + 120
    while not first.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert first.exists() and not second.exists(), "killed between the two parts"
    assert not (tmp_path / "out/train.jsonl").exists(), "nothing half-written"
    specs = run.part_specs(recipe, sources, ())
    again = [bool(parts.finished_part(spec, tmp_path / "out/parts")) for spec in specs]
    assert again == [True, False], "the finished part is not made again"
    build(recipe, sources, tmp_path / "out")
    build(recipe, sources, tmp_path / "whole")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_finished_parts_are_used_only_for_the_same_files(sources: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    specs = run.part_specs(RECIPE, sources, ())
    (output / "parts").mkdir(parents=True)
    for spec in specs:
        parts.make_part(spec, str(output / "parts"))
    assert all(parts.finished_part(spec, output / "parts") for spec in specs)
    write_lines(sources / "ec_guide/MCQ/SA.jsonl", rating_rows(119))
    current = [bool(parts.finished_part(spec, output / "parts")) for spec in specs]
    assert current == [False, True]
    assert parts.finished_part(replace(specs[1], limit=3), output / "parts") is None
    assert parts.finished_part(replace(specs[1], code="other"), output / "parts") is None
    write_lines(sources / "ec_guide/more/NER/NER.jsonl", entity_rows(5))
    assert parts.finished_part(specs[1], output / "parts") is None, "another file of the kind has come"


def test_a_finished_part_is_made_again_for_other_evaluation_data(sources: Path, tmp_path: Path) -> None:
    evaluation, folder = tmp_path / "evaluation.jsonl", tmp_path / "parts"
    folder.mkdir()
    write_lines(evaluation, rating_rows(120)[:2])
    spec = run.part_specs(RECIPE, sources, (str(evaluation),))[0]
    parts.make_part(spec, str(folder))
    assert parts.finished_part(spec, folder)
    write_lines(evaluation, rating_rows(120)[:5])
    assert parts.finished_part(spec, folder) is None


def run_main(*arguments: object) -> int:
    return exit_code_of(main, [str(argument) for argument in arguments])


def test_evaluation_data_is_kept_out_and_counted(sources: Path, tmp_path: Path) -> None:
    held_out = rating_rows(120)[:5]
    write_lines(tmp_path / "evaluation.jsonl", held_out)
    manifest = build(RECIPE, sources, tmp_path / "out", exclude=(str(tmp_path / "evaluation.jsonl"),))
    task = manifest["tasks"]["ec_guide_rating"]
    built = [sample for split in SPLITS for sample in read_samples(tmp_path / "out" / f"{split}.jsonl")]
    assert not {row["input_field"] for row in held_out} & {sample.input_field for sample in built}
    reasons = {reason: count for reason, count in task["dropped"].items() if reason.startswith("in evaluation data")}
    assert reasons and all(task["dropped_examples"][reason] for reason in reasons)
    assert list(manifest["excluded"]) == [str(tmp_path / "evaluation.jsonl")]


def test_rows_that_cannot_be_used_are_counted_and_named(sources: Path) -> None:
    rows: list[Any] = rating_rows(30)
    rows[4] = {**rows[4], "input_field": None}
    rows[5] = {**rows[5], "output_field": None}
    rows[6] = ["no", "object"]
    path = sources / "ec_guide/MCQ/SA.jsonl"
    write_lines(path, rows)
    spec = PartSpec("ec_guide_rating", None, 0.0, None, 1000, str(sources), (), "")
    tally = Tally()
    assert len(list(part_samples(all_tasks()["ec_guide_rating"], spec, tally))) == 27
    assert sum(count for reason, count in tally.dropped.items() if reason.startswith("malformed")) == 3
    named = [
        text
        for reason in tally.dropped_examples
        if reason.startswith("malformed")
        for text in tally.dropped_examples[reason]
    ]
    assert sorted(named) == [f"{path}, line {number}" for number in (5, 6, 7)]


def test_a_repeat_and_a_near_repeat_are_dropped(sources: Path) -> None:
    rows = rating_rows(20)
    near = {**rows[3], "input_field": rows[3]["input_field"].replace("\nAnswer:", " indeed\nAnswer:")}
    write_lines(sources / "ec_guide/MCQ/SA.jsonl", [*rows, rows[2], near])
    spec = PartSpec("ec_guide_rating", None, 0.0, None, 1000, str(sources), (), "")
    tally = Tally()
    assert len(list(part_samples(all_tasks()["ec_guide_rating"], spec, tally))) == 20
    assert tally.dropped == {"repeat": 1, "near repeat": 1}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text('{"text": "x"}\n'), "no field 'input_field' in its first row"),
        (lambda path: path.write_text(path.read_text()[:-40]), "broken JSON"),
        (lambda path: path.write_bytes(b"\xff\xff" * 50), "is not UTF-8"),
        (lambda path: path.unlink(), "python -m training.data.download ec_guide"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(
    damage: Any, message: str, sources: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = sources / "ec_guide/MCQ/SA.jsonl"
    damage(path)
    status = run_main("--recipe", "embedded_a", "--sources", sources, "--output", tmp_path / "out", "--workers", 1)
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert status == 2 and error.startswith("error: ")
    assert not (tmp_path / "out/train.jsonl").exists()
    spec = PartSpec("ec_guide_rating", None, 0.0, None, 1000, str(sources), (), "")
    with pytest.raises(UserError) as caught:
        list(part_samples(all_tasks()["ec_guide_rating"], spec, Tally()))
    assert message in str(caught.value)
    assert "SA.jsonl" in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "amazonqa/qa_Kettles.json.gz"
    path.parent.mkdir()
    lines = "".join(f"{{'question': 'How big is {n}?', 'answer': 'It is {n} cm wide'}}\n" for n in range(5000))
    path.write_bytes(gzip.compress(lines.encode())[:-2000])
    spec = PartSpec("amazonqa_answer", None, 0.0, None, 1000, str(tmp_path), (), "")
    with pytest.raises(UserError, match=r"qa_Kettles\.json\.gz, after line \d+: cannot be unpacked"):
        list(part_samples(all_tasks()["amazonqa_answer"], spec, Tally()))


@pytest.mark.parametrize("damage", ["truncated", "column"])
def test_a_bad_parquet_is_named(damage: str, tmp_path: Path) -> None:
    for table, columns in {
        "examples": "'q' AS query, 'p' AS product_id, 'us' AS product_locale, 'E' AS esci_label, 'train' AS split",
        "products": "'p' AS product_id, 'us' AS product_locale, 't' AS product_title, 'd' AS product_description, "
        "'b' AS product_bullet_point, 'x' AS product_brand",
    }.items():
        path = tmp_path / f"esci/shopping_queries_dataset_{table}.parquet"
        path.parent.mkdir(exist_ok=True)
        if damage == "column":
            columns = columns.replace("AS esci_label", "AS label")
        duckdb.sql(f"COPY (SELECT {columns}) TO '{path}' (FORMAT parquet)")
        if damage == "truncated":
            path.write_bytes(path.read_bytes()[:-30])
    spec = PartSpec("esci_rank_products", None, 0.0, None, 1000, str(tmp_path), (), "")
    with pytest.raises(SourceError, match=r"examples\.parquet") as caught:
        list(part_samples(all_tasks()["esci_rank_products"], spec, Tally()))
    assert "\n" not in str(caught.value)


def test_another_schema_is_refused_not_skipped_row_by_row(tmp_path: Path) -> None:
    rows = [{"question": {"wrong": n}, "answerKey": "A"} for n in range(50)]
    write_lines(tmp_path / "commonsense_qa/train.jsonl", rows)
    spec = PartSpec("commonsense_qa", None, 0.0, None, 1000, str(tmp_path), (), "")
    with pytest.raises(SourceError, match=r"train\.jsonl, line \d+.*is it the right file"):
        list(part_samples(all_tasks()["commonsense_qa"], spec, Tally()))


def test_command_line(sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("--recipe", "embedded_z", "--sources", sources, "--output", tmp_path / "x") == 2
    assert "nearest: embedded_" in capsys.readouterr().err
    assert run_main("--preview", "ec_guide_ratings", "--sources", sources) == 2
    assert "nearest: ec_guide_rating" in capsys.readouterr().err
    assert run_main("--preview", "ec_guide_title_entity", "--sources", sources) == 0
    shown = capsys.readouterr().out
    assert shown.count("[system]") == shown.count("[assistant]") == 3 and "product title 'Thing" in shown
    arguments = ("--recipe", "embedded_a", "--sources", sources, "--output", tmp_path / "y", "--limit", 4)
    assert run_main(*arguments, "--workers", 2, "--skip-missing") == 1
    shown = capsys.readouterr()
    assert "ave_entity" in shown.out and "left out" in shown.out
    assert "8 training and" in shown.out
    assert "WARNING: of 3 tasks, 1 made nothing" in shown.err
    assert "ec_guide_query_entity: 0 of 4: 80 rows read of its files; 80 dropped: no sample" in shown.err
    manifest = json.loads((tmp_path / "y/manifest.json").read_text())
    assert set(manifest["tasks"]) == {"ec_guide_query_entity", "ec_guide_rating", "ec_guide_title_entity"}


def test_a_text_lies_in_one_split_whatever_task_uses_it(shared: Path, tmp_path: Path) -> None:
    """IntentionQA and EC-Guide's rewording of it; one review with several aspects."""
    tasks = {"ec_guide_bought_together": 400, "intentionqa_reason": 400, "intentionqa_partner": 200}
    recipe = replace(RECIPE, tasks={**tasks, "ec_guide_review_keyphrase": 300}, validation_limit=60)
    build(recipe, shared / "data", tmp_path / "out", workers=2)
    first_items: dict[str, set[str]] = {}
    for split in SPLITS:
        texts = set()
        for sample in read_samples(tmp_path / "out" / f"{split}.jsonl"):
            for line in sample.input_field.splitlines():
                if line.startswith(("Product A:", "Review:")):
                    texts.add(line.split(":", 1)[1].strip()[:110])
        first_items[split] = texts
    assert len(first_items["validation"]) > 40
    assert not first_items["train"] & first_items["validation"]


def test_ray_gives_the_same_bytes(sources: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is an optional extra")
    build(RECIPE, sources, tmp_path / "local", workers=2)
    build(RECIPE, sources, tmp_path / "ray", workers=2, engine="ray")
    assert bytes_of(tmp_path / "local") == bytes_of(tmp_path / "ray")
    (sources / "ec_guide/NER/NER.jsonl").unlink()
    with pytest.raises(MissingDataset, match=r"training\.data\.download ec_guide"):
        build(RECIPE, sources, tmp_path / "broken", workers=2, engine="ray")


def test_ray_that_is_not_there_is_one_line(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ("--recipe", "embedded_a", "--sources", sources, "--output", tmp_path / "out", "--engine", "ray")
    assert run_main(*arguments) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: --engine ray needs Ray")
