"""Questions are read right in wordings, languages and list styles that no rule was written from."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from shopbench.question import Question
from shopbench.tasks import TaskType

MC, RETRIEVAL, RANKING, NER, GENERATION = TaskType


def lines(style: str, *texts: str, first: int = 1, between: str = "\n") -> str:
    """The texts as an option list, numbered in `style`, which holds a number sign."""
    return between.join(style.replace("#", str(number)) + text for number, text in enumerate(texts, first))


def kind(question: str, is_multiple_choice: bool) -> tuple[TaskType, tuple[int, ...]]:
    read = Question.read(question, is_multiple_choice)
    return read.task_type, read.numbers


FOUR = ("garden hose", "desk lamp", "tea kettle", "yoga mat")
FIVE = (*FOUR, "rain coat")
TEN = (*FIVE, "pillow", "door bell", "pan", "brush", "helmet")


@pytest.mark.parametrize("style", ["#. ", "#.", "#) ", "(#) ", "#: ", "[#] ", "  #. ", "- #. ", "#、"])
@pytest.mark.parametrize("between", ["\n", "\n\n"])
@pytest.mark.parametrize("first", [0, 1])
def test_reads_the_options_shown(style: str, between: str, first: int) -> None:
    question = "Which of these do you plug in?\n" + lines(style, *FOUR, first=first, between=between) + "\nAnswer:"
    assert kind(question, True) == (MC, tuple(range(first, first + 4)))
    assert kind(question, False) == (MC, tuple(range(first, first + 4)))  # a flag that is wrong


def test_options_on_one_line() -> None:
    assert Question.read("Which one is edible? 0. soap 1. bread 2. a 2.5 m rope 3. candle\nAnswer:", True).numbers == (
        0,
        1,
        2,
        3,
    )


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("Which is a fruit?<br>0. hose<br>1. plum<br>2. lamp", (0, 1, 2)),
        ("下列哪一项是水果？1. 水管 2. 李子 3. 台灯", (1, 2, 3)),
        ("下列哪一项是水果？（1）水管（2）李子（3）台灯", (1, 2, 3)),
        ("How happy is the buyer (1 = not, 2 = so so, 3 = very)?", (1, 2, 3)),
        # No list with marks: what the request counts on.
        ("Is a plum a fruit? (0) no (1) yes", (0, 1)),
        ("Respond with 1 if both match, 0 otherwise.\nProduct 1: plum\nProduct 2: lamp", (0, 1)),
        ("Which is a fruit?\n| 0 | hose |\n| 1 | plum |\n| 2 | lamp |", (0, 1, 2)),
        ("How much is in it?\n0.16GB\n1.32GB\n2.64GB", (0, 1, 2)),
        ("Which is it?\nA. hose 12\nB. plum 3", ()),
    ],
)
def test_what_a_choice_can_be_answered_with(question: str, numbers: tuple[int, ...]) -> None:
    assert kind(question, True) == (MC, numbers)


def test_a_gap_is_shown_as_it_is() -> None:
    assert Question.read("How are they related?\n0. bought\n1. viewed\n3. similar\nAnswer:", True).numbers == (0, 1, 3)


@pytest.mark.parametrize(
    "question",
    [
        "A lamp, specified as\n1.5 m cable\n2.5 kg weight\nWrite a title for it.",
        "Write an answer to the customer.\nQuestion: is it\n0.5 inch or\n1.25 inch thick?",
        "Translate the title 'Cable 1.5 m 2.5 A 3.5 mm' into German.",
        "Review: Two reasons:\n1. it is cheap\n2. it is light\nI like it.\nWrite a headline for the review.",
        "Tell the shopper what the text says.\nDescription: Contents:\n1) a bag\n2) a strap\n3) a box\nOutput:",
        "Write a product description. Follow these rules:\n1. Be short.\n2. Be true.\n3. No emoji.",
        "Given a title, do the following:\n1. Name its category.\n2. Say why.\nTitle: lamp",
        "Summarize the reviews below.\n1. red\n2. warm\n3. soft\n4. light\n5. cheap\n6. new",
        "Translate the points into German.\n1. oak\n2. tin\n3. wool\n4. silk\n5. jute",
        "Reviews:\n1. It floats.\n2. It sank.\nQuestion: does it float?\nAnswer:",
        "Rédigez un titre à partir de ceci :\n1. acier\n2. rouge",
        "Are both the same? Only output yes or no.\n{product: songs 1. one 2. two 3. three 4. four 5. five 6. six}",
        "Write a program that prints the numbers from 1 to 10.",
        "On a scale of 1 to 5, rate the product and explain why.",
    ],
)
def test_decimals_and_quoted_lists_are_no_options(question: str) -> None:
    assert kind(question, False) == (GENERATION, ())


def test_a_list_inside_a_review_before_the_options() -> None:
    review = "Review: Why five stars?\n1. fits\n2. cheap\n3. red\n4. warm\n5. soft\n6. light\n"
    question = review + "Which sentiment does the review have?\n0. negative\n1. positive\n2. mixed\nAnswer:"
    assert kind(question, True) == (MC, (0, 1, 2))
    aspects = "Pick the two aspects that the review covers.\n" + review + "Aspect List:\n" + lines("#.", *TEN)
    read = Question.read(aspects, False)
    assert (read.task_type, read.numbers, read.count) == (RETRIEVAL, tuple(range(1, 11)), 2)


@pytest.mark.parametrize(
    "question",
    [
        "Rate this review from 1 (bad) to 5 (good).\nReview: 1. broke 2. smelled 3. late. Never again.\nOutput:",
        "How many stars would the customer give, on a scale of 1 to 5?\nReview: it broke.",
        "Bewerten Sie die folgende Rezension auf einer Skala von 1 bis 5.\nRezension: Gut.",
        "Evalúe la reseña en una escala del 1 al 5.\nReseña: Excelente.",
        "Évaluez cet avis sur une échelle de 1 à 5.\nAvis : parfait.",
        "Valuta la recensione su una scala da 1 a 5.\nRecensione: ottimo.",
        "次のレビューを1から5の5段階で評価してください。\nレビュー: とても良い",
    ],
)
def test_a_scale_gives_the_options(question: str) -> None:
    assert kind(question, True) == (MC, (1, 2, 3, 4, 5))
    assert kind(question, False) == (MC, (1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("request_text", "count"),
    [
        ("From the list, choose the three products that go with a tent.", 3),
        ("Pick 4 items a camper also needs. Reply with numbers only.", 4),
        ("Output the top 2 products for the query 'tent'.", 2),
        ("Which products fit? Give three numbers, separated by commas.", 3),
        ("Wählen Sie drei Produkte aus der Liste, die zum Zelt passen.", 3),
        ("Seleccione dos productos de la lista que combinen con la tienda.", 2),
        ("Choisissez trois produits de la liste qui vont avec la tente.", 3),
        ("Scegli tre prodotti dalla lista che vanno con la tenda.", 3),
        ("次のリストから、テントに合う商品を3つ選んでください。", 3),
        ("Which two of these would a camper buy? Reply with their numbers.", 2),
        ("¿Qué dos productos de la lista van con la tienda?", 2),
        ("Escolha os dois produtos da lista que combinam com a barraca.", 2),
        ("请从列表中选出与帐篷最相关的两个商品。", 2),
        ("Generate a list of three numbers of titles that describe a tent.", 3),
        ("リストからクエリに合う商品を三つ選択してください。", 3),
        ("The following numbered list contains 10 products. Please say which the user may also buy.", 3),
    ],
)
def test_retrieval_in_six_languages(request_text: str, count: int) -> None:
    question = request_text + "\n" + lines("#. ", *TEN) + "\nOutput:"
    read = Question.read(question, False)
    assert (read.task_type, read.count) == (RETRIEVAL, count)


@pytest.mark.parametrize(
    "request_text",
    [
        "Rank the products for the query 'lamp'.",
        "Order the items below by how well they match the query.",
        "Sort these from most to least relevant.\nOutput a permutation of 1 to 5.",
        "Ordnen Sie die Produkte nach ihrer Relevanz für die Suchanfrage.",
        "Bringe die fünf Produkte in die richtige Reihenfolge.",
        "Ordene los productos según su relevancia para la consulta.",
        "Classez les produits selon leur pertinence pour la requête.",
        "Ordina i prodotti in base alla loro pertinenza.",
        "次の商品をクエリとの関連度の高い順に並べ替えてください。",
        "商品の順位を付けてください。",
        "Metti i seguenti prodotti in ordine di pertinenza.",
        "Which order of these is the best one? Give all five numbers.",
        "请将以下商品按相关性从高到低排序。",
        "Generate a ranking of the titles.",
    ],
)
@pytest.mark.parametrize("first", [0, 1])
def test_ranking_in_six_languages(request_text: str, first: int) -> None:
    question = request_text + "\nProducts:\n" + lines("#. ", *FIVE, first=first) + "\nOutput:"
    read = Question.read(question, False)
    assert (read.task_type, read.numbers, read.count) == (RANKING, tuple(range(first, first + 5)), 5)


def test_a_ranking_of_seven() -> None:
    question = "Rank these by price, cheapest first.\n" + lines("#) ", *TEN[:7])
    read = Question.read(question, False)
    assert (read.task_type, read.count) == (RANKING, 7)


@pytest.mark.parametrize(
    "request_text",
    [
        "Which of the following is used in the kitchen?",
        "Select the one product that holds water.",
        "Welches der folgenden Produkte braucht man im Garten?",
        "¿Cuál de los siguientes productos se usa en la cocina?",
        "Lequel des produits suivants utilise-t-on au jardin ?",
        "Quale dei seguenti prodotti si usa in cucina?",
        "次のうち、台所で使うものはどれですか？",
    ],
)
def test_one_choice_of_five_without_the_flag(request_text: str) -> None:
    question = request_text + "\n" + lines("#. ", *FIVE, first=0) + "\nAnswer:"
    assert kind(question, False) == (MC, (0, 1, 2, 3, 4))


@pytest.mark.parametrize(
    "question",
    [
        "Extract the entities of type 'brand' from the query.\nQuery: acme red kettle",
        "Identify the colour in the product title 'Acme kettle, red, 2 l'.",
        "Find every word of the search query that names a material.\nQuery: oak desk",
        "Extrahieren Sie die Entität vom Typ 'Marke' aus der Suchanfrage.\nSuchanfrage: acme kessel",
        "Extraiga la entidad de tipo 'marca' de la consulta.\nConsulta: hervidor acme",
        "Extrayez l'entité de type 'marque' de la requête.\nRequête: bouilloire acme",
        "Estrai l'entità di tipo 'marca' dalla ricerca.\nRicerca: bollitore acme",
        "次の検索クエリから「ブランド」のエンティティを抽出してください。\nクエリ: アクメ やかん",
        "Extrahiere die Marke aus dem Produkttitel.\nProdukttitel: Acme Kessel",
        "Extrayez la marque du titre du produit.\nTitre : bouilloire acme",
        "从商品标题中提取品牌。\n标题：阿克米 水壶",
        "Which words in the query refer to the size?\nQuery: acme kettle 2 l",
    ],
)
def test_entities_in_six_languages(question: str) -> None:
    assert kind(question, False) == (NER, ())


@pytest.mark.parametrize(
    ("question", "task_type"),
    [
        ("Extract all named entities with their types from the query.\nQuery: acme red kettle", GENERATION),
        ("Acme kettle\nExtract all named entity with type about Brand, Product in the sentence.", GENERATION),
        ("List the attribute values and their attribute names.\nTitle: acme red kettle", GENERATION),
        ("What is the type of the entity 'acme' in the query? Candidates: brand, colour.\nQuery: acme", GENERATION),
        ("Which entity type does 'acme' have in the title?\nTitle: acme kettle", GENERATION),
        ("Which of these types of entities occur in the query? Candidates: brand, size.\nQuery: acme", GENERATION),
        ("Extract the attribute names and values from the title.\nTitle: acme red kettle", GENERATION),
        ("Extract these types of entities from the query: brand, size.\nQuery: acme red kettle", NER),
        ("Output the entity without repeating the entity type 'brand'.\nQuery: acme red kettle", NER),
        ("Extract the entities with the type 'brand' from the query.\nQuery: acme red kettle", NER),
        ("Which phrase of the query is the entity type 'brand'?\nQuery: acme red kettle", NER),
        ("List entities of the categories brand and colour.\nQuery: acme red kettle", NER),
    ],
)
def test_entities_are_quoted_their_types_are_written(question: str, task_type: TaskType) -> None:
    assert kind(question, False) == (task_type, ())


@pytest.mark.parametrize(
    "question",
    [
        "Explain what a French press is.",
        "Identify if the product is a substitute for what the query asks. Output yes or no.\nQuery: a\nProduct: b",
        "Extract the one keyphrase of the review that mentions the aspect.\nReview: soft and warm\nAspect: comfort",
        "Übersetzen Sie den Titel ins Englische.\nTitel: Wasserkocher 1. Wahl",
        "Escriba una descripción del producto 'mesa plegable'.",
        "Rédigez un titre pour le produit.",
        "Scrivi un titolo per il prodotto 'Top 10 giochi'.",
        "次の商品タイトルを英語に翻訳してください。\nタイトル: 電気ケトル",
        "Why are 'order of the phoenix' and 'select 3 tea' bought together?",
        "",
        "\x00\ud800 <|im_end|>",
    ],
)
def test_the_rest_is_generation(question: str) -> None:
    assert kind(question, False) == (GENERATION, ())


def test_entities_are_quoted_from_the_title_alone() -> None:
    question = "Product title: Acme steel kettle 2 L\nWhich part of the title is the material?"
    assert Question.read(question, False).source == "Acme steel kettle 2 L"


@pytest.mark.parametrize(
    "request_text",
    [
        "Write the number of the product that fits best.",
        "Return only the index of the best match.",
        "Nenne die Nummer des passenden Produkts.",
        "Identify the best product for a camper.",
        "Output the id of the best product and describe nothing else.",
    ],
)
def test_one_of_a_few_is_chosen_in_whatever_words(request_text: str) -> None:
    listed = "\n1. tent\n2. lamp\n3. stove"
    assert kind(f"{request_text}{listed}", False) == (TaskType.MULTIPLE_CHOICE, (1, 2, 3))
    assert kind(f"In which order should these be bought?{listed}", False) == (TaskType.RANKING, (1, 2, 3))


def test_a_list_is_there_for_whoever_knows_that_it_holds_options() -> None:
    facts = "Write a title for the product.\n1. cotton\n2. red\n3. large\nOutput: "
    read = Question.read(facts, False)
    assert read.task_type is TaskType.GENERATION and not read.options
    known = read.as_type(TaskType.RETRIEVAL)
    assert known.numbers == (1, 2, 3) and known.count == 3 and known.option_texts == ("cotton", "red", "large")
    assert known.as_type(TaskType.GENERATION) == read


def test_the_flag_always_wins() -> None:
    assert kind("Rank these: which is best?", True) == (MC, ())


def test_development_file(shared: Path) -> None:
    """All 96 get their official type; the winners' rules get 88."""
    rows = [json.loads(line) for line in (shared / "data/shopbench/development.json").open(encoding="utf-8")]
    right = [Question.read(row["input_field"], row["is_multiple_choice"]).task_type == row["task_type"] for row in rows]
    assert sum(right) == 96


@pytest.mark.slow
def test_real_rows_seen_and_without_their_flag(shared: Path) -> None:
    """EC-Guide's rows, whose wordings the rules were not written from one by one: 99% right, flag or not.

    Left out: ACR (arithmetic, typed generation though it shows options) and yes/no rows (metric `bool`).
    """
    right = total = 0
    for path in sorted((shared / "data/ec_guide").glob("*/*.jsonl")):
        if path.name == "ACR.jsonl":
            continue
        for row in map(json.loads, path.open(encoding="utf-8")):
            if row["metric"] != "bool":
                total += 1
                right += Question.read(row["input_field"], False).task_type == row["task_type"]
    assert total > 25_000
    assert right / total > 0.99


@pytest.mark.slow
def test_a_hostile_question_takes_no_long_time() -> None:
    """Patterns that look back at every place take minutes here; the alarm is far from what a slow machine needs."""
    hostile = (
        "1. ", "rank ", "select ", "identify the ", "'", "'a ", "“", "「", "(", "*", " ", "\u200b", "1(1(", "rate 1 (",
        "scale 0 (a ", "0.\n1.\n", "0.\n1)\n1.\n0)\n", "'0.\n'1.\n", "a: \n", "Options: 0. ",
        "yes ", "yes or no ", "answer ", "candidates: a, ", "one of these ", "yes if ",
        "yes if , ", "'a' or ", '"a" ', "and and ", "write a, ", "not ", "positive, ", "①", "0 = ", "选 ",
    )  # fmt: skip

    def too_long(*_: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, too_long)
    try:
        repeated = [(text * 25_000)[:25_000] for text in hostile]
        for text in [*repeated, *(begun + " " * 24_000 + "x" for begun in ("answer yes", "Answer yes or no", "1."))]:
            signal.alarm(20)
            read = Question.read(text, False)
            assert isinstance(read.source, str)
            assert read.labels is None or read.labels.names
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


MARKS = [
    "#. @", "#.@", "#) @", "(#) @", "#: @", "[#] @", "#、@", "# - @", "# – @", "#.) @", "#\\. @", "（#）@", "#．@",
    "【#】@",
    "- #. @", "* #. @", "• #) @", "– #. @", "> #. @", "| #. @",
    "# = @", "# : @", "#\ufe0f\u20e3 @",
    "**#.** @", "**#**. @", "**#. @**", "*#.* @", "__#.__ @", "`#.` @", "~~#~~. @", "- **#.** @", "> - **#)** @",
    '"#." @', '"#. @"', "'#. @'", "“#. @”", "「#. @」",
    "\u200b#. @", "\ufeff#. @", "\u00a0#. @", "\u3000#. @", "#\u200b. @", "#.\u2060 @", "\u202a#. @", "**\u200b#.** @",
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_a_list_is_the_same_in_all_marks(mark: str) -> None:
    listed = [mark.replace("#", str(number)).replace("@", text) for number, text in enumerate(FIVE, 1)]
    for request, flag, task_type, count in (
        ("Which of these do you plug in?\n", True, MC, 1),
        ("Select two of these products.\n", False, RETRIEVAL, 2),
        ("Rank the products for the query 'lamp'.\n", False, RANKING, 5),
    ):
        read = Question.read(f"{request}{chr(10).join(listed)}\nOutput:", flag)
        assert (read.task_type, read.numbers, read.count) == (task_type, (1, 2, 3, 4, 5), count)
        assert read.option_texts == FIVE
        assert [read.text[option.start : option.end].strip("\n") for option in read.options] == listed
        assert not any(text in read.request for text in FIVE)


def test_marks_of_one_list_may_differ_in_their_emphasis_and_their_digits() -> None:
    read = Question.read("Which?\n**1.** red\n2. blue\n- 3. green\n４．pink\nAnswer:", True)
    assert read.option_texts == ("red", "blue", "green", "pink")
    assert read.numbers == (1, 2, 3, 4)


def test_options_on_one_line_have_texts_too() -> None:
    for text in (
        "Which one? 0. soap, 1. bread, 2. a 2.5 m rope",
        "Which one? **0.** soap **1.** bread **2.** a 2.5 m rope",
    ):
        read = Question.read(f"{text}\nAnswer:", True)
        assert [option.text for option in read.options] == ["soap", "bread", "a 2.5 m rope"]
        assert read.option_texts is None  # names are only learned from lists with an option a line


@pytest.mark.parametrize(
    ("question", "flag", "expected"),
    [
        (
            "(1) Read the review.\nReview: nice\nList:\n#\n(2) Output three numbers, separated by comma.",
            False,
            (RETRIEVAL, 3),
        ),
        (
            "1) Read the review.\n2) Select three aspects.\nReview: nice\nList:\n#\n3) Only numbers.",
            False,
            (RETRIEVAL, 3),
        ),
        ("Rules:\n- 1: read.\nWhich is a tool?\n#\n- 2: answer with a number.", True, (MC, 1)),
    ],
)
def test_numbered_instructions_around_the_options_are_no_options(
    question: str, flag: bool, expected: tuple[TaskType, int]
) -> None:
    read = Question.read(question.replace("#", lines("#. ", *TEN[:6])), flag)
    assert (read.task_type, read.count, read.numbers) == (*expected, (1, 2, 3, 4, 5, 6))


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_option_may_stand_behind_its_header(first: int) -> None:
    read = Question.read("Which one is a fruit? Options: " + lines("#. ", "apple", "car", "bus", first=first), True)
    assert read.numbers == (first, first + 1, first + 2)
    assert read.option_texts == ("apple", "car", "bus")


def test_options_are_named_only_where_nothing_else_is_numbered() -> None:
    read = Question.read("Where?\n0) pot\n1. shelf\n2) sill\n3. garden\n4. house\nAnswer:", True)
    assert read.option_texts is None


@pytest.mark.parametrize(
    ("listed", "texts"),
    [
        ("**0. Red car**\nfast\n**1. Blue bus**", ("Red car fast", "Blue bus")),
        ("**0. Red car**;\n**1. Blue bus**;", ("Red car", "Blue bus")),
        ('"0. Red car",\n"1. Blue bus"', ("Red car", "Blue bus")),
        ('"0. Red car\n1. Blue bus"', ("Red car", "Blue bus")),
        ("(**0**) Red car\n(**1**) Blue bus", ("Red car", "Blue bus")),
        ("0**.** Red car\n1**.** Blue bus", ("Red car", "Blue bus")),
        ("［０］ Red car\n［１］ Blue bus", ("Red car", "Blue bus")),
        ("・0. Red car\n・1. Blue bus", ("Red car", "Blue bus")),
        ("0. 12 V\n1. 24 V", ("12 V", "24 V")),
    ],
)
def test_emphasis_and_quotation_marks_are_no_part_of_a_text(listed: str, texts: tuple[str, ...]) -> None:
    assert Question.read(f"Which?\n{listed}\nAnswer:", True).option_texts == texts


@pytest.mark.parametrize("mark", ['"#. @", ', "'#. @', ", "\u200b#. @ ", "**#.** @ ", "（#）@ "])
def test_marks_on_one_line(mark: str) -> None:
    listed = "".join(mark.replace("#", str(number)).replace("@", text) for number, text in enumerate(TEN, 1))
    listed = f"[{listed}]" if mark[0] in "\"'" else listed
    read = Question.read(f"Select two of these.\nList: {listed}\nOutput:", False)
    assert (read.task_type, read.numbers, read.count) == (RETRIEVAL, tuple(range(1, 11)), 2)


def test_ranges_are_no_options() -> None:
    question = "Identify the brand in the product title.\nTitle: Lego Duplo\n0 – 3 months\n1 – 2 years"
    assert kind(question, False) == (NER, ())


def test_texts_are_what_stands_behind_the_marks() -> None:
    read = Question.read("Which?\n(1) a  b \n(2) c\n", True)
    assert read.option_texts == ("a b", "c")
    assert Question.read("Which?\n1. red\n2.\n3. blue\n", True).option_texts is None
    assert Question.read("Rate the review on a scale of 1 to 5.\nReview: fine\n", True).option_texts is None


def test_a_quotation_within_a_line_is_no_list() -> None:
    question = (
        'Say yes or no.\nproduct: {text: "1. Air 2. Nocturne 3. Lake", price: "9"}\n"1": {"a": 1, "2": 2, "3": 3}'
    )
    assert kind(question, False) == (GENERATION, ())


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("Extract phrases.\nQuery: wilson basketball\nOutput: ", "wilson basketball"),
        ("Extract.\nReview: fits well. I like it\nAspect: fit\nOutput:", "fits well. I like it"),
        ("What part of the title 'Koleksi Jaket Pria' relates to the entity type 'TYPE'?", "Koleksi Jaket Pria"),
        ("From the product title 'men's boot' extract 'X'.", "men's boot"),
        ("固有表現を抽出してください。\nクエリ: 靴 メンズ\n出力: ", "靴 メンズ"),
        ("Select the ones for the query.\nQuery: hat\nCandidate Document: wool hat, tin pot", "wool hat, tin pot"),
        ("nothing marked at all", "nothing marked at all"),
        ("", ""),
    ],
)
def test_source_is_the_text_and_not_the_instruction(question: str, source: str) -> None:
    assert Question.read(question, False).source == source
