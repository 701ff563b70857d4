"""Answers in words that a request names: "Reply yes or no", "Candidates: match, not match".

Such a question has no numbered options and is of the generation type, yet what may be answered is as fixed as in a
multiple-choice question. A request that wants reasons too names none.

    >>> offered_labels("Is it the same brand? Reply yes or no.")
    Labels(names=('yes', 'no'), several=False)
    >>> offered_labels("Which types occur in the text? Candidates: Brand, Component, Product.")
    Labels(names=('Brand', 'Component', 'Product'), several=True)
    >>> offered_labels("Is it any good? Answer yes or no and explain why.") is None
    True
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERB = re.compile(
    r"\b(?:repl(?:y|ies)|answers?|respon(?:d|ds|se)|say|state|output|write|return|choose|select|pick|indicate|decide|"
    r"antwort\w*|schreib\w*|gib|respond\w*|contest\w*|indi(?:ca|que|quez)|escrib\w*|répond\w*|écri\w*|rispond\w*|"
    r"scriv\w*)\b[^.?!\n]*$",
    re.IGNORECASE,
)
_MARKS = "'\"‘’“”「」«»"
_QUOTE = f"[{_MARKS}]?"
_OR = rf"{_QUOTE}\s*(?:/|,|か|または|\b(?:or|oder|ou|o)\b)\s*{_QUOTE}"
_ELSE = r"(?:,|;|\b(?:and|or|else|otherwise|und|sonst|y|et|e)\b)"
_IF = rf"{_QUOTE} (?:if|when|where|wenn|falls|si|se)\b[^.\n]{{1,150}}?{_ELSE}\s*{_QUOTE}"
_YES_OR_NO = [
    re.compile(rf"(?<!\w)(?P<yes>{yes})(?:{_OR}|{_IF})(?P<no>{no})(?!\w)", re.IGNORECASE)
    for yes, no in (("yes", "no"), ("ja", "nein"), ("s[íiì]", "no"), ("oui", "non"), ("はい", "いいえ"))
]
_CLOSED = re.compile(
    rf"{_QUOTE}\s*(?:\)|[?:？：]|\s*$|(?:で|と|のいずれか)[^。\n]{{0,12}}(?:答え|回答|返答|出力))", re.MULTILINE
)
_MORE = re.compile(
    r"(?<!not )(?<!without )(?<!no )\b(?:explain\w*|why|reasons?|because|justif\w+|elaborat\w*|followed by|"
    r"begründ\w*|warum|erklär\w*|raz[óo]n(?:es)?|explica\w*|por qué|pourquoi|expliqu\w*|raisons?|perché|spiega\w*|"
    r"motiv\w*)\b|理由|なぜ",
    re.IGNORECASE,
)
_WORD = r"(?:answers?|labels?|types?|categor(?:y|ies)|class(?:es)?|topics?|values?|options?)"
_LIST = re.compile(
    rf"(?:\bcandidates?(?: {_WORD})?|\bpossible {_WORD}|\blabel set|\bkandidaten|\bcandidat(?:o|i)s?|候補"
    rf"|\b(?P<one>one )?(?:of|from|among) (?:these|the following) (?:\w+ )?{_WORD}\b[^:.?!\n]{{0,200}})"
    r"\s*[:：]\s*(?P<names>[^\n]{3,4000}?)[.。]?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ONE = re.compile(
    r"\b(?:one of|a single|only one|exactly one)\b|\bcandidate:|\bdetermine (?:if|whether)\b|"
    r"\bwh(?:at|ich)(?: is the)? (?:type|category|class|label|topic)\b",
    re.IGNORECASE,
)
_NEAR, _AFTER = 80, 200
"""Letters before "yes" and after the answers that are looked at."""
_MOST_LETTERS, _MOST_NAMES = 60, 100


@dataclass(frozen=True)
class Labels:
    """The answers that a request names, as it writes them, and whether an answer may hold several of them."""

    names: tuple[str, ...]
    several: bool


def offered_labels(request: str) -> Labels | None:
    """What a request (without its data) names as its answers; None if it names none, or wants more than a name."""
    for pattern in _YES_OR_NO:
        for found in pattern.finditer(request):
            before = request[max(0, found.start() - _NEAR) : found.start()]
            if (_VERB.search(before) or _CLOSED.match(request, found.end())) and not _wants_more(request, found):
                return Labels((found["yes"], found["no"]), several=False)
    for found in _LIST.finditer(request):
        names = [name.strip(f" \t{_MARKS}") for name in re.split(r"[,、，]", found["names"])]
        fit = 2 <= len(names) <= _MOST_NAMES and all(0 < len(name) <= _MOST_LETTERS for name in names)
        if fit and not _wants_more(request, found):
            return Labels(tuple(dict.fromkeys(names)), several=not (found["one"] or _ONE.search(request)))
    return None


def _wants_more(request: str, found: re.Match[str]) -> bool:
    """Whether the line in which the answers stand, or what follows, asks for reasons."""
    line = max(request.rfind("\n", 0, found.start()) + 1, found.start() - _AFTER)
    return bool(_MORE.search(request, line, found.end() + _AFTER))
