"""`python -m training.data.ecinstruct_tests`: the tests of ECInstruct from our own builders, as one published file.

For users who have the raw datasets and not the published file. Each task's test split as eCeLLM makes it: in
domain, out of domain where its paper has that, both under the instructions seen in training and under the unseen one,
each row with a worked example from the training split. local_evaluation.py --benchmark ecinstruct reads it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

from tqdm import tqdm

from shopbench.ecinstruct import AG, AP, AVE, MPC, PM, PRP, PSI, QPR, SA, SR
from shopbench.errors import DONE, UserError
from shopbench.files import write_json_lines
from training.data.ecinstruct_wordings import unseen
from training.data.formats import MissingDataset, Row, SourceFolder
from training.data.sources import ecinstruct_esci, ecinstruct_reviews, ecinstruct_texts

Builder = Callable[..., Iterator[Row]]

IN_DOMAIN_ONLY: dict[str, Builder] = {
    PM: ecinstruct_texts.match_rows,
    MPC: ecinstruct_esci.relevance_rows,
    PSI: ecinstruct_esci.substitute_rows,
    QPR: ecinstruct_esci.rank_rows,
}
WITH_OUT_OF_DOMAIN: dict[str, Builder] = {
    AVE: ecinstruct_texts.value_rows,
    PRP: ecinstruct_reviews.relation_rows,
    SA: ecinstruct_reviews.sentiment_rows,
    SR: ecinstruct_reviews.next_rows,
    AP: ecinstruct_texts.answerable_rows,
    AG: ecinstruct_texts.answer_rows,
}
PER_TEST = 1_000


def rows_of_test(builder: Builder, out_of_domain: bool, sources: SourceFolder, limit: int) -> Iterator[Row]:
    """A task's test, at most `limit` rows, and again as many under the unseen instruction.

    MissingDataset if the dataset is not under `sources`.
    """
    examples = [_example(row) for row in islice(builder(sources, "train"), limit)]
    built = builder(sources, "test", ood=True) if out_of_domain else builder(sources, "test")
    rows = [
        {**row, "few_shot_example": example}
        for row, example in zip(islice(built, limit), cycle(examples or [None]), strict=False)
    ]
    yield from rows
    yield from map(unseen, rows)


def _example(row: Row) -> str:
    return json.dumps({name: row[name] for name in ("input", "options", "output")}, ensure_ascii=False)


def write_tests(sources: SourceFolder, output: Path, limit: int = PER_TEST) -> tuple[int, dict[str, str]]:
    """Write the tests whose datasets are there; the number of rows, and {test: why it is left out}."""
    tests = [(task, builder, False) for task, builder in (WITH_OUT_OF_DOMAIN | IN_DOMAIN_ONLY).items()]
    tests += [(task, builder, True) for task, builder in WITH_OUT_OF_DOMAIN.items()]
    found: list[Row] = []
    missing: dict[str, str] = {}
    for task, builder, out_of_domain in tqdm(tests, unit="test"):
        name = f"{task}, {'out-of-domain' if out_of_domain else 'in-domain'}"
        try:
            rows = list(rows_of_test(builder, out_of_domain, sources, limit))
        except MissingDataset as error:
            missing[name] = str(error)
            continue
        if not rows:
            missing[name] = f"{sources}: its dataset is there, but has no test rows"
        found += rows
    if found:
        write_json_lines(output, found)
    return len(found), missing


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.data.ecinstruct_tests",
        description="Write ECInstruct's tests, built from the raw datasets, in the published form.",
    )
    parser.add_argument("--sources", type=Path, required=True, metavar="DIR", help="where the raw datasets are")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON lines to write")
    parser.add_argument("--per-test", type=int, default=PER_TEST, metavar="N", help="rows of a test (default: 1000)")
    options = parser.parse_args(argv)
    count, missing = write_tests(SourceFolder(options.sources), options.output, max(options.per_test, 1))
    for name, what in missing.items():
        print(f"left out: {name}: {what}", file=sys.stderr)
    if not count:
        raise UserError(f"{options.sources}: no test of ECInstruct's can be built from it")
    print(f"written: {count} rows to {options.output}")
    return DONE
