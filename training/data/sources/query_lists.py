"""Queries and their products from judged pairs: lists made of many queries (of ESCI and of ECInstruct).

Reads what holds a query, a title and a label, however few: `ecinstruct/Multiclass_Product_Classification.jsonl`
(input: JSON of query and product title; output: letter and text of the ESCI label), `esci/exact_us.jsonl` and
`esci/labelled*.jsonl`; and the queries of `esci/examples*.jsonl`. Where a judged list is too short, products of
other queries fill it up as irrelevant ones. Full ESCI files have their own builders (esci_*.py).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator

from shopbench.ecinstruct import ESCI_GAINS
from shopbench.sample import Sample
from training.data.formats import DataTask, Reader, Row, SourceFolder, ToSample
from training.data.hashes import digest
from training.data.options import first_number, multiple_choice, one_line, ranking, retrieval, same_key
from training.data.small_files import json_rows
from training.data.sources import ecinstruct, esci
from training.data.wordings import choice, ordering, request, selection

LICENCE = f"{esci.LICENCE} (ESCI), {ecinstruct.LICENCE} (ECInstruct)"
_LETTERS = dict(zip("ABCD", "ESCI", strict=True))
_SMALL_WORDS = frozenset(
    ["a", "an", "and", "for", "in", "of", "on", "the", "to", "with", "without", "de", "la", "para", "con", "und", "für"]
)

RANK = (
    "A user has made a query with keyword '{query}'. Given the following numbered list of 5 products, please rank the "
    "products according their relevance with the query.",
    "Rank the 5 products below from the most to the least relevant to the search '{query}'.",
    "A shopper searches for '{query}'. Sort the five listed products by how well they fit, the best one first.",
)
PICK = (
    "Which of the following products is the best answer to the query '{query}'?",
    "A user searches for '{query}'. Which product is the user looking for?",
    "Select the product that matches the search keyword '{query}'.",
)
EXACT = (
    "A user has made a query with keyword '{query}'. Please select 3 products from the list that match the query.",
    "Which three of the listed products are what a shopper who types '{query}' looks for?",
)
RELATION = (
    'Which of the following statements best describes the relation from query "{first}" to query "{second}"?',
    "A user searched for '{first}' and then for '{second}'. How does the second query relate to the first?",
    "What is the relation of the query '{second}' to the query '{first}'?",
)
NEXT = (
    "You are a user on an online shopping platform. Suppose you have just performed the following sequence of "
    "actions. What is most likely to be the keyword of your next query? Select three from the numbered list that you "
    "think most likely.\n\nAction Sequence:\n{actions}\n",
    "Below are the last actions of a shopper. Choose the three queries that the shopper is most likely to type "
    "next.\n\nActions:\n{actions}\n",
)


def judged(sources: SourceFolder) -> list[tuple[str, str, str]]:
    """Distinct (query, title, label letter), sorted by their hash."""
    pairs = set()
    for row in json_rows(sources.need_files("ecinstruct", "ecinstruct/**/Multiclass_Product_Classification.jsonl")):
        given = json.loads(row["input"])
        pairs.add((given["query"].strip(), one_line(given["product title"], 150), _LETTERS[row["output"][0]]))
    for row in json_rows(sources.need_files("esci", "esci/**/labelled*.jsonl", "esci/**/exact_us.jsonl")):
        title = row.get("product_title") or one_line(row.get("product_text"), 120)
        if title and row.get("split", "train") == "train":
            pairs.add((row["query"].strip(), one_line(title, 150), row["esci_label"][0]))
    return sorted(pairs, key=lambda pair: digest(*pair))


def words(query: str) -> frozenset[str]:
    """The words of a query that carry meaning."""
    return frozenset(same_key(query).split()) - _SMALL_WORDS


def query_rows(sources: SourceFolder) -> Iterator[Row]:
    """A query with three of its products and titles of others; long lists give several rows."""
    by_query: dict[str, list[tuple[str, str]]] = defaultdict(list)
    pairs = judged(sources)
    for query, title, label in pairs:
        by_query[query].append((title, label))
    titles = [(title, words(title), words(query)) for query, title, _ in pairs]
    for place, (query, products) in enumerate(by_query.items()):
        mine, head = words(query), query.split()[-1].lower()
        others = (titles[place:] + titles[:place])[:900]
        free = [other for other in others if head not in other[1] | other[2]]
        hard = [title for title, told, _ in free if mine & told][:4]
        far = [title for title, told, theirs in free if not mine & (told | theirs)][:12]
        for start in range(0, len(products), 3):
            own = [{"title": title, "label": label} for title, label in products[start : start + 3]]
            yield {"query": query, "part": start, "products": own, "hard": hard, "far": far}


def all_queries(sources: SourceFolder) -> list[str]:
    """Distinct queries of the judged pairs and of the examples table, by hash."""
    found = {query for query, _, _ in judged(sources)}
    found |= {row["query"].strip() for row in json_rows(sources.need_files("esci", "esci/**/examples*.jsonl"), "query")}
    return sorted((query for query in found if 3 < len(query) < 60), key=digest)


def related_rows(sources: SourceFolder) -> Iterator[Row]:
    """A query, those that share words with it, some that do not, and a title that answers it if one is known."""
    queries = all_queries(sources)
    titles = {query: title for query, title, label in judged(sources) if label == "E"}
    holders: dict[str, list[str]] = defaultdict(list)
    for query in queries:
        for word in words(query):
            holders[word].append(query)
    for place, query in enumerate(queries):
        shared: dict[str, int] = defaultdict(int)
        for word in words(query):
            for other in holders[word] if len(holders[word]) <= 60 else ():
                shared[other] += 1
        near = sorted((other for other in shared if other != query), key=lambda other: (-shared[other], digest(other)))
        mine = words(query)
        far = [other for other in (queries[place:] + queries[:place])[1:40] if not words(other) & mine]
        yield {"query": query, "near": near[:6], "far": far[:14], "title": titles.get(query)}


def rank_five(row: Row, rng: random.Random) -> Sample | None:
    """Five products, the query's own ones with their gains (task 12's kind)."""
    own = [(product["title"], ESCI_GAINS[product["label"]]) for product in row["products"]]
    fill = rng.sample(row["hard"], min(len(row["hard"]), 2)) + row["far"]
    shown = ranking([*own, *((title, 0.0) for title in fill[: 5 - len(own)])], rng)
    return ordering(rng, request(rng, row, RANK, query=row["query"]), "Product", shown)


def pick_product(row: Row, rng: random.Random) -> Sample | None:
    """The exact match among products of other queries, some of which share a word with the query."""
    exact = [product["title"] for product in row["products"] if product["label"] == "E"]
    if not exact:
        return None
    wrong = row["hard"][:2] + row["far"][: 3 - len(row["hard"][:2])]
    shown = multiple_choice(exact[0], wrong, rng, first=first_number(rng))
    return choice(rng, request(rng, row, PICK, query=row["query"]), shown)


def exact_matches(row: Row, rng: random.Random) -> Sample | None:
    """Three exact matches among eight to twelve products."""
    exact = [product["title"] for product in row["products"] if product["label"] == "E"]
    if len(exact) < 3:
        return None
    shown = retrieval(exact, row["hard"][:2] + row["far"], rng, count=rng.choice((8, 10, 12)))
    return selection(rng, request(rng, row, EXACT, query=row["query"]), "Product", shown)


def relation(row: Row, rng: random.Random) -> Sample | None:
    """How a second query relates to the first: narrower, another product of the kind, an accessory, or unrelated."""
    query, mine = row["query"], words(row["query"])
    tokens = query.split()
    narrower = [other for other in row["near"] if mine < words(other)]
    alike = [other for other in row["near"] if tokens[-1] == other.split()[-1] and not mine <= words(other)]
    kinds = [("irrelevant", query, other) for other in row["far"][:1]]
    kinds += [("narrowing", query, other) for other in narrower[:1]]
    kinds += [("substitute", query, other) for other in alike[:1] if not words(other) <= mine]
    if len(tokens) >= 3 and not narrower:
        kinds.append(("narrowing", " ".join(tokens[-rng.randint(1, 2) :]), query))
    if " for " in query and len(query.split(" for ")[1]) > 4:
        kinds += [("complement", query.split(" for ")[1], query)] * 2
    answer, first, second = rng.choice(kinds)
    wrong = sorted({"irrelevant", "narrowing", "substitute", "complement"} - {answer})
    shown = multiple_choice(answer, wrong, rng, first=first_number(rng))
    return choice(rng, request(rng, row, RELATION, first=first, second=second), shown)


def next_query(row: Row, rng: random.Random) -> Sample | None:
    """Three queries close to the one just made, among ten (task 13's kind)."""
    if len(row["near"]) < 4:
        return None
    actions = [f"Query keyword '{row['near'][3]}'"] if rng.random() < 0.5 else []
    actions.append(f"Query keyword '{row['query']}'")
    if row["title"]:
        actions += [f"Click on product '{row['title']}'"] * rng.randint(1, 2)
    shown = retrieval(row["near"][:3], row["far"], rng, count=10)
    return selection(rng, request(rng, row, NEXT, actions="\n".join(actions)), "Query", shown)


def part_id(row: Row) -> str:
    """Identity of a query and a part of its products."""
    return f"{row['query']}:{row['part']}"


def query_key(row: Row) -> str:
    """What splits go by."""
    return same_key(row["query"])


_FAR = [
    "Wool Scarf",
    "Desk Lamp",
    "Garden Hose",
    "Bike Bell",
    "Chess Set",
    "Rain Coat",
    "Wall Map",
    "Dog Bed",
    "Drum Sticks",
    "Tent Pegs",
    "Car Wax",
]
PRODUCTS_EXAMPLE: Row = {
    "query": "brass kettle",
    "part": 0,
    "products": [{"title": f"Brass Kettle, {size} l", "label": "E"} for size in (1, 2, 3)],
    "hard": ["Brass Candle Holder"],
    "far": _FAR,
}
QUERIES_EXAMPLE: Row = {
    "query": "whistle for kettle",
    "near": ["brass kettle", "loud kettle whistle", "kettle lid", "small kettle"],
    "far": [text.lower() for text in _FAR],
    "title": "Steel Kettle Whistle",
}


def _task(name: str, rows: Reader, build: ToSample) -> DataTask:
    by_product = rows is query_rows
    return DataTask(
        name=name,
        rows=rows,
        to_sample=build,
        example=PRODUCTS_EXAMPLE if by_product else QUERIES_EXAMPLE,
        row_id=part_id if by_product else query_key,
        licence=LICENCE,
        shareable=True,
        domain="behaviour",
        group=query_key,
    )


TASKS = (
    _task("query_exact_matches", query_rows, exact_matches),
    _task("query_next", related_rows, next_query),
    _task("query_pick_product", query_rows, pick_product),
    _task("query_rank_five", query_rows, rank_five),
    _task("query_relation", related_rows, relation),
)
