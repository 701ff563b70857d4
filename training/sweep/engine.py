"""One engine on a base model that answers with any adapter, one after another; what an adapter achieved is kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation.benchmark import Scored
from evaluation.journal import Journal, journal_key
from evaluation.runner import answer_all
from evaluation.scoring import Outcome, outcomes
from evaluation.suites.shopbench import SHOPBENCH, items_of
from models.engine.process import Engine
from models.engine.requests import Completion, EngineDied, Request
from models.serving import Serving
from models.settings import behaviour
from models.weights import check_weights
from shopbench.errors import UserError
from shopbench.files import file_hash, read_json_if_any, write_json
from shopbench.naming import AnswerBy
from shopbench.sample import Sample

PATIENCE_SECONDS = 3600.0
"""For a batch: what is measured here is how well adapters answer, however busy the machine is."""


@dataclass
class WithAdapter:
    """A running engine as one adapter's model sees it: every request names the adapter, closing is not its business."""

    engine: Engine
    adapter: Path | None

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        return self.engine.wait_until_ready(timeout)

    def generate(self, requests: Sequence[Request], timeout: float) -> list[Completion]:
        try:
            asked = [replace(request, adapter=self.adapter) for request in requests]
            return self.engine.generate(asked, max(timeout, PATIENCE_SECONDS))
        except EngineDied as error:
            # A model in a competition would answer by fallback from here on; a measurement must not.
            raise UserError(f"{error}; give the same command again, finished points are kept") from error

    def close(self, patience: float = 5.0) -> None:
        return


@dataclass
class Served:
    """A base model on a running engine."""

    base: Path
    serving: Serving
    engine: Engine

    def answers(self, samples: Sequence[Sample], adapter: Path | None, journal: Path) -> list[Scored]:
        """Ask the base plus an adapter (None: the base alone) and score, as local_evaluation does.

        Answered batches are kept in `journal` until all are scored. Questions whose metric has no model on this
        machine stay unscored, for every adapter alike; a line says so. UserError if the engine died or cut an answer
        (the score would not be the adapter's), or if no question could be scored.
        """
        model = self.serving.model_on(WithAdapter(self.engine, adapter))
        items = items_of(samples)
        kept = Journal(journal, journal_key(items, adapter or self.base))
        done = answer_all(SHOPBENCH, items, lambda: model, kept)
        if cut := sum(batch.counts.get("unfinished", 0) for batch in done.batches):
            kept.remove()  # else the same command would go on from them
            raise UserError(f"{cut} answers were cut by a deadline; give the same command where nothing else computes")
        scored, missing = SHOPBENCH.score_answers(items, done.outputs)
        for name, remedy in missing.items():
            print(f"sweep: metric {name} is left out: {remedy}", file=sys.stderr)
        if all(one.score is None for one in scored):
            raise UserError("no question can be scored on this machine; see above for what is missing")
        kept.remove()
        return scored


@contextlib.contextmanager
def serving(base: Path, rank: int, answer_by: str = AnswerBy.NUMBER) -> Iterator[Served]:
    """A base model on an engine of its own, for adapters up to a rank; the engine ends with the block.

    `answer_by` is what options are named by, with every adapter and without: what is compared is asked in one way.

    Raises:
        WeightsError, SettingsError: one line on what is wrong with the base or the environment.
        EngineDied: vLLM could not start.
    """
    ready = Serving.of(check_weights(base), behaviour(trained_for=answer_by), lora_rank=rank)
    with contextlib.closing(ready.start_engine()) as engine:
        engine.wait_until_ready()
        yield Served(base, ready, engine)


@dataclass(frozen=True)
class Candidate:
    """An adapter that is asked, under a name of its own.

    Attributes:
        adapter: makes its folder when its turn comes; None asks the base alone.
        made_of: the files of weights that it follows from.
    """

    name: str
    samples: Sequence[Sample]
    adapter: Callable[[], Path] | None
    made_of: Sequence[Path]


def ask_all(
    base: Path, candidates: Sequence[Candidate], rank: int, answer_by: str, folder: Path
) -> dict[str, list[Outcome]]:
    """What became of every question, by the candidates' names, in the questions' order.

    Outcomes are kept in `folder`, without the questions' texts; the engine starts once for those that are not there
    yet, and not at all if there are none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    identities = _identities(base, candidates)
    found = {name: kept for name, identity in identities.items() if (kept := _kept(folder / f"{name}.json", identity))}
    if missing := [one for one in candidates if one.name not in found]:
        with serving(base, rank, answer_by) as served, tqdm(missing, desc="adapters asked", unit="adapter") as bar:
            for one in bar:
                adapter = one.adapter().absolute() if one.adapter else None
                found[one.name] = outcomes(served.answers(one.samples, adapter, folder / f"{one.name}.part"))
                facts = {"identity": identities[one.name], "outcomes": list(map(asdict, found[one.name]))}
                write_json(folder / f"{one.name}.json", facts)
    return found


def _identities(base: Path, candidates: Sequence[Candidate]) -> dict[str, str]:
    """SHA-256 of what each candidate's outcomes depend on, by its name: kept ones of another one are not used."""
    hashes = {path: file_hash(path) for path in {path for one in candidates for path in one.made_of}}
    asked: dict[int, list[Any]] = {}  # by the list of samples, which candidates may share
    identities = {}
    for one in candidates:
        if id(one.samples) not in asked:
            truths = [sample.to_dict() for sample in one.samples]
            asked[id(one.samples)] = [journal_key(items_of(one.samples), base), truths]
        facts = [*asked[id(one.samples)], [hashes[path] for path in one.made_of]]
        identities[one.name] = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return identities


def _kept(path: Path, identity: str) -> list[Outcome] | None:
    """What ask_all wrote for the same questions, weights and code; None if there is nothing of the kind."""
    known = read_json_if_any(path)
    if known.get("identity") != identity:
        return None
    read = [Outcome(**fields) for fields in known["outcomes"]]
    return [replace(one, value=tuple(one.value)) if isinstance(one.value, list) else one for one in read]
