"""`python -m training.data.ecinstruct_tests`: the tests of ECInstruct from our own builders, as one published file.

For users who have the raw datasets and not the published file. Each task's test split as eCeLLM makes it: in
domain, out of domain where its paper has that, both under the instructions seen in training and under the unseen one,
each row with a worked example from the training split. local_evaluation.py --benchmark ecinstruct reads it.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("training.data.ecinstruct_tests")

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shopbench.arguments import positive
from shopbench.ecinstruct import AG, AP, AVE, MPC, PM, PRP, PSI, QPR, SA, SR
from shopbench.files import write_json_lines
from shopbench.outputs import outputs
from training.data.catalogue import all_tasks
from training.data.ecinstruct_wordings import unseen
from training.data.formats import MissingDataset, Row, SourceFolder

WITH_OUT_OF_DOMAIN = (AVE, PRP, SA, SR, AP, AG)
IN_DOMAIN_ONLY = (PM, MPC, PSI, QPR)


def rows_of_test(rows: Any, out_of_domain: bool, sources: SourceFolder, limit: int) -> Iterator[Row]:
    """A task's test from its builder `rows`: at most `limit` rows, and again as many under the unseen instruction."""
    examples = [
        json.dumps({name: row[name] for name in ("input", "options", "output")}, ensure_ascii=False)
        for row in islice(rows(sources, "train"), limit)
    ]
    built = islice(rows(sources, "test", **({"ood": True} if out_of_domain else {})), limit)
    pairs = zip(built, cycle(examples or [None]), strict=False)
    tested = [{**row, "few_shot_example": example} for row, example in pairs]
    yield from tested
    yield from map(unseen, tested)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tests whose datasets are there, say why the others are left out, and return the exit code."""
    what = "Write ECInstruct's tests, built from the raw datasets, in the published form."
    parser = argparse.ArgumentParser(prog="python -m training.data.ecinstruct_tests", description=what)
    parser.add_argument("--sources", type=Path, required=True, metavar="DIR", help="where the raw datasets are")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON lines to write")
    parser.add_argument("--per-test", type=positive, default=1_000, metavar="N", help="rows of a test (default: 1000)")
    given = parser.parse_args(argv)
    with outputs(given.output, inputs=[given.sources]):
        return _build(given)


def _build(given: argparse.Namespace) -> int:
    sources, limit = SourceFolder(given.sources), given.per_test
    known = all_tasks()
    tests = [(task, False) for task in WITH_OUT_OF_DOMAIN + IN_DOMAIN_ONLY]
    tests += [(task, True) for task in WITH_OUT_OF_DOMAIN]
    found: list[Row] = []
    missing: dict[str, str] = {}
    for task, out_of_domain in tqdm(tests, unit="test"):
        name = f"{task}, {'out-of-domain' if out_of_domain else 'in-domain'}"
        try:
            rows = list(rows_of_test(known[f"ecinstruct_built_{task.lower()}"].rows, out_of_domain, sources, limit))
        except MissingDataset as error:
            missing[name] = str(error)
            continue
        if not rows:
            missing[name] = f"{sources}: its dataset is there, but has no test rows"
        found += rows
    for name, problem in missing.items():
        print(f"left out: {name}: {problem}", file=sys.stderr)
    if not found:
        raise UserError(f"{sources}: no test of ECInstruct's can be built from it")
    write_json_lines(given.output, found)
    print(f"written: {len(found)} rows to {given.output}")
    return DONE
