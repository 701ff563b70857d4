"""The sub-tasks of EC-Guide, one entry each (reader and conversions: ec_guide.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shopbench.sample import Sample
from training.data.formats import DataTask, Row
from training.data.sources import ec_guide
from training.data.sources.ec_guide import choice, generation, selection, yes_no


def _task(
    name: str,
    file: str,
    build: Callable[..., Sample | None],
    domain: str,
    example: tuple[str, object],
    metric: str = "accuracy",
    group: Callable[[Row], str] = ec_guide.source_text,
) -> DataTask:
    return DataTask(
        name=f"ec_guide_{name}",
        rows=partial(ec_guide.read, name=file),
        to_sample=build,
        example={"input_field": example[0], "output_field": example[1], "metric": metric},
        row_id=ec_guide.row_id,
        licence=ec_guide.LICENCE,
        shareable=True,
        domain=domain,
        group=group,
    )


_SNIPPETS = "\n".join(
    f"{number}. {text}"
    for number, text in enumerate(
        ["boils fast", "hat too small", "kettle whistles", "soft wool", "leaks", "good bag", "nice spout", "torn page"]
    )
)
_ASPECTS = "1. spout\n2. wool\n3. speed\n4. pages\n5. noise\n6. sleeves\n7. zip"

EXPLAIN = _task(
    "explain_type",
    "Generation/PE",
    generation,
    "concepts",
    ("Instructions: Explain the product type Kettle", "A kettle is a pot with a spout in which water is boiled."),
    "sent-transformer",
    group=ec_guide.explained_type,
)

TASKS = (
    EXPLAIN,
    _task(
        "category",
        "Generation/CR",
        generation,
        "concepts",
        ("Assign categories to the product known as 'Brass Kettle, 2 l'.\nOutput:", "Kitchen, Kettles"),
        "sent-transformer",
    ),
    _task(
        "bought_together",
        "Generation/EBT",
        generation,
        "behaviour",
        (
            "Instruction: Why are these two products bought together?\nProduct A: Brass Kettle\nProduct B: Green Tea"
            "\nOutput:",
            "Because both are used to make tea.",
        ),
        "sent-transformer",
    ),
    _task(
        "outfit_reason",
        "Generation/EPF",
        generation,
        "concepts",
        (
            "Instruction: Does this sentence say why the clothes match, and why?\nInput: The grey coat calms the red "
            "skirt.\nOutput:",
            "The grey coat balances the bright skirt.",
        ),
        "sent-transformer",
    ),
    _task(
        "garment_feature",
        "Generation/EPK",
        generation,
        "concepts",
        (
            "Instruction: What does the description say about the coat?\nDescription: A long grey coat, light to wear."
            "\nAnswer:",
            "long, grey and light",
        ),
        "sent-transformer",
    ),
    _task(
        "review_keyphrase",
        "Generation/ERK",
        ec_guide.keyphrase,
        "concepts",
        (
            "Provide one keyphrase from the review of a(n) kettle that mentions the aspect.\nReview: It boils fast but "
            "the lid is loose.\nAspect: speed\nOutput:",
            "boils fast",
        ),
        "rougel",
    ),
    _task(
        "title_translation",
        "Generation/MT",
        ec_guide.title_translation,
        "multilingual",
        ("Translate the product title 'Brass Kettle, 2 litres' into German.\nOutput:", "Messingkessel, 2 Liter"),
        "bleu",
    ),
    _task(
        "keywords",
        "Generation/PKS",
        generation,
        "concepts",
        (
            "Title: Brass Kettle\nDescription: Whistles when the water boils.\nInstruction: Sum up the product in four "
            "keywords.\nOutput:",
            "brass, kettle, whistle, stove",
        ),
        "sent-transformer",
    ),
    _task(
        "product_answer",
        "Generation/PQA",
        generation,
        "knowledge",
        (
            'Instruction: Using the product "Brass Kettle, 2 l" answer the question.\nQuery: Does it whistle?\nOutput:',
            "Yes, as soon as the water boils.",
        ),
        "sent-transformer",
    ),
    _task(
        "reasoning",
        "MCQ/ACR",
        ec_guide.solved,
        "knowledge",
        (
            "Tom has 3 bags of 4 apples. How many has he?\n0. 7\n1. 12\n2. 34\n3. 1\nAnswer: Let's think step by step.",
            "3 bags of 4 are 12. Therefore, the answer is 1.",
        ),
    ),
    _task(
        "description_language",
        "MCQ/MDM",
        choice,
        "multilingual",
        (
            "A product has the description 'Whistles when the water boils.' Which of these may be its descriptions in "
            "another language?\n0. Aus weicher Wolle\n1. Pfeift, sobald das Wasser kocht\n2. 200 pages\n3. Pour le "
            "jardin\nAnswer:",
            1,
        ),
    ),
    _task(
        "keyword_set",
        "MCQ/PKS",
        choice,
        "multilingual",
        (
            "Which keyword set suits the product?\nProduct Title: Bollitore in ottone\n0. lana, sciarpa\n1. tè, cucina"
            "\n2. libro, pagine\n3. giardino, tubo",
            1,
        ),
    ),
    _task(
        "product_relation",
        "MCQ/PRP",
        choice,
        "behaviour",
        (
            'How do the products relate?\nProduct 1: "Brass Kettle", Product 2: "Green Tea"\n0. Users who buy product '
            "1 may also buy product 2.\n1. Users who view product 1 may also view product 2.\n3. The product 1 is "
            "similar with the product 2.\nAnswer:",
            0,
        ),
    ),
    _task(
        "same_product",
        "MCQ/PRP",
        yes_no,
        "concepts",
        (
            'Are the two products identical?\nproduct 1: {title: "brass kettle"}\nproduct 2: {title: "kettle, brass"}'
            "\nOutput:",
            "yes",
        ),
    ),
    _task(
        "substitute",
        "MCQ/QPRJ",
        yes_no,
        "behaviour",
        (
            "Answer yes if the product is a substitute for the query.\nQuery: brass kettle\nProduct: Steel Kettle"
            "\nAnswer:",
            "yes",
        ),
    ),
    _task(
        "query_product_relation",
        "MCQ/QPRP",
        choice,
        "behaviour",
        (
            'What is the relevance between query and title?\n"brass kettle" and "Garden Hose"\n0. substitute\n1. '
            "narrowing\n2. complement\n3. irrelevant\nAnswer:",
            3,
        ),
    ),
    _task(
        "rating",
        "MCQ/SA",
        ec_guide.rating,
        "behaviour",
        (
            "Instructions: Evaluate this product review between 1 and 5, where 1 is very bad and 5 very good.\nInput: "
            "The kettle leaked on the first day.\nAnswer:",
            1,
        ),
    ),
    _task(
        "product_with_attribute",
        "MCQ/SPA",
        choice,
        "concepts",
        (
            "Which product could have the attribute spout material?\n0. Wool Scarf\n1. Garden Twine\n2. Brass Kettle"
            "\n3. Desk Calendar\nAnswer:",
            2,
        ),
    ),
    _task(
        "query_entity",
        "NER/NER",
        partial(ec_guide.entity, query=True),
        "concepts",
        (
            "Extract the phrase of the query that corresponds to the entity type 'material'.\nQuery: brass kettle "
            "2 l\nOutput:",
            ["brass"],
        ),
    ),
    _task(
        "title_entity",
        "NER/NER",
        partial(ec_guide.entity, query=False),
        "concepts",
        ("Identify the 'MATERIAL' in the product title 'Old Brass Kettle'.", ["Brass"]),
    ),
    _task(
        "review_aspects",
        "Retrieval/RRA",
        selection,
        "concepts",
        (
            "Choose three aspects of the list that the review covers. You should ONLY output three numbers, separated "
            "by comma.\nReview: It boils fast and whistles loudly; the spout drips.\nAspect List:\n"
            + _ASPECTS
            + "\nOutput:",
            [1, 3, 5],
        ),
    ),
    _task(
        "review_snippets",
        "Retrieval/RRS",
        selection,
        "concepts",
        (
            "A customer bought a(n) kettle product and likes its use. Select 3 snippets that are likely in the review. "
            "Output three numbers, separated with comma.\nReview Snippet List:\n" + _SNIPPETS + "\nOutput:",
            [0, 2, 6],
        ),
    ),
)
