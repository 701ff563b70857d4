"""The journal survives a kill at any byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluation.benchmark import Item
from evaluation.journal import Batch, Journal, journal_key
from evaluation.suites.shopbench import items_of
from models.spaces.one_of import OneOf
from tests.evaluation.fakes import choice, make_weights

BATCHES = [Batch([0, 2], ["a", "ü\n\ud800"], 0.5, {"repaired": 1}), Batch([1], [""], 0.25)]


def filled(path: Path) -> bytes:
    journal = Journal(path, "key")
    for batch in BATCHES:
        journal.append(batch)
    return path.read_bytes()


def test_a_journal_cut_off_at_any_byte_keeps_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = filled(path)
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal = Journal(path, "key")
        kept = max(0, sum(end <= cut for end in ends) - 1)
        assert journal.batches == BATCHES[:kept]
        for batch in BATCHES[kept:]:
            journal.append(batch)
        assert path.read_bytes() == whole


def test_a_journal_of_other_questions_or_weights_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    filled(path)
    assert Journal(path, "other key").batches == []
    assert Journal(path, "key").batches == []


def test_a_line_that_is_no_batch_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    lines = filled(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"indices": [0]}\n' + lines[2])
    assert Journal(path, "key").batches == []
    path.write_bytes(lines[0] + lines[1] + b"\xff\xfe\n" + lines[2])
    assert Journal(path, "key").batches == BATCHES[:1]


def test_the_key_changes_with_what_answers_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = make_weights(tmp_path / "weights")
    samples = items_of([choice("one"), choice("two")])
    keys = {
        journal_key(samples, weights),
        journal_key(samples[::-1], weights),
        journal_key(samples[:1], weights),
        journal_key(items_of([choice("one"), choice("twö")]), weights),
    }
    as_benchmark = [Item("t", "one", 0, space=OneOf(("yes", "no"))), Item("t", "one", 0, space=OneOf(("yes", "maybe")))]
    keys |= {journal_key([item], weights) for item in as_benchmark}
    os.utime(weights / "model.safetensors", ns=(1, 1))
    keys.add(journal_key(samples, weights))
    monkeypatch.setenv("SHOPBENCH_CONSTRAINTS", "none")
    keys.add(journal_key(samples, weights))
    assert len(keys) == 8

    same = journal_key(samples, weights)
    monkeypatch.setenv("SHOPBENCH_WEIGHTS", "the same folder by another way")
    assert journal_key(items_of([choice("one", truth=3), choice("two", task="other")]), weights) == same
