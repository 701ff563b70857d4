"""ECInstruct in the published form with invented rows: every training sample in two settings, in one JSON file."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from shopbench.ecinstruct import AG, AP, AVE, MPC, PM, PRP, PSI, QPR, SA, SR
from training.data.ecinstruct_wordings import INSTRUCTIONS

RELEVANCE = (
    "It is relevant, and has all that the query asks for.",
    "It is somewhat relevant. Parts of the query are not fulfilled: it could be used instead.",
    "It does not fulfil the query, but could be used with a product that does.",
    "It is irrelevant.",
)
RELATIONS = ("Who buys product 1 may buy product 2.", "Who views product 1 may view product 2.", "They are similar.")
SENTIMENTS = ("very positive", "positive", "neutral", "negative", "very negative")
SYLLABLES = ("ba", "cor", "del", "fen", "gu", "hil", "jo", "kam", "lor", "mi", "nest", "pol", "qua", "ris", "tu", "vel")
LABEL = "ESCI"


def title(rng: random.Random, words: int = 6) -> str:
    """Invented words, with the colon and the full stops that real titles have."""
    found = ["".join(rng.choices(SYLLABLES, k=3)).capitalize() for _ in range(words)]
    return f"{' '.join(found[:3])}: {' '.join(found[3:])}, 2.5 in. x 3 No. {rng.randrange(10**6)}"


def sentence(rng: random.Random, words: int = 20) -> str:
    """Invented words in small letters."""
    return " ".join("".join(rng.choices(SYLLABLES, k=3)) for _ in range(words))


def lettered(texts: list[str] | tuple[str, ...]) -> list[str]:
    """The texts with their letter marks."""
    return [f"{letter}: {text}" for letter, text in zip(ascii_uppercase, texts, strict=False)]


def samples(task: str, count: int) -> Iterator[tuple[Any, list[str] | None, str]]:
    """(input, options, output) of a task."""
    for number in range(count):
        yield _sample(task, number, random.Random(f"{task} {number}"))


def labels_of(number: int) -> str:
    """The ESCI labels of the ranking list of this number, best first; no two are the same, as published."""
    return ("ES", "EI", "SI", "ESI", "SCI", "ESCI")[number % 6]


def _sample(task: str, number: int, rng: random.Random) -> tuple[Any, list[str] | None, str]:
    query = f"{sentence(rng, 3)} {number}"
    if task == AVE:
        given = {"product title": title(rng), "product description": sentence(rng, 120) + f". Made of Tin{number}"}
        told = "None" if number % 5 == 0 else f"tin{number}"
        found = {"attribute": "material", "value": told, "source": told if told == "None" else "product description"}
        return {**given, "target attributes": "Material"}, None, json.dumps([found])
    if task == PM:
        one = {"title": title(rng).lower(), "description": sentence(rng), "manufacturer": "nan", "price": "9"}
        other = {**one, "description": sentence(rng), "manufacturer": sentence(rng, 1)}
        return {"product 1": one, "product 2": other}, None, ("yes", "no")[number % 2]
    if task == PRP:
        return {"Product 1:": title(rng), "Product 2:": title(rng)}, lettered(RELATIONS), "ABC"[number % 3]
    if task == SA:
        options = lettered(SENTIMENTS)
        return sentence(rng, rng.randint(12, 40)), options, options[rng.choices(range(5), (25, 8, 3, 2, 4))[0]]
    if task == SR:
        history = [f"{place}th: {title(rng)}. Pots. Hillside" for place in range(4, rng.randint(6, 20))]
        return (
            str(history),
            lettered([f"{title(rng)}. Pots. Hillside" for _ in range(20)]),
            rng.choice("ABCDEFGHIJKLMNOPQRST"),
        )
    if task == MPC:
        options = lettered(RELEVANCE)
        return {"query": query, "product title": title(rng)}, options, options[number % 4]
    if task == PSI:
        return {"query": query, "product": title(rng)}, None, ("yes", "no")[number % 2]
    if task == QPR:
        labels = rng.sample(labels_of(number), len(labels_of(number)))
        listed = lettered([f"{label} {title(rng)}" for label in labels])
        order = sorted(range(len(labels)), key=lambda place: LABEL.index(labels[place]))
        return {"query": query, "product list": listed}, None, ",".join(ascii_uppercase[place] for place in order)
    given = {"question": f"Does {query}?", "document": [sentence(rng), sentence(rng)]}
    return given, None, ("yes", "no")[number % 2] if task == AP else sentence(rng, 9)


def write(folder: Path, count: int, tasks: tuple[str, ...] = (AVE, PRP, PM, SA, SR, MPC, PSI, QPR, AP, AG)) -> None:
    """`ecinstruct/ECInstruct.json` with `count` training samples of each task, in both settings, and test rows."""
    rows = []
    for task in tasks:
        for number, (given, options, output) in enumerate(samples(task, count)):
            row = {
                "split": "train",
                "task": task,
                "input": given if isinstance(given, str) else json.dumps(given),
                "options": json.dumps(options) if options else None,
                "output": output,
                "few_shot_example": None,
            }
            diverse = {"setting": "IND_Diverse_Instruction", "instruction": INSTRUCTIONS[task][number % 5]}
            rows += [
                {**row, "setting": "IND_Single_Instruction", "instruction": INSTRUCTIONS[task][0]},
                {**row, **diverse},
            ]
            if number < 2:
                rows.append({**row, **diverse, "split": "test", "input": f"{row['input']} "})
    path = folder / "ecinstruct/ECInstruct.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")
