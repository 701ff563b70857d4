"""`python -m training.finetune --recipe R --data DIR --output DIR`: train the adapter (or the model) of a recipe.

DIR is what training.data.build wrote: train.jsonl, validation.jsonl, manifest.json. Prompts are those of inference;
the loss is on answer tokens only. On a GPU the base is bf16, 4-bit for "qlora" recipes; on a CPU it is bf16 where
the CPU multiplies that itself and float32 elsewhere. A run that was killed goes on from its last checkpoint with
the same result when the same command is given again. Several GPUs or machines:

    accelerate launch --config_file training/accelerate/fsdp_qlora.yaml -m training.finetune --recipe v7 ...

`--base` trains any recipe on any base: a folder, or a Hub name that `python -m training.weights.download` has fetched.
`--start` goes on from an adapter of the recipe's rank and alpha on other data, its own or a sum of several
(`training.merge --as-adapter`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shopbench.errors import UserError
from shopbench.files import read_json
from shopbench.imports import quick_imports
from training.recipes import RECIPES, Recipe, recipe_named
from training.weights.folders import base_folder, base_name, is_hub_name


def on_base(recipe: Recipe, folder: Path, given: Path | None) -> Recipe:
    """The recipe with the name of the base in `folder`: the Hub's where that is known, else the folder's own."""
    asked = str(given) if given is not None and is_hub_name(given) else recipe.training.base
    same = given is None or asked == str(given) or folder.name.lower() == asked.split("/")[-1].lower()
    name = base_name(folder) or (asked if same else folder.name)
    return replace(recipe, training=replace(recipe.training, base=name))


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    about = "Train the adapter (or the model) of a recipe."
    parser = argparse.ArgumentParser(prog="python -m training.finetune", description=about)
    parser.add_argument("--recipe", required=True, help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument("--data", required=True, type=Path, help="folder that training.data.build wrote")
    parser.add_argument("--output", required=True, type=Path, help="folder for the trained weights")
    base_help = "base model: a folder, or a Hub name got with training.weights.download (default: the recipe's)"
    parser.add_argument("--base", type=Path, help=base_help)
    parser.add_argument("--start", type=Path, help="folder of an adapter of the same base: begin with its weights")
    given = parser.parse_args(argv)
    recipe = recipe_named(given.recipe)
    base = base_folder(recipe.training.base, given.base)
    built = read_json(given.data / "manifest.json", "data manifest (training.data.build writes it)")
    if built.get("recipe") != recipe.name:
        raise UserError(f"{given.data}: built for recipe {built.get('recipe')!r}, not {recipe.name!r}")

    with quick_imports():  # once the arguments are right: torch, transformers and PEFT take seconds
        from training.finetune.run import TrainingRun, finetune
        from training.weights.adapters import read_adapter
        from training.weights.base import load_config, load_tokenizer
        from training.weights.merged import Merge, base_tensors

    load_config(base)
    load_tokenizer(base)
    if given.start:  # what could not be merged with the base is no start on it either
        start = Merge("start", recipe.training.base, base, [read_adapter(given.start, 1.0)])
        start.check_as_adapter()
        start.base_fingerprint()
        base_tensors(start)
    finetune(TrainingRun(on_base(recipe, base, given.base), given.data, given.output, base, given.start))
    return 0
