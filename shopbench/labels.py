"""Answers in words that a request names: "Reply yes or no", "Candidates: match, not match".

Such a question has no numbered options and is of the generation type, yet what may be answered is as fixed as in a
multiple-choice question. A request that wants reasons or another text names none, and neither does one that leaves
doubts: a free answer may still be "yes", a label can be nothing else.

    >>> offered_labels("Is it the same brand? Reply yes or no.")
    Labels(names=('yes', 'no'), several=False)
    >>> offered_labels("Which types occur in the text? Candidates: Brand, Component, Product.")
    Labels(names=('Brand', 'Component', 'Product'), several=True)
    >>> offered_labels("Is it any good? Answer yes or no and explain why.") is None
    True
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shopbench.phrases import ASKS_TEXT, INSTRUCTION_LABEL, LABEL, QUOTED

_VERB = re.compile(
    r"(?:\b(?:repl(?:y|ies)|answers?|respon(?:d|ds|se)|say|state|output|write|return|choose|select|pick|indicate|decide|"
    r"classify|categori[sz]e|antwort\w*|schreib\w*|gib|respond\w*|contest\w*|indi(?:ca|que|quez)|escrib\w*|répond\w*|"
    r"écri\w*|rispond\w*|scriv\w*)\b|回答|作答|输出|返回|判断|选择)[^.?!。？！\n]*$",
    re.IGNORECASE,
)
_SENTIMENT = re.compile(r"\b(?:sentiment|polarity)\b[^.?!\n]*$", re.IGNORECASE)
_MARKS = "'\"‘’“”「」«»"
_OPEN, _SHUT = rf"(?:[{_MARKS}]\s?|\*{{1,2}}|`|<\w{{1,6}}>)?", rf"(?:\s?[{_MARKS}]|\*{{1,2}}|`|</\w{{1,6}}>)?"
_OR_WORD = r"(?:/|,?\s*\b(?:or|oder|ou|o)\b|か|または|或者?|还是)"
_OR = rf"{_SHUT}\s*(?:{_OR_WORD}|[,、，])\s*{_OPEN}"
_ELSE = (
    r"(?:,|;|\b(?:and|or|else|otherwise|und|sonst|y|et|e)\b)(?:\s*(?:otherwise|please),?)?(?:\s*\w{1,20}(?: with)?)?"
)
_IF = rf"{_SHUT},? (?:if|when|where|wenn|falls|si|se)\b[^.\n]{{1,150}}?{_ELSE}\s*{_OPEN}"
_SENTIMENTS = "positive|negative|neutral|mixed"
_QUOTATION = r"(?:\"[^\"\n]{1,40}\"|'[^'\n]{1,40}'|“[^”\n]{1,40}”|‘[^’\n]{1,40}’|「[^」\n]{1,40}」)"


def _yes_or_no(yes: str, no: str) -> list[re.Pattern[str]]:
    either = rf"(?P<first>{yes})(?:{_OR}|{_IF})(?P<last>{no})", rf"(?P<first>{no})(?:{_OR})(?P<last>{yes})"
    return [
        re.compile(named if no in ("いいえ", "否") else rf"(?<!\w){named}(?!\w)", re.IGNORECASE) for named in either
    ]


_YES_OR_NO = [
    pattern
    for yes, no in (
        ("yes", "no"),
        ("ja", "nein"),
        ("s[íiì]", "no"),
        ("oui", "non"),
        ("sim", "não"),
        ("はい", "いいえ"),
        ("是", "否"),
    )
    for pattern in _yes_or_no(yes, no)
]
_TRUE_OR_FALSE = re.compile(rf"(?<!\w)(?P<first>true)(?:{_OR}|{_IF})(?P<last>false)(?!\w)", re.IGNORECASE)
_SENTIMENT_NAMES = re.compile(rf"(?<!\w)(?:{_SENTIMENTS})(?:{_OR}(?:{_SENTIMENTS}))+(?!\w)", re.IGNORECASE)
_QUOTED_NAMES = re.compile(
    rf"{_QUOTATION}(?:[\s,]*+(?:{_OR_WORD}\s*+)?{_QUOTATION}){{0,30}}[\s,]*{_OR_WORD}\s*{_QUOTATION}", re.IGNORECASE
)
_ASKED_AFTER = r"(?:で|と|のいずれか)[^。\n]{0,12}(?:答え|回答|返答|出力)"
_CLOSED = re.compile(rf"{_SHUT}\s*(?:\)|[?:？：]|\s*$|{_ASKED_AFTER})", re.MULTILINE)
_ENDS = re.compile(rf"\s*(?:only|alone)?\s*(?:[.。)\n]|$)|{_ASKED_AFTER}", re.IGNORECASE)
_WHETHER = re.compile(r"\b(?:if|whether)\b", re.IGNORECASE)
_THIRD = re.compile(rf"{_SHUT}\s*{_OR_WORD}\s*{_OPEN}(?P<name>[^\W\d_][\w-]*){_SHUT}(?=\s*(?:[.?)]|$))", re.MULTILINE)
# "yes or no and one sentence", "a yes/no question", "yes or no is not enough", "yes, no or cannot say"
_GOES_ON = re.compile(
    rf"{_SHUT}\s*(?:,?\s*\b(?:and|then|plus|with|followed|und|y|et|e)\b"
    rf"(?! (?:nothing|do not|don't|no|not|never|only)\b)"
    rf"|[ -](?:questions?|quer(?:y|ies)|fragen?|preguntas?|is|are|alone)\b|{_OR_WORD}|, (?!and\b)\w+[.?)\n])",
    re.IGNORECASE,
)
_NOT_THESE = re.compile(
    r"(?:\bif (?:the|your|its) answer is\b"
    r"|(?<!or )\b(?:not|never|more than|instead of|rather than|mere(?:ly)?|beyond|nicht nur|pas)\b|n['’]t\b)"
    r"[^.,;:?!\n(]{0,40}$",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\b(?:explain\w*|explanations?|why|reasons?|because|justif\w+|elaborat\w*|followed by|"
    r"full sentences?|(?:in|with|and|add|write) (?:one|two|three|complete|short) sentences?|"
    r"(?:with|and|add|write) a (?:\w+ )?sentence|"
    r"for each|each (?:of|one|statement|question|sentence|pair|product|item|review)|"
    r"(?:classify|categori[sz]e|label) (?:(?:the|these|all|two|three|four|five|following|below) ){1,3}(?:\w+ )?"
    r"(?:words|sentences|statements|reviews|items|products|titles|queries|comments|texts)|"
    r"begründ\w*|warum|erklär\w*|raz[óo]n(?:es)?|explica\w*|por qué|pourquoi|expliqu\w*|raisons?|perché|spiega\w*|"
    r"motiv\w*)\b|理由|なぜ|解释|原因|为什么",
    re.IGNORECASE,
)
_NO_MORE = re.compile(
    r"(?:\b(?:not|no|without|never|ohne|keine?|nicht|sin|sans|senza|sem)\b|n['’]t\b|不[要需用]?)"
    r"(?! (?:only|just|forget|fail))[^.,;:?!\n(]{0,30}$",
    re.IGNORECASE,
)
_WORD = r"(?:answers?|labels?|types?|categor(?:y|ies)|class(?:es)?|topics?|values?|options?)"
_LIST = re.compile(
    rf"(?:\bcandidates?(?: {_WORD})?|\bpossible {_WORD}|\blabel set|\bkandidaten|\bcandidat(?:o|i)s?|候補"
    r"|[候备]选(?:标签|类别|答案|项)?|\b(?:choose|select|pick) (?:exactly |only )?(?P<choose>one) (?:of|from|among)"
    rf"|\b(?P<one>one )?(?:of|from|among) (?:these|the following) (?:\w+ )?{_WORD}\b[^:.?!\n]{{0,200}})"
    r"\s*[:：]\s*(?P<names>[^\n:：]{3,4000}?)[.。]?[ \t\r]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ONE = re.compile(
    r"\b(?:one of|a single|only one|exactly one)\b|\bcandidate:|\bdetermine (?:if|whether)\b|"
    r"\bwh(?:at|ich)(?: is the)? (?:type|category|class|label|topic)\b|(?:是否|哪一?个)[^\n]{0,40}[候备]选",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[^\W\d_]{3})[\"'”’\])]?(?:[.!?:]\s|。)")
_NUMBERED = re.compile(r"\(?(?:\d+|[A-Za-z])[.):]\s")
_BLANKS = re.compile(r"[^\S\n]{2,}")
"""Runs of blanks, for which the patterns above would take the square of their length."""
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
    request = _BLANKS.sub(" ", request)
    said = _without_data(request)
    if ASKS_TEXT.search(said):
        return None
    names = _named(said)
    return Labels(names, several=False) if names else _listed(request)


def _without_data(request: str) -> str:
    """The request without what others say in it: "Customer: does it fit, yes or no?", '"tell me yes or no"'."""

    def spoken(line: str) -> str:
        label = LABEL.match(line)
        is_data = label and len(label["name"].split()) <= 3 and not INSTRUCTION_LABEL.search(label["name"])
        return line[: label.end()] if label and is_data else line

    said = "\n".join(map(spoken, request.splitlines()))
    return QUOTED.sub(lambda quoted: quoted[0] if len(quoted[0].split()) <= 3 else "…", said)


def _named(said: str) -> tuple[str, ...] | None:
    """Yes and no in the order named, with a third word ("yes, no or unsure") or without; or other words."""
    for pattern in _YES_OR_NO:
        for found in pattern.finditer(said):
            third = _THIRD.match(said, found.end())
            if _is_list_begun(said, found) and not third:
                continue
            asked = _VERB.search(_before(said, found)) or _CLOSED.match(said, found.end())
            if asked and (third or not _GOES_ON.match(said, found.end())) and not _wants_more(said, found):
                return (found["first"], found["last"], *([third["name"]] if third else []))
    other = next(_other_names(said), None)
    if other is None or _wants_more(said, other[0]):
        return None
    return tuple(dict.fromkeys(other[1]))


def _other_names(said: str) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Where a request names true and false, sentiments, or answers in quotation marks, and which."""
    for found in _TRUE_OR_FALSE.finditer(said):
        verb = _VERB.search(_before(said, found))
        # What is to be found out ("state whether it is true or false") may be answered at length.
        if verb and not _WHETHER.search(verb[0]) and not _GOES_ON.match(said, found.end()):
            yield found, [found["first"], found["last"]]
    for found in _SENTIMENT_NAMES.finditer(said):
        if _SENTIMENT.search(_before(said, found)) and not _GOES_ON.match(said, found.end()):
            yield found, re.findall(_SENTIMENTS, found[0], re.IGNORECASE)
    for found in _QUOTED_NAMES.finditer(said):
        if _VERB.search(_before(said, found)) and _ENDS.match(said, found.end()):
            yield found, [name[1:-1].strip(" ,.") for name in re.findall(_QUOTATION, found[0])]


def _is_list_begun(said: str, found: re.Match[str]) -> bool:
    """Whether a mere comma stands between the two and more follows: "yes, no refunds are possible"."""
    between = said[found.end("first") : found.start("last")].strip(f" {_MARKS}")
    return between in (",", "、", "，") and not (_CLOSED.match(said, found.end()) or _ENDS.match(said, found.end()))


def _before(said: str, found: re.Match[str]) -> str:
    return said[max(0, found.start() - _NEAR) : found.start()]


def _listed(request: str) -> Labels | None:
    for found in _LIST.finditer(request):
        several = not (found["one"] or found["choose"] or _ONE.search(request))
        names = _split(found["names"])
        fit = 2 <= len(names) <= _MOST_NAMES and all(0 < len(name) <= _MOST_LETTERS for name in names)
        doubtful = any(
            _SENTENCE_END.search(name) or _NUMBERED.match(name) or ";" in name or (several and "," in name)
            for name in names
        )
        if fit and not doubtful and not _wants_reasons(request, found):
            return Labels(tuple(dict.fromkeys(names)), several)
    return None


def _split(listed: str) -> list[str]:
    """The names of a list in one line; what stands behind its sentence is none of it."""
    listed = re.split(r"(?<=[^\W\d_]{3})(?:[\"'”’\])]?\.[\"'”’]?\s+(?=[\"'(]?[A-ZÀ-Þ])|。)", listed)[0].strip()
    if listed[:1] + listed[-1:] in ("[]", "()", "{}"):
        listed = listed[1:-1]
    quoted = re.findall(_QUOTATION, listed)
    if len(quoted) > 1 and not re.sub(r"\b(?:and|or)\b|[\s,;、，|]", "", re.sub(_QUOTATION, "", listed)):
        return [name[1:-1].strip() for name in quoted]
    commas = r"(?:,(?!\d{3}\b)|[、，])"
    *names, last = re.split(commas if re.search(commas, listed) else r"[;|；]", listed)
    names += re.split(r"\s+(?:or|oder|ou)\s+", re.sub(r"^\s*(?:and|or|und|oder|et|ou)\s+", "", last), maxsplit=1)
    return [name.strip(f" \t{_MARKS}") for name in names]


def _wants_more(said: str, found: re.Match[str]) -> bool:
    """Whether these answers are too short ("not just yes or no"), or reasons are asked for."""
    return bool(_NOT_THESE.search(_before(said, found))) or _wants_reasons(said, found)


def _wants_reasons(request: str, found: re.Match[str]) -> bool:
    """Whether the line in which the answers stand, or what follows, asks for reasons."""
    line = max(request.rfind("\n", 0, found.start()) + 1, found.start() - _AFTER)
    for word in _MORE.finditer(request, line, found.end() + _AFTER):
        begin = max(line, word.start() - 40)
        if found.end() <= word.start():
            begin = max(begin, found.end())  # the "no" of "yes or no" denies nothing
        if not _NO_MORE.search(request, begin, word.start()):
            return True
    return False
