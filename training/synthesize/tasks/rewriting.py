"""Seeds become questions of another form, plainly ("rewrite") or with wanted traits ("traits").

The model writes instruction, context, options and right answers as separate parts; numbering, shuffling and the word
on how to answer are ours (training/data/wordings.py), so that no answer can point to the wrong number.

Wanted traits are shown inside the sample output between delimiters, as More-diverse does (arXiv 2504.08002): lines such
as [[difficulty: hard]], then [[instruction]], ..., [[right]], [[end]]. A model keeps to what it has to write out better
than to what it is only told; and an answer that left a trait out is no answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise, zip_longest
from typing import Any

from shopbench import answers
from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TaskType
from training.data.catalogue import all_tasks
from training.data.formats import MissingDataset, Row, SourceFolder
from training.data.hashes import digest
from training.data.options import distinct, multiple_choice, one_line, ranking, retrieval, same_key
from training.data.wordings import choice, entities, ordering, selection, written
from training.synthesize.checks import LANGUAGES, Rejected, in_language, no_copy, quoted_in, words_between
from training.synthesize.tasks.task import Candidates, CheckQuestion, SynthesisTask

FORMS = {
    TaskType.MULTIPLE_CHOICE: "It has exactly 4 options, and exactly 1 of them is right.",
    TaskType.RETRIEVAL: "It asks for three of a list: it has 8 options, and exactly 3 of them are right.",
    TaskType.RANKING: "It asks to rank 5 options; the right answer holds all 5 of them, best first.",
    TaskType.NER: (
        "It asks to extract the entities of one type from the context, for example the brand; the context is a title, "
        "query or review, there are no options, and the right answers are copied from the context letter by letter."
    ),
    TaskType.GENERATION: "It asks for a short text; there are no options, and there is one right answer of a sentence.",
}
SEED_TASKS = (
    "esci_query_of_title",
    "ecinstruct_relation",
    "amazon_reviews_covered_aspects",
    "ave_attribute",
    "ecinstruct_sentiment",
    "esci_product_of_query",
)
SEED_CHARACTERS = 1200
ASKED = "<<<{instruction}\n{context}>>>"
FIRST = f"{ASKED}\nWhich of these comes first?"
CLAIM = f"{ASKED}\nAnswer given: <<<{{given}}>>>\nIs that answer right?"
GAINS = (1.0, 0.75, 0.5, 0.25, 0.0)
DIFFICULTIES = ("easy", "medium", "hard")
LENGTHS = {"short, at most 30 words": (3, 30), "medium, 20 to 60 words": (20, 60), "long, 50 to 150 words": (50, 150)}
TONES = ("neutral", "casual", "formal", "impatient")
_MARK = re.compile(r"^\[\[\s*(\w+)\s*(?::\s*(.*?)\s*)?\]\][ \t]*$", re.MULTILINE)


def seed_text(row: Row) -> str:
    """What a row says: its "seed", else question and answer of a sample, else its fields one a line."""
    if isinstance(row.get("seed"), str):
        return str(row["seed"])[:SEED_CHARACTERS]
    named = {key: value for key, value in row.items() if key not in ("id", "task_type", "traits") and key[0] != "_"}
    lines = (f"{key}: {one_line(value)}" for key, value in named.items() if isinstance(value, (str, int, float)))
    return "\n".join(lines)[:SEED_CHARACTERS]


def wanted_type(row: Row) -> TaskType:
    """The task type that a row asks for, else one of the five by its hash."""
    return TaskType(row["task_type"]) if row.get("task_type") else list(TaskType)[int(digest(row["id"]), 16) % 5]


def seeds(sources: SourceFolder) -> Iterator[Row]:
    """Samples of a few dataset tasks by turns, as far as their sources are there: {"id", "seed"}."""
    for turn in zip_longest(*(_samples(name, sources) for name in SEED_TASKS)):
        yield from filter(None, turn)


def _samples(name: str, sources: SourceFolder) -> Iterator[Row]:
    task = all_tasks()[name]
    try:
        for row in islice(task.rows(sources), 2_000):
            sample = task.sample(row)
            if sample is not None:
                right = answers.write(sample.task_type, sample.output_field)
                yield {"id": f"{name}:{task.row_id(row)}", "seed": f"{sample.input_field}\nRight answer: {right}"}
    except MissingDataset:
        return


def _parts(kind: TaskType, answer: dict[str, Any], rng: random.Random) -> tuple[Sample | None, list[CheckQuestion]]:
    """The question as ShopBench would show it, None where the parts make none of this type; and what a second reader
    must answer in the same way for the right answer to count as derivable."""
    instruction, context = answer["instruction"], answer["context"]
    text = f"{instruction.strip()}\n{context.strip()}".strip()
    options, right = distinct(answer["options"]), distinct(answer["right"])
    wrong = distinct(options, taken=right)
    if options and len(wrong) != len(options) - len(right):
        raise Rejected("not of the form", f"right answers that are no options: {right}")

    def check(right: str, wrong: list[str], wording: str = ASKED, **more: str) -> CheckQuestion:
        return CheckQuestion.on(wording, right, wrong, instruction=instruction, context=context, **more)

    def check_each(wrong: list[str]) -> list[CheckQuestion]:
        return [check(one, rng.sample(wrong, min(3, len(wrong)))) for one in right]

    if kind is TaskType.MULTIPLE_CHOICE and len(right) == 1:
        return choice(rng, text, multiple_choice(right[0], wrong, rng)), [check(right[0], wrong[:3])]
    if kind is TaskType.RETRIEVAL and len(right) == 3:
        shown = retrieval(right, wrong, rng, len(options), least=7)
        return selection(rng, text, "Item", shown), check_each(wrong)
    if kind is TaskType.RANKING and len(right) == 5:
        shown = ranking(list(zip(right, GAINS, strict=True)), rng)
        first = [check(right[high], [right[low]], FIRST) for high, low in ((0, 4), (1, 3))]
        return ordering(rng, text, "Item", shown), first
    if kind is TaskType.NER and not options:
        found = [quoted_in(one, context.strip(), "entity") for one in right]
        others = distinct(word for word in context.split() if same_key(word) not in same_key(" ".join(right)))
        return entities(rng, text, found), check_each(others)
    if kind is TaskType.GENERATION and not options and len(right) == 1:
        claim = check("Yes, it follows from the question", ["No", "It cannot be known"], CLAIM, given=right[0])
        return written(rng, text, right[0], "rougel"), [claim]
    return None, []


def _question(
    task: str, answer: dict[str, Any], row: Row, rng: random.Random, language: str, **more: Any
) -> Candidates:
    kind = wanted_type(row)
    in_language(f"{answer['instruction']} {answer['context']}", language, "the question")
    no_copy(answer["instruction"], seed_text(row), "instruction")
    made, questions = _parts(kind, answer, rng)
    if made is None:
        options, right = (len(distinct(answer[name])) for name in ("options", "right"))
        raise Rejected("not of the form", f"{kind}: {options} options, {right} right")
    if Question.read(made.input_field, made.is_multiple_choice).task_type is not kind:
        raise Rejected("reads as another task type", made.input_field)
    return Candidates([{"id": row["id"], **replace(made, task_name=task).to_dict(), **more}], [questions])


def rewritten(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """A question of the wanted type, in English unless the row names a language."""
    return _question("synthetic_rewrite", answer, row, rng, str(row.get("language") or "English"))


@dataclass(frozen=True)
class Traits:
    """What a sample is to be like."""

    difficulty: str
    length: str
    tone: str
    language: str

    def marked(self) -> str:
        """The lines that a sample with these traits begins with."""
        return "\n".join(f"[[{name}: {value}]]" for name, value in asdict(self).items())


def wanted_traits(row: Row) -> Traits:
    """Those that a row asks for ("traits"), the others by its id; English twice as often as any other language."""
    rng, given = random.Random(f"traits\n{row['id']}"), row.get("traits") or {}
    drawn = {
        "difficulty": rng.choice(DIFFICULTIES),
        "length": rng.choice(list(LENGTHS)),
        "tone": rng.choice(TONES),
        "language": rng.choice(("English", *LANGUAGES)),
    }
    return Traits(**{name: str(given.get(name) or value) for name, value in drawn.items()})


def read_marked(text: str) -> dict[str, Any]:
    """The parts of an answer between its delimiters: texts, and lists for the options and the right answers.

    Rejected where it does not come to [[end]], or has a part twice. What stands before the first mark is passed over.
    """
    marks = list(_MARK.finditer(text))
    if not marks or marks[-1][1] != "end":
        raise Rejected("cut off", f"no [[end]]: {text[-80:]}")
    parts: dict[str, Any] = {}
    for mark, following in pairwise(marks):
        name, body = mark[1], text[mark.end() : following.start()].strip()
        if name in parts or name == "end":
            raise Rejected("not of the form", f"[[{name}]] twice")
        parts[name] = mark[2] if mark[2] is not None else body
        if name in ("options", "right"):
            lines = (re.sub(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+", "", line).strip() for line in body.splitlines())
            parts[name] = [line for line in lines if line]
    return parts


def check_traits(parts: dict[str, Any], wanted: Traits) -> None:
    """Rejected unless the answer shows the wanted traits and, where that can be measured, has them."""
    for name, value in asdict(wanted).items():
        if parts[name].casefold() != value.casefold():
            raise Rejected("other traits", f"{name}: {parts[name]}, not {value}")
    question = f"{parts['instruction']} {parts['context']}".strip()
    in_language(question, wanted.language, "the question")
    if wanted.language != "Japanese" and wanted.length in LENGTHS:
        words_between(question, *LENGTHS[wanted.length], "the question")


def with_traits(answer: dict[str, Any], row: Row, others: Sequence[Row], rng: random.Random) -> Candidates:
    """A question of the wanted type and traits."""
    wanted = wanted_traits(row)
    check_traits(answer, wanted)
    return _question("synthetic_traits", answer, row, rng, wanted.language, traits=vars(wanted))


def read_traits(text: str, row: Row) -> dict[str, Any]:
    """The parts between the delimiters; the prompt's last lines are the answer's first, and need not be repeated."""
    if "[[difficulty" not in text:
        first = "" if "[[instruction]]" in text else "\n[[instruction]]"
        text = f"{wanted_traits(row).marked()}{first}\n{text}"
    return read_marked(text)


def _values(row: Row, rng: random.Random) -> dict[str, object]:
    kind = wanted_type(row)
    return {"task_type": kind.replace("_", " "), "form": FORMS[kind], "seed": seed_text(row)}


REWRITE = SynthesisTask(
    name="rewrite",
    kind="rewrite",
    values=_values,
    make=rewritten,
    rows=seeds,
    source=seed_text,
    max_tokens=400,
    text="input_field",
)
TRAITS = replace(
    REWRITE,
    name="traits",
    kind="traits",
    values=lambda row, rng: {**_values(row, rng), "traits": wanted_traits(row).marked()},
    make=with_traits,
    read=read_traits,
)
TASKS = (REWRITE, TRAITS)
