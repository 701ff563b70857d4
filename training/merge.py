"""`python -m training.merge --recipe R --output DIR`: base + sum of weight x delta, the weights that are submitted.

R is an ensemble ("track1" ... "track5", "embedded") or one adapter's recipe ("v7"). `--adapters A:0.56 B:0.75` names
other folders and weights, `--alpha` scales them all. `--as-adapter` writes the same sum as ONE adapter, ranks
concatenated, to be served without a merge (not where biases were trained as well, PEFT's bias="all" or "lora_only":
those go into the base only); `--rank` makes that one smaller. The sum itself is training/weights/merged.py.
"""

from __future__ import annotations

from shopbench.errors import UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("training.merge")

import argparse
from collections.abc import Sequence
from pathlib import Path

from shopbench.arguments import finite, positive
from training.recipes import ENSEMBLES, RECIPES, ensemble_named
from training.weights.adapters import adapter_folder, read_adapter
from training.weights.folders import base_folder, base_name, is_hub_name
from training.weights.joined import merge_adapters
from training.weights.merged import Merge, merge_weights


def resolve(recipe: str, base: Path | None, adapters: Sequence[str] | None, alpha: float) -> Merge:
    """The merge that a recipe and the command line ask for; UserError for unknown or missing ones."""
    ensemble = ensemble_named(recipe)
    parts = [_named_weight(text) for text in adapters] if adapters else ensemble.adapters
    read = [read_adapter(adapter_folder(name), weight * alpha) for name, weight in parts]
    # What an adapter was trained on counts more than what its recipe would take.
    known = [str(adapter.provenance.get("base")) for adapter in read]
    trained_on = next(filter(is_hub_name, known), ensemble.base)
    name = str(base) if base is not None and is_hub_name(base) else trained_on
    folder = base_folder(name, base)
    return Merge(recipe, base_name(folder) or name, folder, read)


def _named_weight(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition(":")
    try:
        return (name, finite(weight)) if name else (text, 1.0)
    except argparse.ArgumentTypeError:
        raise UserError(f"--adapters {text}: wants NAME:WEIGHT, like v8:0.56") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    about = "Add weighted adapters to their base."
    parser = argparse.ArgumentParser(prog="python -m training.merge", description=about)
    parser.add_argument("--recipe", required=True, help=f"one of: {', '.join([*ENSEMBLES, *RECIPES])}")
    parser.add_argument("--output", required=True, type=Path, help="folder for the result")
    base_help = "base model: a folder, or a Hub name got with training.weights.download (default: the adapters' own)"
    parser.add_argument("--base", type=Path, help=base_help)
    parser.add_argument("--adapters", nargs="+", metavar="A:WEIGHT", help="adapter folders or names, and weights")
    parser.add_argument("--alpha", type=finite, default=1.0, help="factor of all weights (wise-ft)")
    parser.add_argument("--as-adapter", action="store_true", help="write one adapter instead of a merged model")
    rank_help = "with --as-adapter: of a sum of higher rank, write the nearest of this one"
    parser.add_argument("--rank", type=positive, metavar="N", help=rank_help)
    given = parser.parse_args(argv)
    if given.rank and not given.as_adapter:
        parser.error("--rank goes with --as-adapter: a merged model has no rank")
    merge = resolve(given.recipe, given.base, given.adapters, given.alpha)
    if given.as_adapter:
        merge_adapters(merge, given.output, given.rank)
    else:
        merge_weights(merge, given.output)
    print(f"{given.output}: " + " + ".join(["base", *(f"{a.weight:g} x {a.folder.name}" for a in merge.adapters)]))
    return 0
