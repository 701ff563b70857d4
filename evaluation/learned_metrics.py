"""BERTScore and BLEURT: similarity of generated answers to true ones, by models that are looked for on this machine.

BERTScore is bert-score's, with roberta-large (17 layers), its choice for English and eCeLLM's [Peng et al., ICML 2024].
BLEURT is bleurt-pytorch's with BLEURT-20-D12, as in eCeLLM's script. That package needs transformers 4, which cannot
live with the engine's, so it is run by another Python (SHOPBENCH_BLEURT_PYTHON) in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbench.embeddings import ModelMissing, metric_folder

BERT_MODEL, BERT_LAYERS = "roberta-large", 17
BLEURT_MODEL = "BLEURT-20-D12"
WORDS = 300
"""Words of an answer that BLEURT sees, as in the paper's script; the model itself takes 512 tokens of both."""
_WORKER = Path(__file__).resolve().parent / "bleurt_worker.py"

PRF = tuple[float, float, float]


def bert_scores(answers: Sequence[str], truths: Sequence[str]) -> list[PRF]:
    """Precision, recall and F of each answer, not rescaled; 0 for an empty answer. ModelMissing without the model."""
    scorer = _bert_scorer()
    filled = _filled(answers, truths)
    columns = scorer.score([answers[place] for place in filled], [truths[place] for place in filled]) if filled else ()
    found = dict(zip(filled, zip(*(column.tolist() for column in columns), strict=True), strict=True))
    return [found.get(place, (0.0, 0.0, 0.0)) for place in range(len(answers))]


def bleurt_scores(answers: Sequence[str], truths: Sequence[str]) -> list[float]:
    """BLEURT of each answer (about 0 to 1); 0 for an empty one.

    ModelMissing without the model, or without a Python that can run it.
    """
    folder = metric_folder(BLEURT_MODEL, f"lucadiliello/{BLEURT_MODEL}", "config.json")
    filled = _filled(answers, truths)
    pairs = [(_first_words(truths[place]), _first_words(answers[place])) for place in filled]
    found = dict(zip(filled, _run_bleurt(folder, pairs), strict=True))
    return [found.get(place, 0.0) for place in range(len(answers))]


def _filled(answers: Sequence[str], truths: Sequence[str]) -> list[int]:
    return [place for place, answer in enumerate(answers) if answer.strip() and truths[place].strip()]


def _run_bleurt(folder: str, pairs: Sequence[tuple[str, str]]) -> list[float]:
    python = os.environ.get("SHOPBENCH_BLEURT_PYTHON") or sys.executable
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    command = [python, str(_WORKER), folder]
    try:
        done = subprocess.run(command, input=json.dumps(pairs), capture_output=True, text=True, env=offline, check=True)
        return [float(score) for score in json.loads(done.stdout)]
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().rpartition("\n")[2][:200]
        raise ModelMissing(
            f"{python} cannot run bleurt-pytorch ({reason}); make an environment with `pip install bleurt-pytorch "
            "'transformers<5'` and name its python in SHOPBENCH_BLEURT_PYTHON"
        ) from None


def _first_words(text: str) -> str:
    words = text.split()
    return " ".join(words[:WORDS]) if len(words) > WORDS else text


@lru_cache
def _bert_scorer() -> Any:
    folder = metric_folder(BERT_MODEL, f"FacebookAI/{BERT_MODEL}", "model.safetensors")
    try:
        from bert_score import BERTScorer
    except ImportError:
        raise ModelMissing("bert-score is not installed: pip install -r requirements-training.txt") from None
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    scorer = BERTScorer(model_type=folder, num_layers=BERT_LAYERS, device="cpu", batch_size=16)
    # bert-score puts a blank before each text for RoBERTa; the tokenizers of transformers 5 want it at their making.
    scorer._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, add_prefix_space=True)
    return scorer
