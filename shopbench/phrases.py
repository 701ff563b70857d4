"""What requests say in English, German, Spanish, French, Italian and Japanese: the vocabulary of question.py.

Each pattern is searched in the request itself (not in the quoted review, query or options). Most test tasks
are unseen, so the patterns name what a request must say to be one, not the sentences of known tasks.
"""

from __future__ import annotations

import re

NUMBER_WORDS: dict[str, int] = {
    **dict.fromkeys(("one", "a single", "ein", "eine", "einen", "uno", "una", "un", "une"), 1),
    **dict.fromkeys(("two", "zwei", "dos", "deux", "due", "dois", "duas", "二", "两", "２"), 2),
    **dict.fromkeys(("three", "drei", "tres", "trois", "tre", "três", "三", "３"), 3),
    **dict.fromkeys(("four", "vier", "cuatro", "quatre", "quattro", "quatro", "四", "４"), 4),
    **dict.fromkeys(("five", "fünf", "cinco", "cinq", "cinque", "五", "５"), 5),
    **dict.fromkeys(("six", "sechs", "seis", "sei", "六", "６"), 6),
}
_NUMBER = r"(?P<{}>\d{{1,2}}|" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + ")"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)


_PICK = (
    r"select|choose|pick|output|identify|name|give|find|return|provide|write|respond with|answer with|"
    r"wählen?|wähle|nennen?|geben|gib|suchen?|finden?|antworten?|"
    r"selecciona\w*|seleccione\w*|eli[gj]\w+|escoge\w*|escoja\w*|indi(?:ca|que|quez|care|cate)|devuelv\w+|escrib\w+|respond\w+|"
    r"sélectionne\w*|choisi\w+|donne\w*|renvoye\w*|répond\w+|"
    r"seleziona\w*|scegli\w*|fornisci|restituisci|rispond\w+|selecion\w+|escolh\w+"
)
_NUMBERS_NOUN = (
    r"numbers?|indices|indexes|ids?|options?|products?|items?|"
    r"zahlen|nummern|ziffern|indizes|números|indices|índices|opciones|numéros|nombres|chiffres|numeri|indici"
)
# The bounds keep a line of opening quotation marks, each of which might reach to its end, from taking seconds.
QUOTED = re.compile(
    r"(?<![\w'])'(?=\S)[^\n]{0,2000}?(?<=\S)'(?!\w)|(?<!\w)\"(?=\S)[^\n]{0,2000}?(?<=\S)\"(?!\w)|“[^”\n]{0,2000}”|"
    r"„[^“”\n]{0,2000}[“”]|«[^»\n]{0,2000}»|「[^」\n]{0,2000}」|『[^』\n]{0,2000}』"
)
"""Quoted product titles, queries and the like: no part of the request."""
# "Gib eine Permutation aus" asks for one list of all options, not for one option.
_ONE_LIST = r"\s(?:permuta|rank|rang|order|list|reihenfolge|orden|ordre|classement|graduatoria)"
_COMMA_NUMBERS = (
    rf"\b{_NUMBER.format('before_noun')}\b(?!{_ONE_LIST})[ -](?:[\w-]+ ){{0,3}}?(?:{_NUMBERS_NOUN})\b"
    r"[^.\n]{0,60}?(?:comma|komma|coma|virgul|virgol)"
    rf"|\b{_NUMBER.format('before_comma')} (?:comma|komma|coma|virgul|virgol)[\w -]{{0,20}}(?:{_NUMBERS_NOUN})\b"
)
ASKED_COMMA_NUMBERS = _any(_COMMA_NUMBERS)
"""So many numbers with commas between: a retrieval question even where its options were not made out."""
ASKED_COUNT = _any(
    # "select 3 snippets", "choose the three aspects": a few words, no full stop, no "list of 15" between.
    rf"\b(?:{_PICK})\b(?:(?!\bof\b|\bde\b|\bvon\b|\bdi\b)[^.\n:\d]){{0,30}}?\b{_NUMBER.format('after_verb')}\b(?!-|{_ONE_LIST})",
    _COMMA_NUMBERS,
    rf"\btop[ -]{_NUMBER.format('top')}\b",
    r"\b(?:which|welche|qué|qu(?:el|elle)s(?: sont les)?|quali|quais) (?!one\b|un|ein|1\b)"
    rf"{_NUMBER.format('after_which')}\b",
    rf"选[^。，\n]{{0,12}}?{_NUMBER.format('chinese')}\s*(?:个|款|项|件|种)",
    rf"{_NUMBER.format('japanese')}\s*(?:つ|個|件|点)(?:の[^。\n]{{0,12}})?(?:を|だけ)?[^。\n]{{0,20}}(?:選|挙げ|出力|答え|回答)",
)
"""How many options are asked for; read the one named group that matched."""

ASKS_RANKING = _any(
    r"\brank(?:s|ed|ing|ings)?\b(?! (?:no|number|#))",
    r"\bre-?rank\w*",
    r"\bpermutation",
    r"\bin (?:which|what) order\b|\barrange (?:the|these|them|all)\b",
    r"\b(?:sort|order|arrange|reorder|put)\b[^.\n]{0,60}\b(?:by|from|according|in order|based on)\b",
    r"\bin (?:descending|ascending|decreasing|order of)\b",
    r"\brang(?:folge|liste|iere\w*|ordn\w*)|\breihenfolge\b|\bordnen?\b|\bsortier\w*",
    r"\b(?:ordena|ordene|ordenar|ordénal[oa]s|permutación)\b|\bclasifi\w+[^.\n]{0,60}\b(?:según|por|de más|de mayor)\b",
    r"\b(?:trie[rz]?|ordonne[rz]?|ordre décroissant)\b",
    r"\bclass(?:ez?|er|ement)\b[^.\n]{0,60}\b(?:selon|par|du plus|de la plus)\b",
    r"\b(?:ordina|ordinare|ordinate|ordinal[ie]|permutazione|graduatoria)\b",
    r"\bclassific\w+[^.\n]{0,60}\b(?:in base|per|secondo|dal più|dalla più)\b",
    r"\b(?:in ordine|par ordre|(?:por|en) orden|(?:por|em) ordem) (?:di|de|d|cre|decre|desce|asce)\w*",
    r"从高到低|从低到高|排序|排列",
    r"ランキング|ランク付け|順位|並べ替え|並び替え|順に並べ|順番に|順列",
)
# Keywords, summaries and features of a product are written, not quoted: generation.
_NO_SUMMARY = r"(?![^.\n]{0,1000}\b(?:key ?(?:words?|phrases?)|summar\w+|details|features?)\b)"
_FIND = r"extract|identify|locate|find|determine|detect|recogni[sz]e|highlight|spot|tag|mark|select|pull out"
ASKS_ENTITY = _any(
    r"\bnamed entit(?:y|ies)\b|\bentit(?:y|ies)\b[^.\n]{0,60}\b(?:types?|categor\w+|class\w*|labels?)\b",
    r"\b(?:types?|kinds?|categor\w+|class\w*) of[^.\n]{0,30}\bentit(?:y|ies)\b",
    rf"\b(?:{_FIND}|list|name|give|output|return|write|which|what|all)\b[^.\n]{{0,80}}\bentit(?:y|ies)\b",
    r"\bentit(?:y|ies)\b[^.?\n]{0,40}\b(?:in|from|of|within) (?:the|this|that|these|a|following)\b",
    r"\bentität\w*|\bentidad(?:es)?\b|\bentités?\b|\bentità\b|エンティティ|固有表現",
    r"\battribute values?\b|\bslot values?\b",
    # "identify the brand in the product title": parts of a title or a query, but not keywords for it
    rf"\b(?:{_FIND})\b"
    r"(?! (?:if|whether|how|why)\b)"  # a yes/no question on a query and a title names no part of them
    r"(?! (?:[\w']+ ){0,2}(?:intent\w*|language|relevance|sentiment|meaning|relation\w*|similarit\w+|differences?)\b)"
    rf"{_NO_SUMMARY}[^.\n]{{0,80}}?\b(?:in|from|within|of|inside)\b[^.\n]{{0,60}}?\b(?:title|query|search)\b",
    rf"\b(?:{_FIND})\b[^.\n]{{0,40}}?\b(?:title|query)['’]s\b",
    r"\b(?:which|what) (?:words?|phrases?|parts?|spans?|tokens?)\b[^.\n]{0,40}\b(?:title|query)\b",
    rf"\btitle\b[^.\n]{{0,20}}\b(?:extract|identify|locate|find|determine|select)\b{_NO_SUMMARY}",
    r"\b(?:extrahiere\w*|extra[eiy]\w*|estrai\w*|estrarre|identifi\w+)\b[^.\n]{0,80}\b(?:\w*titels?|suchanfrage|anfrage|"
    r"título|consulta|búsqueda|titre|requête|recherche|titolo|ricerca|query)\b",
    r"(?:タイトル|商品名|クエリ|検索)[^。\n]{0,40}(?:抽出|抜き出)",
    r"实体|(?:标题|商品名|查询|搜索词)[^。\n]{0,40}(?:抽取|提取)|(?:抽取|提取)[^。\n]{0,40}(?:标题|商品名|查询|搜索词)",
)
# "HP: brand" and "brand" are no pieces of the text, so such an answer is written. (Quoted terms are "…" in a request.)
_TYPE = r"(?:(?:entity |attribut?e )?(?:types?|labels?|categor(?:y|ies))|attribut?e names?)"
ASKS_TYPES = _any(
    r"\b(?:entit(?:y|ies)|attribute values?|slot values?)\b[^.\n]{0,30}?\b(?:with|and) "
    rf"(?:(?:its|their|the (?:corresponding|respective)) {_TYPE}|(?:types|labels|categories)|{_TYPE} about)\b(?! …)",
    r"\battribute(?:s and their| names? and) values\b|\bkey[- ]value\b",
    r"\b(?:type|category|class|label) of (?:the|this|that) (?:named )?entity …",
    r"\b(?:what|which) (?:entity (?:type|category|class)|(?:type|category|class|kind) of entity) "
    r"(?:is|does|has|fits)\b",
    r"\b(?:what|which) (?:of (?:these|the following) )?(?:types|categories|classes|kinds) of (?:named )?entities\b",
)
"""Entities together with their types, the type of an entity that is given, the types that occur: no extraction."""
SELECTS = _any(
    r"\b(?:select|choose|pick)\b|\b(?:wählen?|wähle|seleccion\w*|elij\w*|escoj\w*|escoge\w*|sélection\w*|choisi\w*|"
    r"scegli\w*|selezion\w*|selecion\w*|escolh\w*)\b|選択|選ん|選び|选",
)
"""The plain word for a choice from a list."""
ASKS_CHOICE = _any(
    r"\bwhich\b",
    r"\b(?:select|choose|pick)\b",
    r"\boptions?\b|\bcandidates?\b|\bnumbered list\b|(?<!\bdo )\bthe following\b",
    r"\bwelche[rsmn]?\b|\bwählen?\b|\bwähle\b|\bauswahl\b|\bfolgende[nrsm]?\b|\boptionen\b",
    r"\bcu[aá]l(?:es)?\b|\bqu[eé] opción|\belij[ae]\b|\bselecci\w+|\bsiguientes?\b|\bopciones\b",
    r"\bquel(?:le)?s?\b|\blequel\b|\blaquelle\b|\blesquel(?:le)?s\b|\bchoisi\w+|\bsuivante?s?\b",
    r"\bqual[ei]?\b|\bscegli\w*|\bselezion\w*|\bseguenti?\b|\bopzion[ei]\b",
    r"どれ|どの|選択|選ん|選び|次のうち|以下の|哪|下列|以下|选",
)
SAYS_NUMBERS = _any(
    r"\b(?:numbers?|indi[cz]es|index(?:es)?|ids?|numm[eé]rn?|zahlen|números?|índices?|numéros?|chiffres?|numer[io]|indici)\b",
    r"番号|数字|编号|序号",
)
"""The options are named by their numbers."""
ENDS_AS_CHOICE = _any(r"\banswer:?\s*$", r"[?？]\s*$")
"""What a choice ends in, but other questions as well: a hint where a list is shown that nothing quotes."""
# An imperative begins a sentence, or stands behind "and", "then" or the like ("do the titles describe" is none).
_BEGINS = (
    r"(?:^[ \t#*>-]*|[.!?;:。！？：][^\S\n]*|,[^\S\n]*"
    r"|\b(?:and|then|please|(?:is|are|need|have|want|asked) to|und|bitte|y|et|e)[^\S\n]+)"
    r"(?:(?:and|then|first|also|please|now|dann|luego|ensuite|poi)[^\S\n]+){0,3}"
)
_TEXT = (
    r"titles?|headlines?|descriptions?|sentences?|questions?|reviews?|repl(?:y|ies)|e-?mails?|letters?|messages?|slogans?|"
    r"paragraphs?|texts?|summar(?:y|ies)|stor(?:y|ies)|poems?|articles?|dialogues?|captions?|advert\w*|entry|entries|"
    r"explanations?|arguments?|programs?|code|functions?|pages?|scripts?|key ?words?|(?:key ?)?phrases?|attributes?"
)
# "write the numbers of the titles", "write the answer without an explanation"
_NO_TEXT = (
    r"numbers?\b|ind(?:ex|ic)|ids?\b|options?\b|rank|letters?\b|order|list\b|sequence|permut|answers?\b|outputs?\b|"
    r"only\b|no\b|not\b|without\b"
)
ASKS_TEXT = _any(
    r"\bdo the following\b",
    rf"{_BEGINS}(?:translate|rewrite|reword|rephrase|paraphrase|summari[sz]e|condense|shorten|describe|explain|elaborate|compose|convert)\b",
    rf"{_BEGINS}(?:write|generate|create|draft|produce|design|develop|construct|build|invent|suggest)\b"
    rf" (?:(?!{_NO_TEXT})[\w,'-]+ ){{0,5}}?(?:{_TEXT})\b",
    rf"{_BEGINS}(?:schreiben?|erstellen?|escrib[ae]|crea|écri(?:s|vez)|créez|scriv[ia]|escreva|crie)\b (?:sie )?"
    r"(?:eine?n?|una?|une|uma?|den|die|das|le|la|el|il|o) (?:[\w,'-]+ ){0,3}?(?:\w*titel|\w*beschreibung|satz|frage|"
    r"überschrift|text|zusammenfassung|título|descripción|frase|oración|pregunta|reseña|texto|titre|description|phrase|"
    r"question|texte|titolo|descrizione|domanda|testo|descrição|pergunta)\b",
    rf"{_BEGINS}(?:übersetzen?|beschreiben?|erklären?|begründen?|verfassen?|formulieren?)\b",
    rf"{_BEGINS}(?:tradu(?:ce|zca|cir|is|isez|ire|ci|cete|z|za|zir)|descri(?:be|ba|bir|vi|vete)|descrev[ae]|décri(?:s|vez|re)|"
    r"resum[ae]|résume[rz]?|riassumi|expli(?:ca|que|quez|quer)|spiega(?:te|re)?|redact[ae]|rédige[rz]?)\b",
    r"翻訳し|訳して|訳しなさい|要約し|説明し|書いてください|翻译成|翻译为|请翻译|写一[个句段篇]|总结一下",
)
"""A text is to be written: neither a choice from a list nor one of a few words."""
_RANGE = (
    r"(?<![\d.])(?P<low{0}>[01])\s*(?:\([^)\n]{{0,80}}\)\s*)?"
    r"(?:to|through|and|bis|und|al?|y|à|et|e|から|～|〜|~|-|–|—)\s*(?P<high{0}>\d{{1,2}})(?!\d|\.\d)"
)
SCALE = _any(
    r"(?:scale|rate|rating|number|stars?|sterne?|estrellas?|étoiles?|stelle|星|score|evaluate|assess|between|skala|bewert\w*|zwischen|escala|califi\w+|punt[uú]\w*|entre|"
    r"échelle|note[rz]?|évalue\w*|scala|valut\w*|punteggio|tra|評価|段階|スケール|点)[^.\n。]{0,80}?"
    + _RANGE.format(""),
    _RANGE.format("_before") + r"(?:[ -]?(?:scale|stars?|points?)|[^。\n]{0,6}(?:点|段階))",
)
QUOTED_HEADER = _any(
    r"\b(?:input|reviews?|descriptions?|comments?|texts?|passages?|sentences?|contexts?|articles?|feedback)$",
    r"(?:rezension|bewertung|beschreibung|kommentar|kundenmeinung)\w*$",
    r"\b(?:reseñas?|descripción|comentarios?|opini[oó]n(?:es)?|texto)\b",
    r"\b(?:avis|commentaires?|texte)\b",
    r"\b(?:recension[ei]|descrizion[ei]|commento|testo)\b",
    r"(?:レビュー|説明|口コミ|本文)$",
)
DATA_HEADER = _any(
    r"^[^\S\n]*(?:[\w']+[^\S\n]+){0,3}(?:quer(?:y|ies)|keyword|review|title|description|input|context|text|sentence|"
    r"passage|aspect|product|item|event|question|suchanfrage|anfrage|titel|bewertung|rezension|beschreibung|text|satz|"
    r"consulta|reseña|título|descripción|requête|avis|titre|phrase|ricerca|recensione|titolo|descrizione|frase|"
    r"クエリ|検索語|レビュー|タイトル|商品名|説明|文)(?:[^\S\n]*\w)?[^\S\n]*[:：]",
)
"""A line that holds data, not the request: what follows the colon is not searched for the phrases above."""
INSTRUCTION_LABEL = _any(
    r"instruction|task|request|prompt|note|rule|format|answer|output|response|option|label|categor|choice|important|"
    r"aufgabe|hinweis|anweisung|antwort|ausgabe|tarea|nota|respuesta|tâche|consigne|réponse|compito|istruzion|risposta|"
    r"tarefa|resposta|instruç|指示|タスク|回答|出力|任务|要求|指令|输出|选择",
)
"""The label of a line that is part of the request, unlike "Customer: ..."."""
LABEL = re.compile(r"^[^\S\n]*(?P<name>[^\W\d_][^:：\n]{0,40})[:：]", re.MULTILINE)
"""A few words and a colon at the beginning of a line ("Product title: ...")."""
ANSWER_LABEL = _any(r"output|answer|response|ausgabe|antwort|respuesta|salida|réponse|sortie|risposta|出力|回答")
"""The label of the place where the answer goes."""
TEXT_LABEL = _any(
    r"quer|search|keyword|review|title|description|input|context|text|sentence|passage|document",
    r"anfrage|titel|bewertung|rezension|beschreibung|satz|consulta|reseña|título|descripción",
    r"requête|avis|titre|phrase|ricerca|recensione|titolo|descrizione|frase|クエリ|検索|レビュー|タイトル|商品名|説明|文",
)
"""The label of a text that entities may be quoted from."""
