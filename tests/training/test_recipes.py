"""Recipes: the paper's totals, what they name, and what may go into weights that are passed on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from shopbench.errors import UserError
from training.data.catalogue import all_tasks, mixture_of, selected
from training.recipes import ENSEMBLES, RECIPES, embedded, ensemble_named, recipe_named, training_of
from training.recipes.papers import DOMAINS
from training.recipes.subtasks import SUBTASKS

TOTALS = {"v7": 417_000, "v8": 462_435, "v7b": 152_496, "v9b": 40_000}


@pytest.mark.parametrize(("name", "total"), TOTALS.items())
def test_the_adapters_have_the_papers_sizes(name: str, total: int) -> None:
    assert sum(size or 0 for size in mixture_of(RECIPES[name]).values()) == total


def test_the_union_of_the_adapters_is_the_papers() -> None:
    union = {task: size for name in TOTALS for task, size in mixture_of(RECIPES[name]).items()}
    assert len(union) == 38 and sum(size or 0 for size in union.values()) == 502_435


def test_ecellm_trains_on_ten_tasks_of_the_published_sizes() -> None:
    sizes = {name: mixture_of(RECIPES[name]) for name in RECIPES if name.startswith("ecellm_")}
    assert all(len(mixture) == 10 for mixture in sizes.values())
    assert sum(size or 0 for size in sizes["ecellm_m"].values()) == 92_022
    # Product Matching has no more than 2,022 training samples: 47k is "5,000 each" without its missing ones.
    totals = {name: sum(size or 0 for size in mixture.values()) for name, mixture in sizes.items()}
    assert [totals[f"ecellm_m_{part}"] for part in ("1k", "10k", "47k")] == [1_000, 10_000, 47_022]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_names_what_there_is(recipe) -> None:  # type: ignore[no-untyped-def]
    mixture = mixture_of(recipe)
    assert mixture and list(mixture) == sorted(mixture)


@pytest.mark.parametrize("name", [recipe.name for recipe in embedded.RECIPES])
def test_embedded_recipes_hold_only_data_whose_weights_may_be_passed_on(name: str) -> None:
    mixture = mixture_of(RECIPES[name])
    unshareable = [task for task in mixture if not all_tasks()[task].shareable]
    assert unshareable == []
    assert all("NC" not in all_tasks()[task].licence for task in mixture)


def test_what_has_no_open_licence_is_not_shareable() -> None:
    for task in all_tasks().values():
        if "NC" in task.licence or "not stated" in task.licence:
            assert not task.shareable, task.name


def test_an_unknown_task_is_refused_with_the_nearest_names() -> None:
    recipe = replace(RECIPES["embedded_a"], tasks={"ec_guide_ratings": 5})
    with pytest.raises(UserError, match="unknown task 'ec_guide_ratings'; nearest: ec_guide_rating"):
        mixture_of(recipe)
    with pytest.raises(UserError, match="tag:chain_of_task"):
        mixture_of(replace(recipe, tasks={"tag:chain_of_tasks": None}))
    with pytest.raises(UserError, match=r"'domain:concepts' adds '\w+' again"):
        mixture_of(replace(recipe, tasks={"domain:concepts[:1]": 1, "domain:concepts": 1}))


def test_one_lookup_serves_recipes_and_ensembles() -> None:
    assert recipe_named("v7") is RECIPES["v7"] and ensemble_named("track1") is ENSEMBLES["track1"]
    assert ensemble_named("v7").adapters == (("v7", 1.0),), "one adapter, as trained"
    assert training_of("v7") == training_of("track2") == RECIPES["v7"].training


def test_unknown_recipes_and_ensembles_are_refused_with_the_nearest_names() -> None:
    with pytest.raises(UserError, match="unknown recipe 'v9'; nearest: v9b"):
        recipe_named("v9")
    for lookup in (ensemble_named, training_of):
        with pytest.raises(UserError, match="unknown recipe 'track9'; nearest: track"):
            lookup("track9")
    with pytest.raises(UserError, match=r"'track1' is an ensemble.*: v8, v9b"):
        recipe_named("track1")


def test_stages_only_add() -> None:
    stages = [set(mixture_of(RECIPES[f"diverse_stage{number}"])) for number in range(1, 5)]
    assert all(before < after for before, after in pairwise(stages))
    subtasks = [set(mixture_of(RECIPES[f"diverse_subtasks{number}"])) for number in (1, 2, 4, 8)]
    assert all(before < after for before, after in pairwise(subtasks))
    assert (RECIPES["diverse_r16"].training.rank, RECIPES["diverse_r32"].training.rank) == (16, 32)


def test_a_domain_holds_questions_in_shopbenchs_form_only() -> None:
    for domain in DOMAINS:
        for task in selected(f"domain:{domain}"):
            assert not task.name.startswith(("ecinstruct_built_", "ecinstruct_published_", "chain_")), task.name
            assert task.domain == domain


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_first_subtasks_of_a_domain_are_unlike_each_other(domain: str) -> None:
    inside = [task.name for task in selected(f"domain:{domain}")]
    assert inside[: len(SUBTASKS[domain])] == list(SUBTASKS[domain]), "all of them are the domain's own"
    assert inside[len(SUBTASKS[domain]) :] == sorted(inside[len(SUBTASKS[domain]) :])
    for count in (1, 2, 4, 8):
        assert (
            [task.name for task in selected(f"domain:{domain}[:{count}]")] == inside[:count] != sorted(inside)[:count]
        )
    first = selected(f"domain:{domain}[:4]")
    assert len({task.example.get("task") or task.name.split("_")[0] for task in first}) >= 3
    assert len({sample.task_type for task in first if (sample := task.sample(dict(task.example)))}) >= 2


def test_every_track_has_its_ensemble_of_known_recipes() -> None:
    assert {f"track{number}" for number in range(1, 6)} | {"embedded", "embedded_start", "qwen05b"} == set(ENSEMBLES)
    for ensemble in ENSEMBLES.values():
        for adapter, weight in ensemble.adapters:
            assert RECIPES[adapter].training.base == ensemble.base and weight > 0
    assert ENSEMBLES["track1"].adapters == (("v8", 0.56), ("v9b", 0.75))
    assert ENSEMBLES["track4"].adapters == (("v7", 1.0), ("v7b", 0.5))


def test_ecellm_trains_as_its_authors_do() -> None:
    """The paper's section 4 and its script agree on most; dropout and weight decay only the script tells."""
    training = RECIPES["ecellm_m"].training
    assert (training.rank, training.alpha, training.learning_rate, training.epochs) == (16, 16, 1e-4, 3)
    assert (training.dropout, training.weight_decay, training.warmup, training.max_length) == (0.1, 0.0, 0.05, 2048)
    assert training.batch_size * training.accumulation == 128 and training.train_lm_head
    bases = {RECIPES[name].training.base for name in RECIPES if name.startswith("ecellm_")}
    assert len(bases) == 4 and not any("t5" in base for base in bases), "encoder-decoders are not trained here"


@pytest.mark.parametrize("name", ["qwen7b_24gb", "qwen32b_80gb"])
def test_one_gpu_takes_the_winners_data_and_update(name: str) -> None:
    recipe, winners = RECIPES[name], RECIPES["v8"]
    assert mixture_of(recipe) == mixture_of(winners)
    sequences = recipe.training.batch_size * recipe.training.accumulation
    assert sequences == winners.training.batch_size * winners.training.accumulation * 8, "of eight GPUs"
    assert recipe.training.four_bit and recipe.training.packing and recipe.training.gradient_checkpointing
    assert recipe.training.rank == winners.training.rank
    assert ensemble_named(name).base == recipe.training.base == recipe_named(name).training.base
