"""`python -m training.finetune --recipe R --data DIR --output DIR`: train the adapter (or the model) of a recipe.

DIR is what training.data.build wrote: train.jsonl, validation.jsonl, manifest.json. Prompts are those of inference;
the loss is on answer tokens only. On a GPU the base is bf16, 4-bit for "qlora" recipes; on a CPU it is bf16 where
the CPU multiplies that itself and float32 elsewhere. A run that was killed goes on from its last checkpoint with
the same result when the same command is given again. Several GPUs or machines:

    accelerate launch --config_file training/accelerate/fsdp_qlora.yaml -m training.finetune --recipe v7 ...
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from transformers import set_seed

from shopbench.errors import UserError
from shopbench.files import read_json
from training.finetune.make_trainer import make_trainer
from training.finetune.training_run import TrainingRun, last_checkpoint, save_weights
from training.recipes import RECIPES, recipe_named
from training.weights.base import compute_type, load_config
from training.weights.folders import PROVENANCE, base_folder


def finetune(run: TrainingRun) -> None:
    """Train, or go on training, and save; nothing is done if the same run is finished already."""
    done = run.output / PROVENANCE
    if done.is_file():
        if run.identity().items() <= read_json(done, "provenance").items():
            print(f"{run.output}: is trained already")
            return
        raise UserError(f"{run.output}: holds other weights; delete it or give another --output")
    set_seed(run.recipe.seed)
    checkpoint = last_checkpoint(run)
    trainer, counts = make_trainer(run)
    if trainer.is_world_process_zero():
        print(" · ".join(f"{name} {count}" for name, count in counts.items()), "· type", compute_type(), flush=True)
    trainer.train(resume_from_checkpoint=checkpoint)
    save_weights(trainer, run, counts)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    about = "Train the adapter (or the model) of a recipe."
    parser = argparse.ArgumentParser(prog="python -m training.finetune", description=about)
    parser.add_argument("--recipe", required=True, help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument("--data", required=True, type=Path, help="folder that training.data.build wrote")
    parser.add_argument("--output", required=True, type=Path, help="folder for the trained weights")
    parser.add_argument("--base", type=Path, help="local folder of the base model (default: weights/base/<name>)")
    given = parser.parse_args(argv)
    recipe = recipe_named(given.recipe)
    base = base_folder(recipe.training.base, given.base)
    load_config(base)
    built = read_json(given.data / "manifest.json", "data manifest (training.data.build writes it)")
    if built.get("recipe") != recipe.name:
        raise UserError(f"{given.data}: built for recipe {built.get('recipe')!r}, not {recipe.name!r}")
    finetune(TrainingRun(recipe, given.data, given.output, base))
    return 0
