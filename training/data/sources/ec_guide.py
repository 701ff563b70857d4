"""EC-Guide (`fzp0424/EC-Guide-KDDUP-2024`): instruction rows of the KDD Cup 2024 task kinds.

JSON lines under `ec_guide/<Generation|MCQ|NER|Retrieval>/<sub-task>.jsonl`: input_field, output_field, task_type,
metric. What is put right on the way: HTML entities; option orders (shuffled, so that no position is the answer
more often); lists that skip a number (MCQ/PRP) or stand on one line (MCQ/PKS); yes/no answers become options;
solved problems that end in "the answer is 2" become choices. Ranking files of the origin could not be read.

Generation/MT holds FLORES-200 sentences beside product titles: only titles are taken.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Iterator

from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.formats import Dataset, Row, SourceFolder, make_sample
from training.data.hashes import digest
from training.data.options import distinct, first_number, multiple_choice, one_line, retrieval, same_key
from training.data.small_files import small_set

DATASETS = (
    Dataset(
        "ec_guide",
        "Apache-2.0",
        place="GitHub fzp0424/EC-Guide-KDDUP-2024: the folders Generation, MCQ, NER and Retrieval as JSON lines",
    ),
)
LICENCE = DATASETS[0].licence

_LINE_OPTION = re.compile(r"^[ \t]*[(\[]?(\d{1,2})[.)\]][ \t]?(.*)$", re.MULTILINE)
_INLINE_OPTION = re.compile(r"(?<=\s)(\d)\. (.*?)(?=\s\d\. |$)", re.DOTALL)
_SOLVED = re.compile(r"the answer is (\d)\.?\s*$")
_HEADED = re.compile(
    r"(?:Review|Query|Sentence|Sentece|Description|Title|Input|Product A|product 1)\s*[:：]\s*[\"']?(.{4,})",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"'“](.{8,})[\"'”]")


def read(sources: SourceFolder, name: str) -> Iterator[Row]:
    """The rows of one file, e.g. "MCQ/SPA", without the entities (&amp;) of a third of them."""
    for row in small_set(sources, "ec_guide", [f"ec_guide/**/{name}.jsonl"], "input_field", "output_field"):
        if "_problem" not in row:
            row["input_field"] = html.unescape(row["input_field"]).strip()
        yield row


def row_id(row: Row) -> str:
    """Identity of a row: its question and answer."""
    return digest(row["input_field"], row["output_field"])


def source_text(row: Row) -> str:
    """The review, query, title or sentence a question was made from: what splits go by."""
    question = row["input_field"]
    found = _HEADED.search(question) or _QUOTED.search(question)
    return same_key(one_line(found[1] if found else question))


def listed(question: str) -> tuple[str, dict[int, str]] | None:
    """The question before its last option list, and the options by the numbers shown; None without a list."""
    matches = list(_LINE_OPTION.finditer(question))
    if len(matches) < 2:
        matches = list(_INLINE_OPTION.finditer(question))
    kept: list[re.Match[str]] = []
    for match in reversed(matches):
        if kept and int(match[1]) >= int(kept[-1][1]):
            break
        kept.append(match)
    kept.reverse()
    if len(kept) < 2 or int(kept[0][1]) > 1:
        return None
    return question[: kept[0].start()].strip(), {int(match[1]): match[2].strip() for match in kept}


def _choice(stem: str, right: str, wrong: list[str], rng: random.Random, ending: str = "") -> Sample | None:
    shown = multiple_choice(right, wrong, rng, count=len(wrong) + 1, first=first_number(rng))
    if shown is None or not isinstance(shown.truth, int):
        return None
    text = f"{stem}\n{shown.text}\n{ending or 'Answer: '}"
    return make_sample(text, shown.truth, TaskType.MULTIPLE_CHOICE, "accuracy")


def choice(row: Row, rng: random.Random) -> Sample | None:
    """A question with options: they are shuffled and numbered anew. The truth is a position in the list."""
    if not isinstance(row["output_field"], int) or (found := listed(row["input_field"])) is None:
        return None
    stem, options = found
    texts = list(options.values())
    if not 0 <= row["output_field"] < len(texts):
        return None
    right = texts.pop(row["output_field"])
    return _choice(stem, right, distinct(texts, [right]), rng)


def solved(row: Row, rng: random.Random) -> Sample | None:
    """A problem with options and a bare index, or a solution that ends in the index: asked as a choice."""
    answer = row["output_field"]
    if isinstance(answer, str):
        found = _SOLVED.search(answer)
        if found is None:
            return None
        question = row["input_field"].split("\nAnswer:")[0].replace(" Answer Choices:", "")
        row = {"input_field": question, "output_field": int(found[1])}
    return choice(row, rng)


def yes_no(row: Row, rng: random.Random) -> Sample | None:
    """A yes/no question as a choice between the two."""
    answer = row["output_field"]
    if answer not in ("yes", "no"):
        return None
    stem = re.sub(r"\s*(?:Answer|Output|Result|Response):\s*$", "", row["input_field"])
    return _choice(re.sub(r"\n\s+", "\n", stem), answer, ["no" if answer == "yes" else "yes"], rng)


def rating(row: Row, rng: random.Random) -> Sample | None:
    """A review to be rated 1 to 5: no options are shown, the scale is in the question."""
    value = row["output_field"]
    if not isinstance(value, int) or not 1 <= value <= 5:
        return None
    return make_sample(row["input_field"], value, TaskType.MULTIPLE_CHOICE, "accuracy")


def selection(row: Row, rng: random.Random) -> Sample | None:
    """A list to select from, shuffled; the truth's numbers are those of the list as shown (from 0 or from 1)."""
    if (found := listed(row["input_field"])) is None:
        return None
    stem, options = found
    truth = row["output_field"]
    if not isinstance(truth, list) or not set(truth) <= set(options) or len(truth) != 3:
        return None
    wrong = [text for number, text in options.items() if number not in truth]
    right = [options[number] for number in truth]
    others = distinct(wrong, right)
    shown = retrieval(right, others, rng, count=len(right) + len(others))
    if shown is None or not isinstance(shown.truth, tuple):
        return None
    return make_sample(f"{stem}\n{shown.text}\nOutput:", shown.truth, TaskType.RETRIEVAL, "hit rate@3")


def generation(row: Row, rng: random.Random) -> Sample | None:
    """A text to be written, as it stands."""
    answer = row["output_field"]
    if not isinstance(answer, str) or not answer.strip():
        return None
    metric = row.get("metric") or "sent-transformer"
    return make_sample(row["input_field"], html.unescape(answer).strip(" '\""), TaskType.GENERATION, metric)


def title_translation(row: Row, rng: random.Random) -> Sample | None:
    """A product title in another language; other sentences (FLORES-200) are left out."""
    question = row["input_field"]
    if "title" not in question:
        return None
    built = generation(row, rng)
    japanese = re.search(r"\b(?:in)?to Japanese", question)
    if built is None or not japanese:
        return built
    return make_sample(built.input_field, built.output_field, TaskType.GENERATION, "jp-bleu")


def keyphrase(row: Row, rng: random.Random) -> Sample | None:
    """The part of a review about an aspect; answers that are no part of the review are left out."""
    if str(row["output_field"]).lower() not in row["input_field"].lower():
        return None
    return generation(row, rng)


def entity(row: Row, rng: random.Random, query: bool = True) -> Sample | None:
    """Entities in a query, or in a product title; only those that stand in it as they are."""
    question, found = row["input_field"], row["output_field"]
    if ("query" in question.lower()) is not query or not isinstance(found, list):
        return None
    if not all(isinstance(text, str) and text and "<" not in text and text in question for text in found):
        return None
    return make_sample(question, tuple(found), TaskType.NER, "micro f1")


_TYPE_WORDS = {
    "tell",
    "me",
    "what",
    "the",
    "this",
    "that",
    "product",
    "category",
    "type",
    "name",
    "is",
    "are",
    "about",
    "explain",
    "describe",
    "used",
    "for",
    "a",
    "an",
    "instructions",
    "instruction",
    "input",
    "mean",
    "means",
    "it",
    "of",
}


def explained_type(row: Row) -> str:
    """The product type that a question asks about, in whatever words."""
    words = same_key(row["input_field"]).split()
    return " ".join(word for word in words if word not in _TYPE_WORDS)
