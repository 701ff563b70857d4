"""Whether a text says how many stars, points or marks its author gives: a review that does tells its own rating.

A number (a digit, a word, a sign) beside a word for stars or points, in the languages of the shops that the datasets
come from and a few more; a row of stars; "4/5", "4 out of 5"; "I give it a 4", "my rating: 4"; a school mark.
"""

from __future__ import annotations

import re

_WORDS = (
    # English
    *("no", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "half", "single"),
    *("all", "full", "top", "perfect", "negative", "minus", "multiple", "few", "fice", "fiv", "ome"),
    # German, Dutch, Swedish
    *("null", "kein", "keine", "keinen", "ein", "eine", "einen", "einem", "zwei", "drei", "vier", "fünf", "fuenf"),
    *("sechs", "acht", "neun", "zehn", "halbe[rn]?", "volle", "alle", "geen", "één", "een", "twee", "drie", "vijf"),
    *("tien", "noll", "ett", "två", "tre", "fyra", "fem", "tio"),
    # Spanish, Portuguese, Italian, French
    *("cero", "ninguna", "un", "una", "uno", "dos", "tres", "cuatro", "cinco", "diez", "media", "todas(?: las)?"),
    *("nenhuma", "uma", "um", "duas", "dois", "três", "quatro", "dez", "nessuna", "due", "quattro", "cinque", "dieci"),
    *("mezza", "tutte(?: le)?", "zéro", "aucune", "une", "deux", "trois", "quatre", "cinq", "dix", "demi", "toutes"),
    # Polish, Russian, Turkish
    *("jedna", "jedną", "dwie", "trzy", "cztery", "pięć", "одна", "одну", "две", "три", "четыре", "пять", "ноль"),
    *("bir", "iki", "üç", "dört", "beş", "sıfır"),
    # Hindi, Arabic
    *("एक", "दो", "तीन", "चार", "पांच", "पाँच", "نجمة", "نجمتان", "ثلاث", "أربع", "خمس"),
)
_NUMBER = r"(?:(?<![\w.,])-?\d{1,3}(?:[.,]\d+)?(?:\s*½|\s+1/2)?|½|\b(?:" + "|".join(_WORDS) + r")(?!\w))"
_STARS = (
    r"(?:sta+rs?|starts|satrs?|srars?|strs|stas|starz|points?|pts|sterne?n?|punkte?n?|sterren|ster|stjärn\w*|estrell?as?|"
    r"puntos?|pontos?|stell[ae]|stelline|punti|étoiles?|etoiles?|gwiazd\w*|зв[её]зд\w*|yıldız\w*|स्टार\w*|सितार\w*|"
    r"نجوم|نجمة|نجمات)(?!\w|\s+wars|\s+trek|\s+wash)"
)
_CJK_NUMBER = "[0-9０-９一二三四五零〇两兩壱弐参半]|하나|한|두|세|네|다섯|영"
_SCALE = r"(?:5|10|100|five|ten|cinco|cinq|cinque|fünf|diez|dix|dieci|zehn|五|5つ)"
_GIVES = (
    r"(?:giv(?:e|es|ing|en)|gave|rat(?:e|es|ed|ing)|scor(?:e|es|ed|ing)|deserv(?:e|es|ed)|earn(?:s|ed)?|grade[sd]?|"
    r"stars?|review|bewertung|wertung|note|calificaci[oó]n|puntuaci[oó]n|voto|nota|評価|評分|评分|평점|별점)"
)
_END = r"(?=\s*(?:$|[.!?,;:)\n]|\s-|\b(?:because|but|due|for|instead|only|since|as|rating|overall|and|on|if|it)\b))"
_PATTERNS = (
    # "five stars", "4.5-star", "5 big shiny stars", "4 1/2 stars", "fivestars", "5stars"
    _NUMBER
    + r"(?:\s*(?:and|y|et|und|e)\s+(?:a\s+)?(?:1/2|half|media|demi|halb\w*))?[\s\-–—_.:;,+&]*(?:\w+\s+){0,2}?"
    + _STARS,
    r"\b(?:one|two|three|four|five|zero|fünf|vier|drei|zwei|cinq|quatre|trois|deux)stars?\b",
    r"\b(?:took|take|taking|knock\w*|deduct\w*|los[te]\w*|remov\w*|dock\w*|drop\w*|lower\w*)\s+(?:\w+\s+){0,3}stars?\b",
    r"\b(?:more|fewer|less|many|another|extra|highest|lowest|max\w*|fourth|fifth)\s+stars?\b",
    # "stars: 5", "star rating of 4", "a 5 rating", "rated 5", "I give it a 4 because", "my rating is 4"
    _STARS + r"(?:\s+rating)?\s*(?:[:=\-–]|of|is|was)?\s*" + _NUMBER + _END,
    _NUMBER + r"[\s\-]*(?:rating|review|bewertung)\b",
    r"\b" + _GIVES + r"\b[^.!?\n]{0,30}?" + _NUMBER + r"(?!\s*(?:%|[.,]\d))" + _END,
    # "4/5", "9 / 10", "4 out of 5", "4 of 5", "4 von 5", "4 sur 5", "4 de 5", "4 su 5", "5 de 5"
    r"(?<![\w/.])-?\d{1,3}(?:[.,]\d+)?\s*/\s*(?:5|10|100)(?![\w/%\"”.]|\s*(?:inch|cup|in\b))",
    _NUMBER
    + r"\s*(?:\+\s*)?(?:out\s*(?:of)?|of|von|auf|sur|de|su|di|van|av|iz|из)\s*(?:a\s+|possible\s+)?"
    + _SCALE
    + r"(?!\w)",
    r"\b(?:solid|perfect|strong|easy|a)\s+(?:10|5|ten|five)\s*(?:$|[.!])",
    # rows of signs: a single one stands for a star, too; "5*", "5 ***"
    r"[★☆⭐🌟✩✪✭✮✯]|(?<!\*)\*{3,5}(?!\*)\s*(?:$|[.!\n])|(?<![\w.])\d\s?\*(?!\s*\d)|^\s*\*{1,5}\s*$",
    # 星5つ, 五つ星, 五星, 5颗星, 별 다섯 개, 별점 5, 五分, 滿分, 満点
    r"星(?:は|が|を|:|：)?\s*(?:"
    + _CJK_NUMBER
    + r")|(?:"
    + _CJK_NUMBER
    + r")(?:つ|個|个|颗|顆|級|级)?(?:の)?星|満点|满分|滿分|"
    r"별점?(?:은|이|을|:)?\s*(?:" + _CJK_NUMBER + r")|[0-9０-９](?:点|點|分|점)(?!\w)|별\s*\d",
    # "A+", "A++", "grade: B", a whole text that is but a number
    r"(?<!\w)[A-F][+\-](?:\+)*(?!\w)|\bgrade\s*:?\s*[A-F]\b|^\s*(?:" + "|".join(_WORDS[:14]) + r"|\d{1,2})\s*[.!]*\s*$",
)
_STATED = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE | re.MULTILINE)
# One of these is in every such text, and in few others; looking for it first is ten times as fast.
_CUE = re.compile(
    _STARS[: _STARS.index("(?!")]
    + "|"
    + _GIVES
    + r"|rating|\b(?:a|solid|perfect|strong|easy)\s+(?:10|5|ten|five)\b|[/★☆⭐🌟✩✪✭✮✯*星点點分점별満满滿]|"
    r"\b(?:5|10|100|five|ten|cinco|cinq|cinque|fünf|diez|dix|dieci|zehn)\b|\b[A-F][+\-]|\bgrade|^.{0,12}$",
    re.IGNORECASE | re.MULTILINE,
)


def states_rating(text: str | None) -> bool:
    """Whether a review, or its title, says the rating that it gives.

    >>> states_rating("Five Stars"), states_rating("Ein Stern Abzug, also 4 von 5"), states_rating("Star Wars mug")
    (True, True, False)
    """
    return text is not None and _CUE.search(text) is not None and _STATED.search(text) is not None
