"""How long scoring takes, beside scoring one answer at a time as the competition's starter kit does.

    python -m benchmarks.scoring [--questions FILE ...] [--count 2000] [--rounds 3]

The kit's way is re-created: an `encode` call for every text, a new ROUGE scorer and a new BLEU object for every
answer. Both sides score the same answers in the same process, metric by metric and turn by turn, with their models
loaded beforehand; the scores must be the same. Questions are drawn with the development file's share of each metric,
answers are their truths with words lost and swapped. Exit code 1 if scores differ or the claim does not hold.
"""

from __future__ import annotations

from shopbench.errors import DONE, NOT_GOOD, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("benchmarks.scoring")

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.real_rows import askable_samples
from shopbench import embeddings
from shopbench.answers import parse, write
from shopbench.arguments import positive
from shopbench.files import ROOT
from shopbench.metrics import METRICS
from shopbench.sample import BadSample, Sample, Truth
from shopbench.tasks import TaskType

CLAIM = 10.0
KIT, OURS = 0, 1
"""The two sides: rows of Measured.seconds."""
MIX = {
    "accuracy": 52, "hit rate@3": 15, "micro f1": 8, "rougel": 8, "sent-transformer": 4, "ndcg": 4, "bleu": 4,
    "jp-bleu": 1,
}  # fmt: skip
"""The development file's questions of each metric."""


def draw(files: Sequence[Path], count: int, rng: random.Random) -> list[Sample]:
    """`count` questions in the proportions of MIX; where a metric has too few, they come again with other truths."""
    samples = [sample for file in files for sample in askable_samples(file)]
    drawn: list[Sample] = []
    for name, share in MIX.items():
        wanted, pool = round(count * share / sum(MIX.values())), [one for one in samples if one.metric == name]
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


_KIT_SCORERS: dict[str, Callable[[Any, Any], Any]] = {
    "rougel": _one_rouge,
    "bleu": partial(_one_bleu, "13a"),
    "jp-bleu": partial(_one_bleu, "ja-mecab"),
    "sent-transformer": _one_similarity,
}
"""Nothing is shared between two answers. The metrics that are missing here have no other way than ours."""


@dataclass(frozen=True)
class Measured:
    """Answers of one metric scored both ways, and how many scores differ (but for the last digits of embeddings).

    `seconds`: of KIT and OURS (rows) on the clock and of processors, which a busy machine leaves alone (columns).
    """

    metric: str
    answers: int
    differing: int
    seconds: np.ndarray


def compare(name: str, samples: Sequence[Sample], answers: Sequence[str], first: int) -> Measured:
    """Score these answers of one metric both ways, `first` (KIT or OURS) first."""
    parsed = [parse(sample.task_type, text) for sample, text in zip(samples, answers, strict=True)]
    truths = [sample.output_field for sample in samples]
    kit = _KIT_SCORERS.get(name, METRICS[name].score)
    scores: dict[int, Sequence[Any]] = {}
    seconds = np.zeros((2, 2))
    for side in (first, 1 - first):
        started = np.array([time.perf_counter(), time.process_time()])
        scores[side] = METRICS[name].score_many(parsed, truths) if side == OURS else [*map(kit, parsed, truths)]
        seconds[side] = np.array([time.perf_counter(), time.process_time()]) - started
    pairs = zip(scores[OURS], scores[KIT], strict=True)
    differing = sum(not np.allclose(ours, theirs, rtol=1e-9, atol=1e-5) for ours, theirs in pairs)
    return Measured(name, len(samples), differing, seconds)


def score_round(files: Sequence[Path], count: int, number: int) -> list[Measured]:
    """One round, with questions of its own, metric by metric."""
    rng = random.Random(number)
    samples = draw(files, count, rng)
    measured = []
    for name in MIX:
        own = [sample for sample in samples if sample.metric == name]
        measured.append(compare(name, own, [answer(sample, rng) for sample in own], (OURS, KIT)[number % 2]))
    return measured


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.scoring", description=(__doc__ or "").split("\n")[0])
    questions = [ROOT / "data" / "sample_questions.jsonl"]
    parser.add_argument("--questions", type=Path, nargs="+", metavar="FILE", default=questions)
    parser.add_argument("--count", type=positive, default=2000)
    parser.add_argument("--rounds", type=positive, default=3)
    options = parser.parse_args(argv)
    score_round(options.questions, len(MIX) * 10, 0)  # imports, models, tables
    rounds = range(1, options.rounds + 1)
    measured = [one for number in rounds for one in score_round(options.questions, options.count, number)]
    table = []
    for name in (*MIX, "all"):
        own = [one for one in measured if name in (one.metric, "all")]
        answers, seconds = sum(one.answers for one in own), np.sum([one.seconds for one in own], axis=0)
        ratios = seconds[KIT] / seconds[OURS]
        each = [f"{clock / answers * 1e3:.3f}" for clock in seconds[:, 0]]
        table.append([name, str(answers), *each, *(f"{ratio:.1f}" for ratio in ratios)])
    heads = ["metric", "answers", "kit's way, ms", "ours, ms", "ratio", "ratio of processor time"]
    print(tabulate(table, heads, disable_numparse=True))
    differing, ratio = sum(one.differing for one in measured), ratios[0]  # the last row's: of all metrics together
    print(f"{differing} scores differ; {ratio:.1f} times as fast ({CLAIM:.0f} wanted)")
    return NOT_GOOD if differing or ratio < CLAIM else DONE
