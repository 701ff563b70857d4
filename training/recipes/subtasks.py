"""The order in which the sub-tasks of a domain come, where a recipe takes the first few: "domain:concepts[:4]".

More-diverse (arXiv 2504.08002) adds sub-tasks that differ from those there are, close to what the shop needs, and warns
of more of the same. So each list begins with a task of ShopBench's development set (named beside it) and goes on with
another kind of question, on other data as long as the domain has some. Its other tasks come after these, by name.
"""

from __future__ import annotations

SUBTASKS: dict[str, tuple[str, ...]] = {
    "behaviour": (
        "esci_rank_products",  # task12, ranking
        "amazon_reviews_also_bought",  # task14, retrieval
        "ecinstruct_next_purchase",  # multiple choice, from purchase histories
        "ec_guide_bought_together",  # generation
        "amazon_m2_previous_clicks",  # retrieval, from sessions
        "amazon_reviews_rating",  # task15, multiple choice
        "query_next",  # task13, retrieval
        "ecinstruct_relevance",  # multiple choice, of a product to a query
    ),
    "concepts": (
        "ec_guide_review_keyphrase",  # task6, generation
        "amazon_reviews_snippets",  # task3, retrieval
        "amazon_m2_category_of_attribute",  # task2, multiple choice
        "ecinstruct_attribute_value",  # entities
        "ave_value",  # multiple choice, values in titles
        "ecinstruct_rank_reviews",  # ranking
        "amazon_reviews_covered_aspects",  # task7, retrieval
        "amazon_m2_explain_product",  # generation
    ),
    "knowledge": (
        "ec_guide_complement",  # task10, multiple choice
        "amazonqa_answer",  # generation, from reviews
        "commonsense_qa",  # multiple choice, what everybody knows
        "ave_total",  # multiple choice, quantities in titles
        "ecinstruct_answerable",  # multiple choice, what reviews tell
        "ec_guide_reasoning",  # multiple choice, numbers
        "ecinstruct_relation",  # multiple choice, how products are related
        "arc_challenge",  # multiple choice, science
    ),
    "multilingual": (
        "amazon_m2_title_in_language",  # task17, generation
        "esci_keyword_set",  # task16, multiple choice
        "ec_guide_keywords_of_title",  # multiple choice, keywords in other languages
        "amazon_m2_description_in_language",  # task18, multiple choice
        "ec_guide_title_translation",  # generation
        "ec_guide_description_language",  # multiple choice
        "ec_guide_keyword_set",  # multiple choice
    ),
}
