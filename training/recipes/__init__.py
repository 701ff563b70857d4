"""Every training recipe, as data: what goes into the mixture, and how the adapter is trained."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from shopbench.errors import UserError
from shopbench.naming import AnswerBy
from training.recipes.embedded_mixtures import CHOICES_FIRST, CONCEPTS_FIRST, MORE_OF_EACH


@dataclass(frozen=True)
class Training:
    """Hyperparameters of one fine-tuning run.

    Attributes:
        base: Hub name of the base model (a local folder can be given on the command line instead).
        method: "qlora" (4-bit base on a GPU; plain LoRA elsewhere), "lora" or "full".
        alpha: LoRA alpha; an adapter's delta is alpha / rank * B A.
        warmup: steps if 1 or more, a share of all steps if below 1.
        batch_size: samples per device and step; `accumulation` steps make one update.
        tokens_per_batch: samples are packed into batches of so many tokens instead of `batch_size` samples.
        max_length: tokens of prompt and answer; longer samples are dropped and counted.
        per_sample_loss: every sample of a batch weighs the same, however long its answer; else every answer token.
        answer_by: whether options are named by number or by their words (shopbench/naming.py).
    """

    base: str
    method: str = "qlora"
    rank: int = 64
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    weight_decay: float = 0.01
    warmup: float = 10
    schedule: str = "cosine"
    epochs: float = 1.0
    batch_size: int = 1
    accumulation: int = 4
    max_length: int = 2048
    tokens_per_batch: int | None = None
    train_lm_head: bool = False
    per_sample_loss: bool = False
    answer_by: AnswerBy = AnswerBy.NUMBER


@dataclass(frozen=True)
class Recipe:
    """One adapter: the mixture, its seed and its training.

    Attributes:
        tasks: what goes in -> most samples of each task. A key is a task's name, or a selector: "ave_*", "table7:5"
            (a row of the paper's table), "tag:chain_of_task", "domain:concepts" (ShopBench's form only) or
            "domain:concepts[:4]" (the first four of them). None: as many as the task itself says.
        validation_share: the share of the source texts (not of the samples) that is kept for validation.
        validation_limit: validation samples of one task at most.
    """

    name: str
    tasks: dict[str, int | None]
    training: Training
    seed: int = 42
    validation_share: float = 0.0
    validation_limit: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Ensemble:
    """Weights to submit: base + the sum of weight x delta over adapters (one adapter: wise-ft).

    Attributes:
        adapters: (recipe name, weight); each adapter lies under weights/adapters/<recipe name>.
    """

    name: str
    base: str
    adapters: tuple[tuple[str, float], ...]


# --- The winning solution (FACTS 2): Table 2's training, Table 7's rows, the final table's weights.
QWEN2_72B = Training(base="Qwen/Qwen2-72B-Instruct")

V7_ROWS = (*range(1, 27), 37, 38)
V8_ROWS = (*range(1, 33), 37, 38)
V7B_ROWS = (2, 3, 4, 6, 7, 38)
V9B_ROWS = (33, 34, 35, 36)


def rows_of_table7(rows: Iterable[int]) -> dict[str, int | None]:
    """Selectors for these rows, each at its own size."""
    return {f"table7:{row}": None for row in rows}


# --- eCeLLM (FACTS 3): one training, six bases; the data study takes parts of the ten tasks.
ECELLM = Training(
    base="mistralai/Mistral-7B-Instruct-v0.2",
    method="lora",
    rank=16,
    alpha=16,
    learning_rate=1e-4,
    warmup=0.05,
    epochs=3,
    batch_size=8,
    accumulation=16,
    train_lm_head=True,
)
ECELLM_BASES = {
    "ecellm_l": "meta-llama/Llama-2-13b-chat-hf",
    "ecellm_l_flan": "google/flan-t5-xxl",
    "ecellm_m": "mistralai/Mistral-7B-Instruct-v0.2",
    "ecellm_m_llama": "meta-llama/Llama-2-7b-chat-hf",
    "ecellm_s": "microsoft/phi-2",
    "ecellm_s_flan": "google/flan-t5-xl",
}
PUBLISHED_ECINSTRUCT = "ecinstruct_published_*"
ECELLM_STUDY = {"1k": 100, "10k": 1_000, "47k": 5_000}

# --- EcomGPT (FACTS 4): all parameters of BLOOMZ, with and without the atomic tasks.
BLOOMZ = Training(
    base="bigscience/bloomz-7b1",
    method="full",
    learning_rate=2e-5,
    weight_decay=0.0,
    warmup=0.03,
    epochs=3,
    batch_size=4,
    accumulation=8,
    max_length=1024,
)

# --- More-diverse (FACTS 5): domains one after another, then more sub-tasks, then a higher rank.
DIVERSE = replace(QWEN2_72B, rank=16, alpha=32)
DOMAINS = ("behaviour", "concepts", "knowledge", "multilingual")
DIVERSE_PER_TASK = 2_000

# --- The model that comes with this repository (FACTS 7): every token is trained on a CPU.
SMOLLM2 = Training(
    base="HuggingFaceTB/SmolLM2-135M-Instruct",
    method="lora",
    rank=32,  # 20 MB in float16: two adapters stay small enough for the repository
    alpha=64,
    dropout=0.0,  # one pass over short data does not overfit, and without dropout LoRA costs less on a CPU
    learning_rate=1e-3,
    accumulation=1,
    max_length=448,
    tokens_per_batch=1024,
    per_sample_loss=True,
    answer_by=AnswerBy.TEXT,
)


SMALL_BATCHES = replace(SMOLLM2, tokens_per_batch=512, learning_rate=7e-4)
"""Beside another run, in half of its memory."""


def _embedded(
    name: str, tasks: dict[str, int | None], seed: int, description: str, training: Training = SMOLLM2
) -> Recipe:
    return Recipe(name, tasks, training, seed, 0.05, 14, description)


_RECIPES = [
    Recipe("v7", rows_of_table7(V7_ROWS), QWEN2_72B, description="tracks 2 and 4"),
    Recipe("v8", rows_of_table7(V8_ROWS), QWEN2_72B, description="tracks 1, 3 and 5: v7 and six more rows"),
    Recipe("v7b", rows_of_table7(V7B_ROWS), QWEN2_72B, description="beside v7"),
    Recipe("v9b", rows_of_table7(V9B_ROWS), QWEN2_72B, description="beside v8"),
    *(Recipe(name, {PUBLISHED_ECINSTRUCT: None}, replace(ECELLM, base=base)) for name, base in ECELLM_BASES.items()),
    *(Recipe(f"ecellm_m_{size}", {PUBLISHED_ECINSTRUCT: limit}, ECELLM) for size, limit in ECELLM_STUDY.items()),
    Recipe("ecomgpt", {"tag:ecominstruct": 800, "tag:chain_of_task": 800}, BLOOMZ, description="both kinds of tasks"),
    Recipe("ecomgpt_plain", {"tag:ecominstruct": 800}, BLOOMZ, description="without Chain-of-Task"),
    *(
        Recipe(
            f"diverse_stage{number}",
            {f"domain:{domain}": DIVERSE_PER_TASK for domain in DOMAINS[:number]},
            DIVERSE,
            description=f"domains: {', '.join(DOMAINS[:number])}",
        )
        for number in range(1, len(DOMAINS) + 1)
    ),
    *(
        Recipe(
            f"diverse_subtasks{number}",
            {f"domain:{domain}[:{number}]": DIVERSE_PER_TASK for domain in DOMAINS},
            DIVERSE,
            description=f"all domains, {number} sub-tasks of each",
        )
        for number in (1, 2, 4, 8)
    ),
    *(
        Recipe(
            f"diverse_r{rank}",
            {f"domain:{domain}": DIVERSE_PER_TASK for domain in DOMAINS},
            replace(DIVERSE, rank=rank),
        )
        for rank in (16, 32)
    ),
    _embedded("embedded_a", CONCEPTS_FIRST, 42, "concepts, extraction, writing and retrieval first"),
    _embedded("embedded_b", CHOICES_FIRST, 43, "multiple choice and lists of options first", SMALL_BATCHES),
    _embedded("embedded_c", MORE_OF_EACH, 44, "more of everything, most of all of reviews"),
]
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _RECIPES}

_V8_V9B = {"track1": (0.56, 0.75), "track3": (0.56, 0.25), "track5": (0.56, 0.25)}
_V7_V7B = {"track2": (1.0, 0.5), "track4": (1.0, 0.5)}
ENSEMBLES: dict[str, Ensemble] = {
    **{name: Ensemble(name, QWEN2_72B.base, (("v8", w1), ("v9b", w2))) for name, (w1, w2) in _V8_V9B.items()},
    **{name: Ensemble(name, QWEN2_72B.base, (("v7", w1), ("v7b", w2))) for name, (w1, w2) in _V7_V7B.items()},
    "embedded": Ensemble("embedded", SMOLLM2.base, (("embedded_a", 0.3), ("embedded_c", 0.8))),
}
"""By name: the submission of a track ("track1" ... "track5") and the model of this repository ("embedded")."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Words for a message: the known names that look most like this one."""
    names = list(known)
    found = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
    return f"nearest: {', '.join(found or sorted(names)[:3])}"


def recipe_named(name: str) -> Recipe:
    """The recipe of this name; a UserError with the nearest names if there is none."""
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}; {nearest(name, RECIPES)}")
    return RECIPES[name]


def ensemble_named(name: str) -> Ensemble:
    """The ensemble of this name; a ValueError with the nearest names if there is none."""
    if name not in ENSEMBLES:
        raise ValueError(f"unknown ensemble {name!r}; {nearest(name, ENSEMBLES)}")
    return ENSEMBLES[name]
