"""What is said in place of an answer: the documents don't hold it, or none is sure."""

from __future__ import annotations

import re
from types import MappingProxyType

from rag_app.terms import fold

ABSTENTION = MappingProxyType(
    {
        "en": "I don't know: the documents don't say.",
        "pt": "Não sei: os documentos não dizem.",
    }
)
# Some places come near: they are shown in place of an answer.
UNSURE = MappingProxyType(
    {"en": "I found no sure answer.", "pt": "Não encontrei uma resposta segura."}
)

_MARKER = re.compile(r"\[[\d\s,;–-]*\]")
_NOT_WORD = re.compile(r"[\W_]+")
_TEXTS = (
    r"(?:contexts?|documents?|texts?|passages?|sources?|excerpts?|information|materials?|files?|"
    r"documentos?|textos?|contextos?|trechos?|fontes?|informac(?:ao|oes)|materia(?:l|is)|arquivos?)"
)
_SAY = (
    r"(?:mention|contain|provide|say|specif|includ|stat(?:e|ing)|give|have|has|discuss|address|"
    r"answer|indicat|describ|list|tell|explain|cover|offer|reveal|disclos|refer|detail|"
    r"menciona|contem|contei?m|informa|diz|dize|especifica|fornece|traz|inclu|apresenta|indica|"
    r"responde|tem\b|possu|aborda|cita|fala|descreve|esclarece|revela|explica|trata)"
)
_FEW_WORDS = r"(?:\W+\w+){0,6}?"
# Sentences without accents that say that nothing was found, in one's own words.
_DECLINING = re.compile(
    "|".join(
        (
            rf"\b{_TEXTS}{_FEW_WORDS}\W+(?:(?:do|does|did)(?:n't| not)|nao)(?:\W+\w+ly)?\W+{_SAY}",
            rf"\b{_TEXTS}{_FEW_WORDS}\W+(?:contains?|ha[sd]|have|provides?|gives?|offers?|includes?|"
            r"contem|trazem|traz|tem|fornecem?)\W+(?:no|nenhuma?)\b",
            r"\b(?:there (?:is|are|was|were) no|there (?:isn't|aren't)(?: any)?|no)\W+(?:\w+\W+)?"
            rf"(?:information|mention|details?|data|answer|reference|indication)\b(?:.*\b{_TEXTS}\b|"
            r".*\b(?:provided|given|found|available|about|of|on|regarding)\b|\W*$)",
            r"\b(?:is|are|was|were)(?:n't| not| never)\W+(?:\w+ly\W+)?(?:mentioned|specified|stated|given|"
            r"provided|found|included|available|discussed|covered|addressed|described|listed|"
            rf"indicated|disclosed|contained|present)\b.*\b{_TEXTS}\b",
            r"\b(?:i|we)\W+(?:can(?:not|'t| not)|could(?:n't| not)|do(?:n't| not)|did(?:n't| not)|"
            r"(?:am|are|was|were) (?:un|not )able to)\W+(?:find|see|answer|determine|locate|know|tell|"
            r"provide|say|have\W+(?:\w+\W+){0,3}?(?:information|data|details|context|answer|access))",
            rf"\b(?:none|neither|nothing|nenhum|nada)\b{_FEW_WORDS}\W*\b{_TEXTS}\b{_FEW_WORDS}\W+{_SAY}",
            r"\b(?:not enough|insufficient|insuficientes?)\W+(?:information|data|context|informac\w+|"
            r"dados|to answer|para responder)",
            rf"\b{_TEXTS}\W+(?:is|are)\W+(?:silent|insufficient)\b",
            r"\bunable to (?:find|answer|determine|locate)\b",
            rf"\bcannot be (?:determined|answered|found|inferred)\b.*\b{_TEXTS}\b",
            r"\bnao (?:ha|existem?|constam?|foi|foram|encontrei|encontramos|disponho de|tenho)\W+"
            r"(?:\w+\W+){0,3}?(?:informac|menca|menco|dados?\b|resposta|referencia|mencionad|encontrad|"
            r"suficiente)\w*",
            r"\bnao\W+(?:\w+\W+){0,3}?(?:consta|aparece|mencionad|informad|especificad|fornecid|esta)"
            rf"\w*\b.*\b{_TEXTS}\b",
            r"\bnao (?:e|foi) possivel\W+(?:\w+\W+){0,2}?(?:determinar|responder|encontrar|saber|"
            r"identificar|localizar)\b",
            r"\bnao (?:sei|consigo|consegui|posso|soube)\b(?:\W+\w+){0,2}?\W*(?:responder|encontrar|"
            r"determinar|dizer|localizar|$)",
        )
    )
)


def is_abstention(text: str) -> bool:
    """Return whether ``text`` is nothing but an abstention, whatever its case and punctuation.

    The part before the colon is enough: small models often stop there.
    """
    return _plain(text) in _PLAIN


def declines(sentence: str) -> bool:
    """Return whether a sentence says, in whatever words, that the documents don't answer."""
    return is_abstention(sentence) or _DECLINING.search(fold(sentence)) is not None


def _plain(text: str) -> str:
    unquoted = _MARKER.sub(" ", text).replace("'", "").replace("’", "")
    return _NOT_WORD.sub(" ", unquoted).strip().casefold()


_PLAIN = frozenset(
    _plain(part)
    for sentence in (*ABSTENTION.values(), *UNSURE.values())
    for part in (sentence, sentence.partition(":")[0])
)
