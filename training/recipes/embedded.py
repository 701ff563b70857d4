"""The model that comes with this repository: two adapters of SmolLM2-135M, trained on a CPU, on shareable data only.

Both mixtures are short samples: embedded_a's, about 1.3 million tokens, puts concepts, extraction, writing and
retrieval first; embedded_c's, 1.7 million, has more of everything, most of all of reviews and of what was rare.
"""

from __future__ import annotations

from shopbench.naming import AnswerBy
from training.recipes.recipe import Ensemble, Recipe, Training

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

SIZES = {
    "arc_challenge": (70, 150),
    "arc_easy": (200, 300),
    "ave_alike": (40, 40),
    "ave_attribute": (160, 190),
    "ave_entity": (180, 220),
    "ave_total": (60, 60),
    "ave_value": (450, 450),
    "ec_guide_also_bought": (200, 210),
    "ec_guide_bought_together": (110, 140),
    "ec_guide_category": (180, 230),
    "ec_guide_complement": (640, 640),
    "ec_guide_description_language": (200, 210),
    "ec_guide_explain_type": (400, 400),
    "ec_guide_garment_feature": (180, 200),
    "ec_guide_keyword_set": (120, 170),
    "ec_guide_keywords": (90, 130),
    "ec_guide_keywords_of_title": (250, 260),
    "ec_guide_outfit_reason": (130, 140),
    "ec_guide_product_answer": (180, 230),
    "ec_guide_product_relation": (180, 200),
    "ec_guide_product_with_attribute": (360, 360),
    "ec_guide_query_entity": (400, 420),
    "ec_guide_query_product_relation": (180, 250),
    "ec_guide_rating": (380, 800),
    "ec_guide_reasoning": (120, 120),
    "ec_guide_review_aspects": (240, 240),
    "ec_guide_review_keyphrase": (330, 480),
    "ec_guide_review_snippets": (280, 280),
    "ec_guide_same_product": (50, 70),
    "ec_guide_substitute": (100, 150),
    "ec_guide_title_entity": (400, 560),
    "ec_guide_title_translation": (190, 420),
    "ecinstruct_relevance": (90, 170),
    "ecinstruct_substitute": (60, 110),
    "esci_brand_of_title": (80, 150),
    "esci_keyword_set": (70, 110),
    "esci_query_of_features": (50, 80),
    "esci_query_of_title": (150, 150),
    "esci_relation": (60, 120),
    "intentionqa_partner": (150, 180),
    "intentionqa_reason": (80, 110),
    "mmlu_question": (0, 180),
    "openbookqa": (260, 450),
    "product_matching_same": (50, 90),
    "product_matching_which": (70, 130),
    "query_exact_matches": (40, 70),
    "query_next": (140, 220),
    "query_pick_product": (200, 320),
    "query_rank_five": (260, 300),
    "query_relation": (220, 300),
}
"""Most samples of each task, in embedded_a and in embedded_c."""

RECIPES = tuple(
    Recipe(name, mixture, SMOLLM2, seed, validation_share=0.05, validation_limit=14)
    for column, (name, seed) in enumerate((("embedded_a", 42), ("embedded_c", 44)))
    for mixture in [{task: sizes[column] for task, sizes in SIZES.items() if sizes[column]}]
)
ENSEMBLES = (Ensemble("embedded", SMOLLM2.base, (("embedded_a", 0.3), ("embedded_c", 0.8))),)
