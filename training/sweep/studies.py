"""The studies of eCeLLM, EcomGPT and More-diverse at any size: what is compared, on what, and what the paper claims.

All arms of a study train on equal numbers of tokens, taken from one pool of tasks, and answer the same held-out
questions. A study says what its arms differ in; how they are trained, served and scored is in study_run.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        tasks: what it trains on, tasks or selectors (training/data/catalogue.py); each gets an equal share of tokens.
        training: what differs from the recipe's hyperparameters.
        distinct: the share of the budget that is distinct samples; they are repeated to fill it.
        wordings: instructions a task is given in (ECInstruct tasks only); None leaves the samples as they are.
        apart: one adapter a task, which share the budget and answer their own task's questions only.
    """

    name: str
    tasks: tuple[str, ...]
    training: Mapping[str, Any] = field(default_factory=dict)
    distinct: float = 1.0
    wordings: int | None = None
    apart: bool = False


@dataclass(frozen=True)
class Claim:
    """What a paper says, as a sum of arms' scores times weights that is above 0 if it holds here.

    Attributes:
        effect: the paper's own difference where its tables give one, a score between 0 and 1: the mean over tasks of
            its smallest model, the nearest to the one here (others' differ: README.md).
        effect_of: what that is the difference of.
    """

    text: str
    weights: Mapping[str, float]
    effect: float | None = None
    effect_of: str = ""


@dataclass(frozen=True)
class Study:
    """Arms, the tasks whose held-out questions all of them answer, and the claims these can bear out.

    Attributes:
        unseen_wording: whether the questions are asked in the instruction that no arm was trained on.
        labelled_by_model: tasks whose labels must be a language model's (training.synthesize) to be of the study.
    """

    name: str
    question: str
    paper: str
    arms: tuple[Arm, ...]
    tested: tuple[str, ...]
    claims: tuple[Claim, ...]
    unseen_wording: bool = False
    labelled_by_model: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Everything that is trained on or tested."""
        return tuple(dict.fromkeys([task for arm in self.arms for task in arm.tasks] + list(self.tested)))


# --- Tasks with short samples, of all five types, that can be built from small public files.
DOMAINS = {
    "behaviour": ("query_relation", "query_next", "ec_guide_rating", "query_rank_five"),
    "concepts": ("ave_entity", "ave_attribute", "ec_guide_explain_type", "ec_guide_query_entity"),
    "knowledge": ("ec_guide_complement", "arc_easy", "openbookqa", "ave_total"),
    "multilingual": ("ec_guide_title_translation", "ec_guide_keywords_of_title", "ec_guide_description_language"),
}
EVERY = tuple(task for tasks in DOMAINS.values() for task in tasks)
ONE_OF_EACH_TYPE = ("ec_guide_rating", "query_next", "query_rank_five", "ave_entity", "ec_guide_explain_type")
NEVER_TRAINED = (
    "ave_value",
    "ec_guide_garment_feature",
    "ec_guide_product_with_attribute",
    "ec_guide_review_snippets",
    "ec_guide_title_entity",
    "intentionqa_partner",
)
ECINSTRUCT = tuple(
    f"ecinstruct_{made}_{task}"
    for task in (
        "answerability_prediction",
        "multiclass_product_classification",
        "product_matching",
        "product_relation_prediction",
        "product_substitute_identification",
        "sentiment_analysis",
        "sequential_recommendation",
    )
    for made in ("published", "built")
)
"""The tasks with short answers, right or wrong: from the published file where it is there, and from raw sources."""

SINGLE, DIVERSE = "1 wording", "5 wordings"
diversity = Study(
    "diversity",
    "Does training on five wordings of every instruction help with a sixth?",
    "eCeLLM, table 5",
    (Arm(SINGLE, ECINSTRUCT, wordings=1), Arm(DIVERSE, ECINSTRUCT, wordings=5)),
    ECINSTRUCT,
    (
        Claim(
            "diverse instructions do better on an unseen one",
            {DIVERSE: 1, SINGLE: -1},
            0.012,
            "table 5, eCeLLM-S, ten tasks",
        ),
    ),
    unseen_wording=True,
)

GENERALIST, SPECIFIC = "generalist", "task-specific"
generalist = Study(
    "generalist",
    "Is one model for all tasks as good as one model for each, on the same data?",
    "eCeLLM, section 6.4 and table 6",
    (Arm(GENERALIST, ONE_OF_EACH_TYPE), Arm(SPECIFIC, ONE_OF_EACH_TYPE, apart=True)),
    ONE_OF_EACH_TYPE,
    (
        Claim(
            "the generalist does better than task-specific models",
            {GENERALIST: 1, SPECIFIC: -1},
            0.076,
            "table 6, eCeLLM-S, ten tasks",
        ),
    ),
)

SIZES = {"6% distinct": 0.0625, "25% distinct": 0.25, "100% distinct": 1.0}
size = Study(
    "size",
    "Do more distinct samples help when the tokens trained on stay the same?",
    "eCeLLM, figure 2 and table A20",
    tuple(Arm(name, EVERY, distinct=share) for name, share in SIZES.items()),
    EVERY,
    (
        Claim(
            "more training samples do better",
            {"100% distinct": 1, "6% distinct": -1},
            0.253,
            "table A20, eCeLLM-S, ten tasks, from 1% of the samples to all, at equal epochs",
        ),
    ),
)

FULL_TASKS = ("ecominstruct_task", "ave_entity", "ec_guide_review_keyphrase")
ATOMIC_TASKS = ("tag:chain_of_task", "ave_attribute", "ave_value")
PLAIN, CHAIN = "full tasks only", "with Chain-of-Task"
chain_of_task = Study(
    "chain_of_task",
    "Do atomic sub-tasks, at the same tokens, help with extraction from data never trained on?",
    "EcomGPT, ablation of Chain-of-Task",
    (Arm(PLAIN, FULL_TASKS), Arm(CHAIN, FULL_TASKS + ATOMIC_TASKS)),
    ("ec_guide_title_entity", "ec_guide_query_entity", "ec_guide_garment_feature"),
    (Claim("atomic tasks help on unseen data", {CHAIN: 1, PLAIN: -1}),),
)

FEW, SOME, ALL = "3 tasks", "8 tasks", f"{len(EVERY)} tasks"
tasks = Study(
    "tasks",
    "Do more tasks, at the same tokens, help with tasks never trained on?",
    "EcomGPT, number of tasks at equal data",
    (
        Arm(FEW, ("query_relation", "ave_entity", "query_next")),
        Arm(SOME, tuple(task for of_domain in DOMAINS.values() for task in of_domain[:2])),
        Arm(ALL, EVERY),
    ),
    NEVER_TRAINED,
    (Claim("more tasks do better on unseen ones", {ALL: 1, FEW: -1}),),
)

STAGES = tuple(" + ".join(list(DOMAINS)[:number]) for number in range(1, len(DOMAINS) + 1))
domains = Study(
    "domains",
    "Does every capability domain that is added help, at the same tokens?",
    "More-diverse, capability comprehensiveness",
    tuple(Arm(stage, tuple(task for name in stage.split(" + ") for task in DOMAINS[name])) for stage in STAGES),
    EVERY,
    (Claim("all domains do better than the first alone", {STAGES[-1]: 1, STAGES[0]: -1}),),
)

RANKS = (16, 32, 64)


def _ranked(mixture: str, tasks: tuple[str, ...]) -> tuple[Arm, ...]:
    # alpha stays twice the rank: the deltas' scale does not change with it
    return tuple(Arm(f"{mixture}, rank {rank}", tasks, {"rank": rank, "alpha": 2 * rank}) for rank in RANKS)


rank = Study(
    "rank",
    "Does a higher LoRA rank pay, and more so on diverse data?",
    "More-diverse, table 2",
    _ranked("one domain", DOMAINS["behaviour"]) + _ranked("all domains", EVERY),
    EVERY,
    (
        Claim(
            "on diverse data rank 32 does better than 16",
            {"all domains, rank 32": 1, "all domains, rank 16": -1},
            0.019,
            "table 2, .784 to .803",
        ),
        Claim("on diverse data rank 64 does better than 16", {"all domains, rank 64": 1, "all domains, rank 16": -1}),
        Claim(
            "rank 64 over 16 gains more on diverse data than on one domain",
            {
                "all domains, rank 64": 1,
                "all domains, rank 16": -1,
                "one domain, rank 64": -1,
                "one domain, rank 16": 1,
            },
        ),
    ),
)

BY_MODEL = (
    "amazon_m2_category_of_attribute",
    "amazon_m2_explain_product",
    "amazon_reviews_complement",
    "amazon_reviews_covered_aspects",
    "amazon_reviews_snippets",
)
"""Rows 1, 20, 4, 3 and 2 of Table 7, whose labels training.synthesize makes."""
WITHOUT, WITH = "without synthetic data", "with synthetic data"
synthetic = Study(
    "synthetic",
    "Do questions built on a language model's labels help, at the same tokens?",
    "the winning solution, section 3.2",
    (Arm(WITHOUT, EVERY), Arm(WITH, EVERY + BY_MODEL)),
    (*EVERY, "ec_guide_product_with_attribute", "ec_guide_review_aspects", "ec_guide_review_snippets"),
    (Claim("synthetic data helps", {WITH: 1, WITHOUT: -1}),),
    labelled_by_model=BY_MODEL,
)

STUDIES: dict[str, Study] = {
    study.name: study for study in (diversity, generalist, size, chain_of_task, tasks, domains, rank, synthetic)
}
