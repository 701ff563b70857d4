"""The second base's recipe: the embedded model's tasks and held-out texts, and weights that may be passed on."""

from __future__ import annotations

from training.data.catalogue import all_tasks, mixture_of
from training.recipes import RECIPES, ensemble_named
from training.recipes.embedded import HELD_OUT, UNSEEN


def test_it_trains_on_a_part_of_what_the_embedded_model_was_trained_on() -> None:
    recipe, larger = RECIPES["qwen05b_cpu"], mixture_of(RECIPES["embedded_d"])
    sizes = mixture_of(recipe)
    assert set(sizes) == set(larger) == set(mixture_of(HELD_OUT)) and not set(sizes) & set(mixture_of(UNSEEN))
    assert all(0 < (size or 0) < (larger[task] or 0) for task, size in sizes.items())
    assert recipe.validation_share == HELD_OUT.validation_share, "what others hold out is held out here"
    assert all(all_tasks()[task].shareable for task in sizes)
    assert ensemble_named(recipe.name).base == recipe.training.base != RECIPES["embedded_d"].training.base


def test_the_longer_training_goes_on_with_samples_that_the_first_did_not_read() -> None:
    first, more = RECIPES["qwen05b_cpu"], RECIPES["qwen05b_more"]
    assert set(mixture_of(more)) == set(mixture_of(HELD_OUT))
    assert dict(more.skip) == dict(mixture_of(first))
    assert more.validation_share == first.validation_share
    assert (more.training.rank, more.training.alpha) == (first.training.rank, first.training.alpha), "--start wants it"
    assert all(all_tasks()[task].shareable for task in mixture_of(more))
