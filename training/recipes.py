"""Every training recipe, as data: what goes into the mixture, and how the adapter is trained."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """Hyperparameters of one fine-tuning run.

    Attributes:
        base: Hub name of the base model (a local folder can be given on the command line instead).
        method: "qlora" (4-bit base on a GPU; plain LoRA elsewhere), "lora" or "full".
        alpha: LoRA alpha; an adapter's delta is alpha / rank * B A.
        warmup: steps if 1 or more, a share of all steps if below 1.
        batch_size: samples per device and step; `accumulation` steps make one update.
        max_length: tokens of prompt and answer; longer samples are dropped and counted.
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
    train_lm_head: bool = False


@dataclass(frozen=True)
class Recipe:
    """One adapter: the mixture, its seed and its training.

    Attributes:
        tasks: task name -> most samples, None for all there are.
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


SMOLLM2 = Training(
    base="HuggingFaceTB/SmolLM2-135M-Instruct",
    method="lora",
    learning_rate=5e-4,
    batch_size=8,
    accumulation=1,
    max_length=448,
)
"""The embedded model: short samples only, since every token is trained on a CPU."""

EMBEDDED_A: dict[str, int | None] = {
    "arc_easy": 40,
    "ave_alike": 15,
    "ave_attribute": 110,
    "ave_entity": 180,
    "ave_total": 60,
    "ave_value": 140,
    "ec_guide_also_bought": 80,
    "ec_guide_bought_together": 50,
    "ec_guide_category": 40,
    "ec_guide_complement": 120,
    "ec_guide_description_language": 50,
    "ec_guide_explain_type": 330,
    "ec_guide_garment_feature": 40,
    "ec_guide_keywords": 30,
    "ec_guide_keywords_of_title": 50,
    "ec_guide_outfit_reason": 30,
    "ec_guide_product_answer": 40,
    "ec_guide_product_with_attribute": 80,
    "ec_guide_query_entity": 260,
    "ec_guide_rating": 120,
    "ec_guide_reasoning": 100,
    "ec_guide_review_aspects": 110,
    "ec_guide_review_keyphrase": 180,
    "ec_guide_review_snippets": 140,
    "ec_guide_title_entity": 60,
    "ec_guide_title_translation": 130,
    "query_next": 80,
    "query_rank_five": 90,
    "query_relation": 140,
}
EMBEDDED_B: dict[str, int | None] = {
    "arc_challenge": 40,
    "arc_easy": 90,
    "ave_alike": 10,
    "ave_attribute": 150,
    "ave_total": 80,
    "ave_value": 240,
    "ec_guide_also_bought": 80,
    "ec_guide_complement": 260,
    "ec_guide_description_language": 50,
    "ec_guide_explain_type": 100,
    "ec_guide_keyword_set": 15,
    "ec_guide_keywords_of_title": 70,
    "ec_guide_product_relation": 20,
    "ec_guide_product_with_attribute": 150,
    "ec_guide_query_entity": 80,
    "ec_guide_query_product_relation": 30,
    "ec_guide_rating": 170,
    "ec_guide_reasoning": 280,
    "ec_guide_review_aspects": 50,
    "ec_guide_review_keyphrase": 60,
    "ec_guide_review_snippets": 60,
    "ec_guide_substitute": 30,
    "ec_guide_title_translation": 30,
    "gsm8k": 60,
    "intentionqa_partner": 40,
    "intentionqa_reason": 40,
    "openbookqa": 140,
    "query_exact_matches": 25,
    "query_next": 80,
    "query_pick_product": 70,
    "query_rank_five": 130,
    "query_relation": 240,
}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "embedded_a",
            EMBEDDED_A,
            SMOLLM2,
            validation_share=0.05,
            validation_limit=14,
            description="embedded model, concepts, extraction, generation and retrieval first",
        ),
        Recipe(
            "embedded_b",
            EMBEDDED_B,
            SMOLLM2,
            seed=43,
            validation_share=0.05,
            validation_limit=14,
            description="embedded model, multiple choice, knowledge and ranking first",
        ),
    )
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Words for a message: the known names that look most like this one."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.3)
    return f"nearest: {', '.join(found)}" if found else "nothing like it is known"


def recipe_named(name: str) -> Recipe:
    """The recipe of this name; a ValueError with the nearest names if there is none."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; {nearest(name, RECIPES)}")
    return RECIPES[name]
