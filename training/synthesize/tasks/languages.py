"""Which language a text is in, told by its script and by words that every text of a language has.

Enough to see that an answer is not in the language asked for; texts of a few words are given the benefit.
"""

from __future__ import annotations

import re

from training.synthesize.checks import Rejected

COMMON = {
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


def language_of(text: str) -> str | None:
    """The language of a text; None where too little tells."""
    if _KANA.search(text):
        return "Japanese"
    words = re.findall(r"[^\W\d_]+", text.casefold())
    hits = sorted(((sum(word in known for word in words), name) for name, known in _WORDS.items()), reverse=True)
    (most, language), (second, _) = hits[0], hits[1]
    return language if most >= 2 and most > second else None


def in_language(text: str, language: str, what: str) -> str:
    """The text itself, unless it is clearly in another language or script."""
    found = language_of(text)
    strange = len(_OTHER_SCRIPT.findall(text)) > 0.2 * len(text)
    wrong_script = not strange if language == "Japanese" else strange
    if wrong_script or (found is not None and found != language):
        raise Rejected("language", f"{what} in {found or 'another script'}, not in {language}: {text}")
    return text
