"""Aspects of a product that reviews speak of, found by cue words: what stands in for a language model's labels.

Coarse on purpose: an aspect counts as covered where one of its cues occurs. `training.synthesize` gives better
labels, of any aspect; these need nothing but the review.
"""

from __future__ import annotations

import re

CUES: dict[str, str] = {
    "size": r"sizes?|sizing|inches|too (?:big|small|large|tight|loose)|runs (?:big|small|large)",
    "fit": r"fits?|fitting|fitted",
    "quality": r"quality|well made|well-made|poorly made|craftsmanship",
    "price": r"price[ds]?|expensive|cheap(?:er|ly)?|affordable|bargain|overpriced|money",
    "color": r"colou?rs?|shades?|hue|faded",
    "material": r"material|fabric|cotton|leather|plastic|metal|polyester",
    "comfort": r"comfort(?:able|ably|y)?|comfy|uncomfortable|cushion(?:ed|ing)?",
    "durability": r"durable|durability|sturdy|broke|breaks|fell apart|lasts?|lasted|wore out|tore",
    "smell": r"smell[s y]?|scent(?:ed)?|odou?r|fragrance|perfume",
    "taste": r"taste[sd]?|tasty|flavou?rs?|delicious",
    "packaging": r"packag(?:e[ds]?|ing)|wrapped|boxed|sealed",
    "delivery": r"deliver(?:y|ed)|shipp(?:ing|ed)|arrived|arrival",
    "ease of use": r"easy to use|simple to use|hard to use|user friendly|convenient|easily",
    "appearance": r"looks? (?:great|good|nice|cheap|beautiful)|beautiful|gorgeous|cute|pretty|stylish|ugly",
    "design": r"design(?:ed|s)?|pattern|print(?:ed)?",
    "weight": r"weigh[st]?|heavy|lightweight|light weight",
    "softness": r"soft(?:er|ness)?|rough|scratchy|itchy",
    "warmth": r"warm(?:th|er)?|cozy|cold",
    "battery": r"batter(?:y|ies)|charg(?:e[ds]?|ing)",
    "sound": r"sounds?|loud|quiet|noise|noisy|volume",
    "cleaning": r"clean(?:s|ed|ing)?|wash(?:es|ed|ing)?|rinse[ds]?|stains?",
    "assembly": r"assembl[ey]d?|install(?:ed|ation)?|set ?up|instructions?",
    "customer service": r"customer service|seller|refund(?:ed)?|return(?:ed|ing)?|replacement",
    "gifting": r"gifts?|gifted|present for",
    "value": r"worth|good value|great value|great deal|waste of",
    "effect on hair": r"hair|frizz(?:y)?|curls?|scalp",
    "effect on skin": r"skin|moisturi[sz]\w*|irritat\w+|rash",
    "support": r"supportive|support|arch(?:es)?",
    "zipper": r"zippers?|zips?|buttons?|clasp",
    "instructions": r"manual|directions",
}
ASPECTS = tuple(CUES)
# One group an aspect, so that a text is scanned once.
_CUE = re.compile(r"\b(?:" + "|".join(f"({cues})" for cues in CUES.values()) + r")\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.!?;,\n]+|\s(?:but|and|although|because|so|though)\s", re.IGNORECASE)


def covered(text: str) -> list[str]:
    """The aspects that a review covers, in the order of their first cue."""
    return list(dict.fromkeys(ASPECTS[(match.lastindex or 1) - 1] for match in _CUE.finditer(text)))


def snippets(text: str, most_words: int = 9) -> list[tuple[str, str]]:
    """(aspect, snippet) for each short clause of a review that speaks of exactly one aspect."""
    found = []
    for clause in _CLAUSE.split(text):
        words = clause.split()
        if 2 <= len(words) <= most_words and len(aspects := covered(clause)) == 1:
            found.append((aspects[0], " ".join(words)))
    return found
