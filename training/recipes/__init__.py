"""Every training recipe, as data, and the one lookup by name: the dataclasses are in recipe.py."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shopbench.errors import UserError, nearest
from training.recipes import embedded, one_gpu, papers, second_base, winners
from training.recipes.recipe import Ensemble, Recipe, Training

__all__ = ("ENSEMBLES", "RECIPES", "Ensemble", "Recipe", "Training", "ensemble_named", "recipe_named", "training_of")

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {recipe.name: recipe for system in (winners, one_gpu, papers, embedded, second_base) for recipe in system.RECIPES}
)
ENSEMBLES: Mapping[str, Ensemble] = MappingProxyType(
    {ensemble.name: ensemble for system in (winners, embedded, second_base) for ensemble in system.ENSEMBLES}
)
"""By name: the submission of a track ("track1" ... "track5"), and this repository's models ("embedded", "qwen05b")."""


def recipe_named(name: str) -> Recipe:
    """The recipe of one adapter; UserError for an unknown name (the nearest ones) or an ensemble's (its adapters)."""
    if name in RECIPES:
        return RECIPES[name]
    if name in ENSEMBLES:
        adapters = ", ".join(adapter for adapter, _ in ENSEMBLES[name].adapters)
        raise UserError(f"{name!r} is an ensemble, not one adapter's recipe; name one of its adapters: {adapters}")
    raise UserError(f"unknown recipe {name!r}; {nearest(name, RECIPES)}")


def ensemble_named(name: str) -> Ensemble:
    """The ensemble of this name; a recipe is one of its adapter alone, as trained. UserError with the nearest names."""
    if name in ENSEMBLES:
        return ENSEMBLES[name]
    if name in RECIPES:
        return Ensemble(name, RECIPES[name].training.base, ((name, 1.0),))
    raise UserError(f"unknown recipe {name!r}; {nearest(name, [*ENSEMBLES, *RECIPES])}")


def training_of(name: str) -> Training:
    """The hyperparameters of a recipe, or of the first adapter of an ensemble; UserError as for ensemble_named."""
    return recipe_named(ensemble_named(name).adapters[0][0]).training
