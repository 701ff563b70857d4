"""What every answer must pass, whoever promised its form: each check raises Rejected with a short reason.

The reasons are counted in the manifest, so they are few and the same for every task.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from typing import Any

import jsonschema

from training.data.build.decontaminate import RUN
from training.data.options import same_key
from training.synthesize.chat import Reply

COPIED = 0.5
"""A text copies its seed if it shares so many of its five-word runs."""
ALIKE = 0.75
"""Two wordings are the same if they share so many of their words' pairs."""
COMMON = {  # words that every text of a language has
    "English": "the and is are of to for with which what this that you from in it not or an be these has best",
    "German": "der die das und ist sind für mit welche welcher welches diese ein eine nicht von zu oder dem den im",
    "French": "le la les et est sont pour avec quel quelle quels ce cette un une des du dans ou que sur pas au",
    "Spanish": "el la los las y es son para con qué cuál este esta un una del de en o que no por se al",
    "Italian": "il lo la gli le e è sono per con quale quali questo questa un una del di che non nel o più della",
}
_WORDS = {language: set(words.split()) for language, words in COMMON.items()}
_KANA = re.compile(r"[\u3040-\u30ff]")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u1fff\u2e80-\u9fff\uac00-\ud7af]")
LANGUAGES = (*COMMON, "Japanese")


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


OBJECTS_LOOKED_AT = 50
"""Opening braces in an answer at which its JSON may begin."""
_DECODER = json.JSONDecoder(parse_constant=_no_number)


class Rejected(Exception):
    """An answer that is not taken: the reason (one of a few) and what it was about."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail[:300]


def whole(reply: Reply) -> str:
    """The text of an answer that was finished, without what the model thought before it."""
    if reply.finish == "refused":
        raise Rejected("refused by the server", reply.text)
    if reply.finish == "length":
        raise Rejected("cut off", reply.text[-80:])
    if reply.finish != "stop":
        raise Rejected(f"no answer: {reply.finish}", reply.text)
    _, thought, answer = reply.text.rpartition("</think>")
    if not thought and reply.text.lstrip().startswith("<think>"):
        raise Rejected("cut off", reply.text[-80:])
    if not answer.strip():
        raise Rejected("empty")
    return answer


def json_object(reply: Reply, schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON object in an answer that its schema describes; prose and code fences around it are passed over."""
    text, place = whole(reply).strip(), 0
    problem = None
    for _ in range(OBJECTS_LOOKED_AT):
        if (place := text.find("{", place)) < 0:
            break
        try:
            value, place = _DECODER.raw_decode(text, place)
            return of_schema(value, schema)
        except (ValueError, RecursionError):
            place += 1  # a brace of the prose
        except Rejected as error:
            problem = problem or error
    raise problem or Rejected("no JSON", text[:200])


def of_schema(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The value itself, if it is what the schema says (an object, in every prompt file)."""
    problem = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    if problem is not None:
        place = ".".join(map(str, problem.absolute_path)) or "the whole"
        raise Rejected("not of the schema", f"{place}: {problem.message[:200]}")
    return value


def words_between(text: str, least: int, most: int, what: str) -> str:
    """The text as one line, if it has so many words."""
    line = " ".join(text.split())
    if not least <= len(line.split()) <= most:
        raise Rejected("length", f"{what} has {len(line.split())} words, not {least} to {most}: {line}")
    return line


def label(text: str, most_words: int, what: str) -> str:
    """A name for a kind of thing: few words, lower case, no punctuation but blanks, hyphens, & and apostrophes."""
    line = words_between(text.replace("_", " "), 1, most_words, what).casefold().strip(" .,;:\"'")
    if not re.fullmatch(r"[^\W\d_](?:[\w &'/-]*\w)?", line):
        raise Rejected("no plain label", f"{what}: {text}")
    return line


def quoted_in(span: str, text: str, what: str) -> str:
    """The span as it stands in the text (case and runs of blanks do not count); a part of a word is no quotation."""
    wanted = r"\s+".join(map(re.escape, span.strip(" .,;:!?\"'").split()))
    found = re.search(rf"(?<!\w){wanted}(?!\w)", text, re.IGNORECASE) if wanted else None
    if found is None:
        raise Rejected("not quoted", f"{what}: {span}")
    return " ".join(found[0].split())


def _runs(text: str) -> set[tuple[str, ...]]:
    """The five-word runs of a text, case and punctuation aside; a short text is one run."""
    words = same_key(text).split()
    return {tuple(words[place : place + RUN]) for place in range(max(1, len(words) - RUN + 1))} if words else set()


def no_copy(text: str, seed: str, what: str) -> str:
    """The text itself, unless most of it stands in the seed."""
    own, theirs = _runs(text), _runs(seed)
    if own and len(own & theirs) >= COPIED * len(own):
        raise Rejected("copy of the seed", f"{what}: {text}")
    return text


def of_a_kind(text: str, kind: str, title: str) -> str:
    """The text itself, if it speaks of the kind of thing, by its name, and not of the one product of this title.

    A name or a number that text and title share, and the kind does not, is that product's: "a 125cc engine", "The
    ORCATORCH D550 is ...". The first word of a sentence has its capital from there.
    """
    if _singular(same_key(kind).split()[-1]) not in map(_singular, same_key(text).split()):
        raise Rejected("not of its kind", f"{kind}: {text}")
    inner = re.findall(r"(?<![.!?]\s)(?<!^)\b\w+", text)
    own = {word for word in inner if word[0].isupper() or any(letter.isdigit() for letter in word)}
    shared = set(map(str.casefold, own)) & set(same_key(title).split()) - set(same_key(kind).split())
    if shared:
        raise Rejected("of one product", f"{', '.join(sorted(shared))}: {text}")
    return text


def _singular(word: str) -> str:
    return word.removesuffix("es") if word.endswith(("shes", "ches", "xes", "sses")) else word.removesuffix("s")


def alike(one: str, other: str) -> bool:
    """Whether two instructions say the same in the same words: the share of pairs of neighbours in common."""
    first, second = (set(itertools.pairwise(["", *same_key(text).split(), ""])) for text in (one, other))
    return len(first & second) >= ALIKE * len(first | second)


def language_of(text: str) -> str | None:
    """The language of a text, told by its script and its common words; None where too little tells."""
    if _KANA.search(text):
        return "Japanese"
    words = re.findall(r"[^\W\d_]+", text.casefold())
    hits = Counter({name: sum(word in known for word in words) for name, known in _WORDS.items()})
    (language, most), (_, second) = hits.most_common(2)
    return language if most >= 2 and most > second else None


def in_language(text: str, language: str, what: str) -> str:
    """The text itself, unless it is clearly in another language or script."""
    found = language_of(text)
    strange = len(_OTHER_SCRIPT.findall(text)) > 0.2 * len(text)
    if strange != (language == "Japanese") or found not in (None, language):
        raise Rejected("language", f"{what} in {found or 'another script'}, not in {language}: {text}")
    return text
