"""How long scoring takes, beside scoring one answer at a time as the competition's starter kit does.

    python -m benchmarks.scoring [--questions FILE ...] [--count 2000] [--rounds 3]

The kit's way is re-created: an `encode` call for every text, a new ROUGE scorer and a new BLEU object for every
answer. Both sides score the same answers in the same process, metric by metric and turn by turn, with their models
loaded beforehand; the scores must be the same. Questions are drawn with the development file's share of each metric,
answers are their truths with words lost and swapped. Exit code 1 if scores differ or the claim does not hold.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.rows import askable_samples
from shopbench import embeddings
from shopbench.answers import parse, write
from shopbench.errors import DONE, NOT_GOOD, run_command
from shopbench.files import ROOT
from shopbench.metrics import METRICS
from shopbench.sample import BadSample, Sample, Truth
from shopbench.tasks import TaskType

CLAIM = 10.0
QUESTIONS = ROOT / "data" / "sample_questions.jsonl"
OURS, KIT = "ours", "kit"
MIX = {
    "accuracy": 52, "hit rate@3": 15, "micro f1": 8, "rougel": 8, "sent-transformer": 4, "ndcg": 4, "bleu": 4,
    "jp-bleu": 1,
}  # fmt: skip
"""The development file's questions of each metric."""

Scorer = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]


def draw(files: Sequence[Path], count: int, rng: random.Random) -> list[Sample]:
    """`count` questions in the proportions of MIX; where a metric has too few, they come again with other truths."""
    pools: dict[str, list[Sample]] = {name: [] for name in MIX}
    for file in files:
        for sample in askable_samples(file):
            pools.get(sample.metric, []).append(sample)
    drawn: list[Sample] = []
    for name, share in MIX.items():
        wanted, pool = round(count * share / sum(MIX.values())), pools[name]
        if not pool:
            raise BadSample(f"no question of metric {name} in the files given; add data/sample_questions.jsonl")
        drawn += rng.sample(pool, min(wanted, len(pool)))
        again = rng.choices(pool, k=max(0, wanted - len(pool)))
        drawn += [replace(sample, output_field=_other_truth(sample.output_field, rng)) for sample in again]
    return drawn


def _other_truth(truth: Truth, rng: random.Random) -> Truth:
    if isinstance(truth, str):
        return garbled(truth, rng)
    if isinstance(truth, tuple) and isinstance(truth[0], str):
        return tuple(garbled(str(text), rng) for text in truth)
    return truth


def garbled(text: str, rng: random.Random) -> str:
    """The text without a fifth of its words and with two of them swapped, never empty."""
    words = [word for word in text.split() if rng.random() > 0.2] or text.split()[:1]
    first, second = rng.randrange(len(words)), rng.randrange(len(words))
    words[first], words[second] = words[second], words[first]
    return " ".join(words)


def answer(sample: Sample, rng: random.Random) -> str:
    """What a model might have said: half of the numbers right, texts near the truth."""
    if sample.task_type in (TaskType.GENERATION, TaskType.NER):
        return garbled(write(sample.task_type, sample.output_field), rng)
    if rng.random() < 0.5:
        return write(sample.task_type, sample.output_field)
    return ",".join(map(str, rng.sample(range(1, 6), 5)))


@lru_cache
def _minilm() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(embeddings.find_model("all-MiniLM-L6-v2"), device="cpu", local_files_only=True)


def _one_rouge(parsed: str, truth: str) -> float:
    from rouge_score.rouge_scorer import RougeScorer

    return float(RougeScorer(["rougeL"], use_stemmer=True).score(parsed, truth)["rougeL"].fmeasure)


def _one_bleu(tokenizer: str, parsed: str, truth: str) -> float:
    import sacrebleu

    first_line = parsed.strip("\n").split("\n")[0]
    return sacrebleu.corpus_bleu([first_line], [[truth]], lowercase=True, tokenize=tokenizer).score / 100


def _one_similarity(parsed: str, truth: str | Sequence[str]) -> float:
    model = _minilm()
    answered = model.encode([parsed])[0]
    cosines = []
    for text in [truth] if isinstance(truth, str) else truth:
        wanted = model.encode([text])[0]
        cosines.append((answered * wanted).sum() / (np.linalg.norm(answered) * np.linalg.norm(wanted)))
    return max(0.0, float(np.mean(cosines)))


_TEXT: dict[str, Callable[[str, Any], float]] = {
    "rougel": _one_rouge,
    "bleu": lambda parsed, truth: _one_bleu("13a", parsed, truth),
    "jp-bleu": lambda parsed, truth: _one_bleu("ja-mecab", parsed, truth),
    "sent-transformer": _one_similarity,
}


def one_at_a_time(name: str) -> Scorer:
    """A metric the kit's way: nothing is shared between two answers."""
    score = _TEXT.get(name, METRICS[name].score)
    return lambda parsed, truths: [score(answered, truth) for answered, truth in zip(parsed, truths, strict=True)]


def same(ours: Any, theirs: Any) -> bool:
    """Whether two scores are equal, but for the last digits of float32 embeddings."""
    if isinstance(ours, tuple):
        return bool(ours == theirs)
    return math.isclose(ours, theirs, abs_tol=1e-5)


@dataclass
class Times:
    """Seconds of both sides over some answers: on the clock, and of processors (what a busy machine leaves alone)."""

    answers: int = 0
    clock: Counter[str] = field(default_factory=Counter)
    processor: Counter[str] = field(default_factory=Counter)

    def add(self, other: Times) -> None:
        """Count another's answers and seconds in."""
        self.answers += other.answers
        self.clock.update(other.clock)
        self.processor.update(other.processor)

    def row(self, name: str) -> list[str]:
        """A row of the table: milliseconds an answer and the ratios."""
        each = [f"{self.clock[side] / self.answers * 1e3:.3f}" for side in (KIT, OURS)]
        return [name, str(self.answers), *each, *(f"{ratio(seconds):.1f}" for seconds in (self.clock, self.processor))]


def ratio(seconds: Mapping[str, float]) -> float:
    """How many times as long the kit's way takes."""
    return seconds[KIT] / seconds[OURS]


def compare(name: str, samples: Sequence[Sample], answers: Sequence[str], first: str) -> tuple[Times, int]:
    """Score these answers of one metric both ways, `first` first: the times, and how many scores differ."""
    parsed = [parse(sample.task_type, text) for sample, text in zip(samples, answers, strict=True)]
    truths = [sample.output_field for sample in samples]
    scorers: dict[str, Scorer] = {OURS: METRICS[name].score_many, KIT: one_at_a_time(name)}
    times, scores = Times(len(samples)), {}
    for side in sorted(scorers, key=lambda side: side != first):
        clock, processor = time.perf_counter(), time.process_time()
        scores[side] = scorers[side](parsed, truths)
        times.clock[side] += time.perf_counter() - clock  # type: ignore[assignment]
        times.processor[side] += time.process_time() - processor  # type: ignore[assignment]
    return times, sum(not same(*pair) for pair in zip(scores[OURS], scores[KIT], strict=True))


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, score both ways, compare."""
    parser = argparse.ArgumentParser(prog="benchmarks.scoring", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--questions", type=Path, nargs="+", metavar="FILE", default=[QUESTIONS])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    score_round(options.questions, len(MIX) * 10, 0)  # imports, models, tables
    rounds = [score_round(options.questions, options.count, number) for number in range(1, options.rounds + 1)]
    table, everything = [], Times()
    for name in MIX:
        times = Times()
        for measured, _ in rounds:
            times.add(measured[name])
        table.append(times.row(name))
        everything.add(times)
    table.append(everything.row("all"))
    heads = ["metric", "answers", "kit's way, ms", "ours, ms", "ratio", "ratio of processor time"]
    print(tabulate(table, heads, disable_numparse=True))
    differing = sum(count for _, count in rounds)
    print(f"{differing} scores differ; {ratio(everything.clock):.1f} times as fast ({CLAIM:.0f} wanted)")
    return NOT_GOOD if differing or ratio(everything.clock) < CLAIM else DONE


def score_round(files: Sequence[Path], count: int, number: int) -> tuple[dict[str, Times], int]:
    """One round, with questions of its own: the times of each metric, and how many scores differ."""
    rng = random.Random(number)
    samples = draw(files, count, rng)
    times, differing = {}, 0
    for name in MIX:
        own = [sample for sample in samples if sample.metric == name]
        times[name], different = compare(name, own, [answer(sample, rng) for sample in own], (OURS, KIT)[number % 2])
        differing += different
    return times, differing


if __name__ == "__main__":
    run_command(main)
