"""Whether a short snippet of a review praises or complains, by its own words: stars speak of the whole review only.

Made to be sure rather than complete: a snippet with praise and complaint, with a wish, a condition or a comparison,
or with none of these words is neither. `training.synthesize` gives a language model's judgment instead.
"""

from __future__ import annotations

import re

_PRAISE = (
    r"lov(?:e[ds]?|ing|ely)|(?:I|we|really|also) like|liked|great(?:ly)?|good|nice(?:ly|r)?|perfect(?:ly|ion)?|"
    r"excellent(?:ly)?|amazing(?:ly)?|awesome|wonderful(?:ly)?|beautiful(?:ly)?|gorgeous|comfort(?:able|ably|y)?|"
    r"comfy|cozy|soft(?:er|est)?|silky|smooth(?:ly|er)?|sturdy|durable|solid|best|better|happy|pleased|satisfied|"
    r"fantastic|fabulous|superb|recommend(?:ed)?|easy|easily|convenient|cute|pretty|stylish|elegant|fast|"
    r"quick(?:ly)?|prompt(?:ly)?|favou?rite|delicious|tasty|yummy|worth|bargain|affordable|reasonabl[ey]|fresh|"
    r"clean|bright|vibrant|well|true to size|as (?:described|pictured|expected)|magnificent|divine|incredible|"
    r"stunning|adorable|heavenly|fits? (?:just )?right|light ?weight|supportive|impressed|enjoy(?:ed|s|able)?|"
    r"thank(?:s|ful)?|pleasant|refreshing|high quality|compliments?|works?|worked|helps?|helped|super"
)
_COMPLAINT = (
    r"bad(?:ly)?|poor(?:ly)?|terribl[ey]|horribl[ey]|awful(?:ly)?|worst|worse|worthless|cheap(?:ly|er)?|"
    r"crap(?:py)?|junk|trash|garbage|brok(?:e|en)|breaks?|breaking|cracked|disappoint\w*|wast(?:e[ds]?|ing)|"
    r"return(?:ed|ing|s)?|refund(?:ed)?|uncomfortable|un\w+(?:able|ed)|too|tight|loose|small(?:er)?|"
    r"itch(?:y|es|ing)?|scratch(?:y|es|ed)?|stiff|flims[yi]|thin(?:ner)?|fad(?:e[ds]?|ing)|tor[en]|tears?|"
    r"ripp(?:ed|ing)|rips?|fell|falls?|falling|wore|worn|leak(?:s|ed|y|ing)?|smelly|stinks?|stunk|stinky|ugly|"
    r"overpriced|pric(?:e)?y|expensive|defective|useless|hard|difficult|hate[ds]?|unfortunately|sadly|wrong|late|"
    r"damaged|missing|stopped|died|dead|rough|dry|drie[ds]|sticky|greasy|oily|frizz\w*|irritat\w*|rash(?:es)?|"
    r"burn(?:s|ed|t|ing)?|hurts?|pain(?:ful)?|nois[ey]|slow|problems?|issues?|complain(?:ts?|ed|ing)?|"
    r"fail(?:s|ed|ure)?|fake|dirty|stain(?:s|ed)?|shrink(?:s|ing)?|shr[au]nk|drag(?:s|ged)?|sucks?|lousy|mediocre|"
    r"weak|weird|funny|strange|heavy|bulky|scam|annoy\w*|frustrat\w*|ruin\w*|peel\w*|unravel\w*|odou?r|"
    r"came (?:off|apart|undone)|disgust\w*|ashamed|nasty|gross|shame|regret\w*|unacceptable|rip-?off|misleading|"
    r"defect\w*"
)
_NEGATION = (
    r"not?|nor|never|without|hardly|barely|nothing|neither|cannot|ain'?t|\w+n['’]t|"
    r"(?:do|does|did|is|are|was|were|has|have|had|ca|wo)nt|lack(?:s|ed|ing)?|zero"
)
_UNSURE = (
    r"would|could|should|wish(?:ed)?|if|unless|until|hop(?:e|ed|ing)|except|however|only|supposed|than|though|"
    r"although|but|maybe|perhaps|might|guess|almost|used to|less|more|other(?:wise)?|usual(?:ly)?|normal(?:ly)?|"
    r"before|until|else"
)
_NO_FAULT = r"\bno (?:complaints?|problems?|issues?)\b"


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)


_PRAISES, _COMPLAINS, _NEGATES, _UNSURES = map(_words, (_PRAISE, _COMPLAINT, _NEGATION, _UNSURE))


def sentiment(snippet: str) -> str | None:
    """ "positive" or "negative"; None where the words do not say it surely.

    >>> sentiment("the zipper broke"), sentiment("not comfortable"), sentiment("fits great"), sentiment("not too heavy")
    ('negative', 'negative', 'positive', None)
    """
    rest, spared = re.subn(_NO_FAULT, " ", snippet, flags=re.IGNORECASE)
    praises = bool(spared or _PRAISES.search(rest))
    complains, negated = bool(_COMPLAINS.search(rest)), bool(_NEGATES.search(rest))
    if _UNSURES.search(rest) or praises == complains:
        return None
    if negated:  # what is not too heavy need not be light, what is not soft is a complaint
        return "negative" if praises and not spared else None
    return "positive" if praises else "negative"
