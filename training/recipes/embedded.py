"""The model that comes with this repository: two adapters of SmolLM2-135M, trained on a CPU, on shareable data only.

Both mixtures are short samples: embedded_a's, about 1.3 million tokens, puts concepts, extraction, writing and
retrieval first; embedded_c's, 1.7 million, has more of everything, most of all of reviews and of what was rare.
"""

from __future__ import annotations

from shopbench.naming import AnswerBy
from training.recipes.recipe import Ensemble, Mixture, Recipe, Training

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

CONCEPTS_FIRST: Mixture = {
    "arc_challenge": 70,
    "arc_easy": 200,
    "ave_alike": 40,
    "ave_attribute": 160,
    "ave_entity": 180,
    "ave_total": 60,
    "ave_value": 450,
    "ec_guide_also_bought": 200,
    "ec_guide_bought_together": 110,
    "ec_guide_category": 180,
    "ec_guide_complement": 640,
    "ec_guide_description_language": 200,
    "ec_guide_explain_type": 400,
    "ec_guide_garment_feature": 180,
    "ec_guide_keyword_set": 120,
    "ec_guide_keywords": 90,
    "ec_guide_keywords_of_title": 250,
    "ec_guide_outfit_reason": 130,
    "ec_guide_product_answer": 180,
    "ec_guide_product_relation": 180,
    "ec_guide_product_with_attribute": 360,
    "ec_guide_query_entity": 400,
    "ec_guide_query_product_relation": 180,
    "ec_guide_rating": 380,
    "ec_guide_reasoning": 120,
    "ec_guide_review_aspects": 240,
    "ec_guide_review_keyphrase": 330,
    "ec_guide_review_snippets": 280,
    "ec_guide_same_product": 50,
    "ec_guide_substitute": 100,
    "ec_guide_title_entity": 400,
    "ec_guide_title_translation": 190,
    "ecinstruct_relevance": 90,
    "ecinstruct_substitute": 60,
    "esci_brand_of_title": 80,
    "esci_keyword_set": 70,
    "esci_query_of_features": 50,
    "esci_query_of_title": 150,
    "esci_relation": 60,
    "intentionqa_partner": 150,
    "intentionqa_reason": 80,
    "openbookqa": 260,
    "product_matching_same": 50,
    "product_matching_which": 70,
    "query_exact_matches": 40,
    "query_next": 140,
    "query_pick_product": 200,
    "query_rank_five": 260,
    "query_relation": 220,
}
MORE_OF_EACH: Mixture = {
    "arc_challenge": 150,
    "arc_easy": 300,
    "ave_alike": 40,
    "ave_attribute": 190,
    "ave_entity": 220,
    "ave_total": 60,
    "ave_value": 450,
    "ec_guide_also_bought": 210,
    "ec_guide_bought_together": 140,
    "ec_guide_category": 230,
    "ec_guide_complement": 640,
    "ec_guide_description_language": 210,
    "ec_guide_explain_type": 400,
    "ec_guide_garment_feature": 200,
    "ec_guide_keyword_set": 170,
    "ec_guide_keywords": 130,
    "ec_guide_keywords_of_title": 260,
    "ec_guide_outfit_reason": 140,
    "ec_guide_product_answer": 230,
    "ec_guide_product_relation": 200,
    "ec_guide_product_with_attribute": 360,
    "ec_guide_query_entity": 420,
    "ec_guide_query_product_relation": 250,
    "ec_guide_rating": 800,
    "ec_guide_reasoning": 120,
    "ec_guide_review_aspects": 240,
    "ec_guide_review_keyphrase": 480,
    "ec_guide_review_snippets": 280,
    "ec_guide_same_product": 70,
    "ec_guide_substitute": 150,
    "ec_guide_title_entity": 560,
    "ec_guide_title_translation": 420,
    "ecinstruct_relevance": 170,
    "ecinstruct_substitute": 110,
    "esci_brand_of_title": 150,
    "esci_keyword_set": 110,
    "esci_query_of_features": 80,
    "esci_query_of_title": 150,
    "esci_relation": 120,
    "intentionqa_partner": 180,
    "intentionqa_reason": 110,
    "mmlu_question": 180,
    "openbookqa": 450,
    "product_matching_same": 90,
    "product_matching_which": 130,
    "query_exact_matches": 70,
    "query_next": 220,
    "query_pick_product": 320,
    "query_rank_five": 300,
    "query_relation": 300,
}


RECIPES = tuple(
    Recipe(name, mixture, SMOLLM2, seed, validation_share=0.05, validation_limit=14)
    for name, mixture, seed in (("embedded_a", CONCEPTS_FIRST, 42), ("embedded_c", MORE_OF_EACH, 44))
)
ENSEMBLES = (Ensemble("embedded", SMOLLM2.base, (("embedded_a", 0.3), ("embedded_c", 0.8))),)
