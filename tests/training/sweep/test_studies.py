"""Studies: their arms are what they say, get equal budgets, and are never trained on what they are tested on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shopbench.errors import UserError
from shopbench.files import read_json, write_json
from shopbench.sample import Sample, read_samples, write_samples
from shopbench.tasks import TaskType
from training.data.ecinstruct_wordings import INSTRUCTIONS
from training.data.hashes import source_hash
from training.recipes import Training
from training.sweep import study_data
from training.sweep.studies import NEVER_TRAINED, STUDIES, Arm, Study
from training.sweep.study_run import trials_of
from training.weights.base import load_tokenizer

MATCHING = "ecinstruct_published_product_matching"
TRAINING = Training(base="made", method="lora", max_length=400)


def sample(task: str, number: int, words: int = 5) -> Sample:
    return Sample(f"Question {number} " + "word " * words, "yes", task, TaskType.GENERATION, "rougel", False)


def matching(number: int, answer: str = "yes") -> Sample:
    question = f"{INSTRUCTIONS['Product_Matching'][0]}\nInput: product {number}"
    return Sample(question, answer, MATCHING, TaskType.GENERATION, "rougel", False)


def pool(folder: Path, train: list[Sample], held: list[Sample]) -> Path:
    folder.mkdir()
    write_samples(folder / "train.jsonl", train)
    write_samples(folder / "validation.jsonl", held)
    write_json(
        folder / "manifest.json", {"tasks": dict.fromkeys({one.task_name for one in train + held}), "sha256": {}}
    )
    return folder


@pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))
def test_a_study_names_real_tasks_and_its_claims_compare_its_arms(study: Study) -> None:
    for arm in study.arms:
        assert study_data.task_names(arm.tasks), arm.name
        assert all(study_data.selected(key) for key in arm.tasks), arm.name
        assert set(arm.training) <= {"rank", "alpha"} and 0 < arm.distinct <= 1
    assert len({arm.name for arm in study.arms}) == len(study.arms) > 1
    assert study.claims and all(study_data.selected(key) for key in study.tested)
    for claim in study.claims:
        assert set(claim.weights) <= {arm.name for arm in study.arms}
        assert sum(claim.weights.values()) == 0, "a difference, not a level"


@pytest.mark.parametrize("name", ["tasks", "chain_of_task"])
def test_what_shows_transfer_is_never_trained_on(name: str) -> None:
    study = STUDIES[name]
    trained = {task for arm in study.arms for task in study_data.task_names(arm.tasks)}
    assert not trained & set(study_data.task_names(study.tested))
    assert len(NEVER_TRAINED) == len(study_data.task_names(NEVER_TRAINED))


def test_arms_grow_where_the_study_says_so() -> None:
    for name in ("tasks", "domains"):
        arms = [set(arm.tasks) for arm in STUDIES[name].arms]
        assert all(first < second for first, second in itertools.pairwise(arms)), name
    assert [arm.training["rank"] for arm in STUDIES["rank"].arms] == [16, 32, 64] * 2


def test_budgets_are_filled_to_a_sample_and_tasks_get_equal_shares(tiny_model: Callable[..., Path]) -> None:
    tokenizer = load_tokenizer(tiny_model("llama"))
    by_task = {
        "short": [sample("short", number, 2) for number in range(200)],
        "long": [sample("long", number, 20) for number in range(200)],
        "scarce": [sample("scarce", number) for number in range(3)],
    }
    lengths = {task: study_data.tokens_of(tokenizer, samples[0]) for task, samples in by_task.items()}
    taken, tokens = study_data.fill_budget(by_task, 9000, 400, tokenizer)
    assert 9000 <= tokens < 9000 + max(lengths.values()) + 5
    spent = {
        task: sum(study_data.tokens_of(tokenizer, one) for one in taken if one.task_name == task) for task in lengths
    }
    assert sum(spent.values()) == tokens
    assert spent["scarce"] < 1500 and abs(spent["short"] - spent["long"]) <= lengths["long"] + 5
    assert study_data.fill_budget(by_task, 9000, lengths["long"] - 5, tokenizer)[0], "too long ones are passed over"
    assert all(
        one.task_name != "long" for one in study_data.fill_budget(by_task, 9000, lengths["long"] - 5, tokenizer)[0]
    )


def test_fewer_distinct_samples_are_repeated_to_the_same_budget(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model("llama"))
    data = pool(tmp_path / "pool", [sample("a", number) for number in range(400)], [sample("a", 999)])
    epochs = {}
    for share in (0.25, 1.0):
        arm, folder = Arm(f"{share}", ("a",), distinct=share), tmp_path / f"{share}"
        epochs[share], counts = study_data.write_arm(arm, ["a"], 20000, 1, data, folder, TRAINING, tokenizer)
        assert counts["distinct_tokens"] * epochs[share] == pytest.approx(20000)
        assert len(read_samples(folder / "train.jsonl")) == counts["samples"]
    assert epochs[1.0] == pytest.approx(1, abs=0.02) and epochs[0.25] == pytest.approx(4, abs=0.1)
    few = {one.input_field for one in read_samples(tmp_path / "0.25" / "train.jsonl")}
    assert few < {one.input_field for one in read_samples(tmp_path / "1.0" / "train.jsonl")}, "nested, one seed"


def test_a_task_whose_samples_are_all_too_long_is_not_lost_silently(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(tiny_model("llama"))
    data = pool(tmp_path / "pool", [sample("a", 1), sample("b", 2, 2000)], [sample("a", 9)])
    with pytest.raises(UserError, match=r"arm 'x': no sample of b has a place"):
        study_data.write_arm(Arm("x", ("a", "b")), ["a", "b"], 3000, 1, data, tmp_path / "x", TRAINING, tokenizer)


def test_seeds_take_other_samples_and_one_seed_the_same(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model("llama"))
    data = pool(tmp_path / "pool", [sample("a", number) for number in range(300)], [sample("a", 999)])
    hashes = []
    for place, seed in enumerate((1, 1, 2)):
        study_data.write_arm(Arm("x", ("a",)), ["a"], 3000, seed, data, tmp_path / str(place), TRAINING, tokenizer)
        hashes.append(read_json(tmp_path / str(place) / "manifest.json", "made")["train_sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_an_unseen_instruction_is_seen_by_no_arm(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model("llama"))
    data = pool(
        tmp_path / "pool",
        [matching(n) for n in range(100)],
        [matching(1000 + n, "no" if n else "yes") for n in range(20)],
    )
    study = STUDIES["diversity"]
    asked = {one.input_field.split("\n")[0] for one in study_data.questions(study, data, 40)}
    assert asked == {INSTRUCTIONS["Product_Matching"][study_data.UNSEEN]}
    for arm, wordings in zip(study.arms, (1, 5), strict=True):
        study_data.write_arm(arm, [MATCHING], 12000, 1, data, tmp_path / arm.name, TRAINING, tokenizer)
        trained = {one.input_field.split("\n")[0] for one in read_samples(tmp_path / arm.name / "train.jsonl")}
        assert trained == set(INSTRUCTIONS["Product_Matching"][:wordings])


def test_held_out_answers_take_turns_and_a_task_of_one_answer_is_left_out(tmp_path: Path) -> None:
    """Of 20 rows with 16 times "no", a study that asks eight asks as many "yes" as "no"."""
    held = [matching(number, "yes" if number % 5 == 4 else "no") for number in range(20)]
    one_sided = [
        Sample(
            f"Say.\nInput: {number}", "no", MATCHING.replace("published", "built"), TaskType.GENERATION, "rougel", False
        )
        for number in range(20)
    ]
    asked = study_data.questions(STUDIES["diversity"], pool(tmp_path / "pool", held, held + one_sided), 8)
    assert sorted(str(one.output_field) for one in asked) == ["no"] * 4 + ["yes"] * 4
    assert {one.task_name for one in asked} == {MATCHING}
    with pytest.raises(UserError, match="no held-out samples"):
        study_data.questions(STUDIES["diversity"], pool(tmp_path / "other", one_sided, one_sided), 8)


def test_an_option_is_answered_by_its_letter_alone() -> None:
    relevance = "ecinstruct_published_multiclass_product_classification"
    question = 'How?\nInput: {}\nOptions: ["A: this", "B: that"]'
    full = Sample(question, "B: that", relevance, TaskType.GENERATION, "rougel", False)
    assert study_data.letter_only(full).output_field == "B"
    assert study_data.letter_only(matching(1)).output_field == "yes"
    assert study_data.letter_only(sample("other", 1)).output_field == "yes"


def test_trials_are_named_apart_and_come_seed_by_seed() -> None:
    study = STUDIES["generalist"]
    known = study_data.task_names(study.tasks)
    trials = trials_of(study, (1, 2), known)
    assert len(trials) == 2 * (1 + len(known)) == len({trial.name for trial in trials})
    assert [trial.seed for trial in trials] == sorted(trial.seed for trial in trials)
    for seed in (1, 2):
        for arm in study.arms:
            assert sum(trial.share for trial in trials if (trial.arm, trial.seed) == (arm, seed)) == pytest.approx(1)


@pytest.mark.parametrize("name", ["chain_of_task", "tasks", "domains", "synthetic"])
def test_an_arm_that_lost_a_task_it_is_about_is_refused(name: str) -> None:
    """Any task that tells an arm from another: without it, arms would be compared in something else, or in nothing."""
    study = STUDIES[name]
    everything = set(study_data.task_names(study.tasks))
    assert trials_of(study, (1,), everything)
    for arm in study.arms:
        for task in study_data.distinguishing_tasks(study, arm):
            with pytest.raises(UserError, match=rf"is about [\w, ]*{task}"):
                trials_of(study, (1,), everything - {task})
    shared = set.intersection(*(set(study_data.task_names(arm.tasks)) for arm in study.arms))
    assert all(trials_of(study, (1,), everything - {task}) for task in shared if len(shared) > 1)


def test_chain_of_task_is_about_every_atomic_task() -> None:
    study = STUDIES["chain_of_task"]
    about = study_data.distinguishing_tasks(study, study.arms[1])
    assert set(study_data.task_names(["tag:chain_of_task"])) < about
    assert not study_data.distinguishing_tasks(study, study.arms[0])


def test_a_task_with_no_sample_is_not_in_the_pool(tmp_path: Path) -> None:
    """The manifest lists every task that was asked for, also one that made nothing."""
    folder = pool(tmp_path / "pool", [sample("a", 1)], [sample("b", 2)])
    write_json(folder / "manifest.json", {"tasks": {"a": {}, "b": {}, "c": {}}, "sha256": {}})
    assert study_data.tasks_with_samples(folder, "train", STUDIES["rank"]) == {"a"}
    assert study_data.tasks_with_samples(folder, "validation", STUDIES["rank"]) == {"b"}


def test_a_pool_is_built_again_for_other_evaluation_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation, sources, built = tmp_path / "evaluation.jsonl", tmp_path / "sources", []
    sources.mkdir()

    def build(recipe: Any, sources: Path, output: Path, exclude: tuple[str, ...], *_: Any, **__: Any) -> None:
        built.append(recipe.name)
        write_json(output / "manifest.json", {"excluded": {path: source_hash(Path(path)) for path in exclude}})

    monkeypatch.setattr(study_data, "build", build)
    for questions, builds in (("one", 1), ("one", 1), ("one, two", 2)):
        evaluation.write_text(questions)
        study_data.build_pool(STUDIES["rank"], TRAINING, 600, sources, tmp_path / "pool", (str(evaluation),), 1)
        assert len(built) == builds


def test_a_task_made_from_metadata_is_no_synthetic_data(tmp_path: Path) -> None:
    study = STUDIES["synthetic"]
    first, second = study.labelled_by_model[:2]
    folder = pool(tmp_path / "pool", [sample(name, 1) for name in (first, second, "a")], [])
    facts = {first: {"label_sources": {"metadata": 1}}, second: {"label_sources": {"llm": 1}}, "a": {}}
    write_json(folder / "manifest.json", {"tasks": facts, "sha256": {}})
    assert study_data.tasks_with_samples(folder, "train", study) == {second, "a"}
    with pytest.raises(UserError, match=f"is about .*{first}"):
        trials_of(study, (1,), set(study_data.task_names(study.tasks)) - {first})


def test_an_arm_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of its tasks is in the pool"):
        trials_of(STUDIES["generalist"], (1,), [MATCHING])
    with pytest.raises(UserError, match="no held-out samples"):
        study_data.questions(STUDIES["rank"], pool(tmp_path / "pool", [matching(1)], [matching(2)]), 10)
