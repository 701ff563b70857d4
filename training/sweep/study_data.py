"""What the arms of a study train on and are tested on: one pool of built samples, cut to equal token budgets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from shopbench import answers
from shopbench.errors import UserError
from shopbench.files import file_hash, read_json, read_json_if_any, write_json
from shopbench.outputs import outputs
from shopbench.prompts import encode_answer, encode_prompt
from shopbench.sample import Sample, read_samples, write_samples
from training.data.build.run import build
from training.data.catalogue import selected
from training.data.ecinstruct_wordings import INSTRUCTIONS, digest
from training.data.hashes import source_hash
from training.recipes import Recipe, Training
from training.sweep.studies import Arm, Study

UNSEEN = 5
"""The place of the instruction that is kept for tests (training/data/ecinstruct_wordings.py)."""
TOKENS_PER_SAMPLE = 60
"""Few, so that the pool surely holds a budget's worth of every task."""
VALIDATION_SHARE = 0.15
_INSTRUCTION_OF = {
    f"ecinstruct_{made}_{task.lower()}": task for made in ("published", "built") for task in INSTRUCTIONS
}


def task_names(selectors: Sequence[str]) -> list[str]:
    """The tasks that selectors stand for, sorted."""
    return sorted({task.name for key in selectors for task in selected(key)})


def build_pool(
    study: Study, training: Training, budget: int, sources: Path, output: Path, exclude: tuple[str, ...], workers: int
) -> None:
    """Build every task of a study into `output`; those whose dataset is not under `sources` are left out.

    Nothing is done if the same pool stands there already.
    """
    limit = max(100, budget // TOKENS_PER_SAMPLE)
    sizes = dict.fromkeys(task_names(study.tasks), limit)
    recipe = Recipe(f"study_{study.name}", sizes, training, validation_share=VALIDATION_SHARE, validation_limit=100)
    wanted = {"tasks": sizes, "exclude": list(exclude), "sources": str(sources), "max": training.max_length}
    kept = output / "order.json"
    excluded = {path: source_hash(Path(path)) for path in exclude}
    if read_json_if_any(kept) == wanted and read_json_if_any(output / "manifest.json").get("excluded") == excluded:
        return
    with outputs(output / "manifest.json", inputs=[sources], make_folders=True):
        build(recipe, sources, output, exclude, workers, skip_missing=True)
        write_json(kept, wanted)


def tasks_with_samples(pool: Path, split: str, study: Study) -> set[str]:
    """The tasks of which a split of the pool ("train" or "validation") holds a sample.

    A task that the study is about for its labels by a language model counts only if the build had such labels: it is
    made from metadata without them.
    """
    known = pool_manifest(pool)["tasks"]
    found = {sample.task_name for sample in read_samples(pool / f"{split}.jsonl")}
    return {
        task
        for task in found
        if task not in study.labelled_by_model or (known[task] or {}).get("label_sources", {}).get("llm")
    }


def distinguishing_tasks(study: Study, arm: Arm) -> set[str]:
    """The tasks that an arm trains on and not every arm of its study does: what the study is about."""
    common = set.intersection(*(set(task_names(other.tasks)) for other in study.arms))
    return set(task_names(arm.tasks)) - common


def pool_manifest(pool: Path) -> dict[str, Any]:
    """What training.data.build wrote of a pool."""
    return read_json(pool / "manifest.json", "manifest of the pool (training.data.build writes it)")


def reworded(sample: Sample, number: int) -> Sample:
    """An ECInstruct sample under another of its task's instructions; one of any other task as it is."""
    task = _INSTRUCTION_OF.get(sample.task_name)
    _, found, rest = sample.input_field.partition("\nInput: ")
    if task is None or not found:
        return sample
    return replace(sample, input_field=INSTRUCTIONS[task][number] + found + rest)


def letter_only(sample: Sample) -> Sample:
    """An ECInstruct sample whose answer "B: It could replace it." becomes "B": one letter is right or wrong."""
    truth, of_options = sample.output_field, "\nOptions: " in sample.input_field
    if sample.task_name in _INSTRUCTION_OF and of_options and isinstance(truth, str) and truth[1:2] == ":":
        return replace(sample, output_field=truth[0])
    return sample


def questions(study: Study, pool: Path, most: int) -> list[Sample]:
    """The held-out questions of a study: of each tested task equally many, `most` in all; UserError if there are none.

    ECInstruct's letters and yes or no are often one answer in nearly all rows: there the answers take turns, and a
    task with one answer only is left out, or a model that always gives it would look good.
    """
    held = _by_task(pool / "validation.jsonl", task_names(study.tested)).values()
    by_task = [turns for samples in held if (turns := alternate_answers(list(map(letter_only, samples))))]
    if not by_task:
        raise UserError(f"{pool}: holds no held-out samples of {', '.join(study.tested)}; give other sources")
    share = max(1, most // len(by_task))
    asked = [sample for samples in by_task for sample in samples[:share]]
    return [reworded(sample, UNSEEN) for sample in asked] if study.unseen_wording else asked


def alternate_answers(samples: list[Sample]) -> list[Sample]:
    """ECInstruct samples of a task with their answers in turn, none if all have one answer; others as they are."""
    if samples[0].task_name not in _INSTRUCTION_OF:
        return samples
    by_answer: dict[str, list[Sample]] = {}
    for sample in samples:
        by_answer.setdefault(str(sample.output_field), []).append(sample)
    if len(by_answer) == 1:
        return []
    rounds = zip_longest(*(by_answer[answer] for answer in sorted(by_answer)))
    return [sample for one_round in rounds for sample in one_round if sample is not None]


def _by_task(path: Path, wanted: Sequence[str]) -> dict[str, list[Sample]]:
    """Samples of the wanted tasks, by task, in their order."""
    found: dict[str, list[Sample]] = {}
    for sample in read_samples(path):
        if sample.task_name in wanted:
            found.setdefault(sample.task_name, []).append(sample)
    return {task: found[task] for task in wanted if task in found}


def tokens_of(tokenizer: Any, sample: Sample) -> int:
    """Tokens of prompt and answer."""
    answer = answers.write(sample.task_type, sample.output_field)
    return len(encode_prompt(tokenizer, sample.task_type, sample.input_field)) + len(encode_answer(tokenizer, answer))


def fill_budget(
    by_task: dict[str, list[Sample]], budget: int, longest: int, tokenizer: Any
) -> tuple[list[Sample], int]:
    """Samples worth `budget` tokens and their tokens: always of the task that has the fewest tokens so far.

    A task that runs out leaves its share to the others. Samples over `longest` tokens are passed over.
    """
    waiting = {task: iter(samples) for task, samples in by_task.items()}
    spent = dict.fromkeys(waiting, 0)
    taken: list[Sample] = []
    while waiting and sum(spent.values()) < budget:
        task = min(waiting, key=spent.__getitem__)
        sample = next(waiting[task], None)
        if sample is None:
            del waiting[task]
            continue
        length = tokens_of(tokenizer, sample)
        if length <= longest:
            spent[task] += length
            taken.append(sample)
    return taken, sum(spent.values())


def write_arm(
    arm: Arm, tasks: Sequence[str], budget: int, seed: int, pool: Path, output: Path, training: Training, tokenizer: Any
) -> tuple[float, dict[str, int]]:
    """Write what an adapter trains on (train.jsonl, manifest.json); the epochs that fill its budget, and counts."""
    by_task = _by_task(pool / "train.jsonl", tasks)
    if not by_task:
        raise UserError(f"{pool}: holds no training samples of {', '.join(tasks)}; give other sources")
    for task, samples in by_task.items():
        random.Random(f"{seed} {task}").shuffle(samples)  # the same for every arm of a seed
        if arm.wordings:  # which of them, a sample's text decides
            samples = [reworded(sample, digest(sample.input_field) % arm.wordings) for sample in samples]
        by_task[task] = list(map(letter_only, samples))
    chosen, tokens = fill_budget(by_task, round(budget * arm.distinct), training.max_length, tokenizer)
    if lost := sorted(set(by_task) - {sample.task_name for sample in chosen}):
        raise UserError(
            f"arm {arm.name!r}: no sample of {', '.join(lost)} has a place in {budget} tokens of samples of up to "
            f"{training.max_length}; give a larger --budget-tokens, or sources with shorter ones"
        )
    output.mkdir(parents=True, exist_ok=True)
    write_samples(output / "train.jsonl", chosen)
    facts = {"recipe": arm.name, "seed": seed, "train_sha256": file_hash(output / "train.jsonl")}
    write_json(output / "manifest.json", facts)
    counts = {"tasks": len({sample.task_name for sample in chosen}), "samples": len(chosen), "distinct_tokens": tokens}
    return budget / tokens, counts
