"""Whether a text abstains: says that the documents don't answer."""

from __future__ import annotations

import re

from ingest.text.terms import fold
from rag_app.types import ABSTENTION, UNSURE

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
_SAID = (
    r"(?:mentioned|specified|stated|given|provided|found|included|available|discussed|covered|"
    r"addressed|described|listed|indicated|disclosed|contained|present)"
)
_KNOWLEDGE = r"(?:information|mention|details?|data|answer|reference|indication|context)"
_CONHECIMENTO = r"(?:informac\w+|menca\w|menco\w+|dados?|resposta|referencia\w*|suficiente\w*)"
_UNABLE = (
    r"(?:can(?:not|'t| not)|could(?:n't| not)|do(?:n't| not)|did(?:n't| not)|"
    r"(?:am|are|was|were) (?:un|not )able to)"
)
_FEW, _ANY = r"(?:\W+\w+){0,6}?", r"(?:\w+\W+){0,3}?"
# Other wordings of an abstention, folded.
_DECLINING = re.compile(
    "|".join(
        (
            rf"\b{_TEXTS}{_FEW}\W+(?:(?:do|does|did)(?:n't| not)|nao)(?:\W+\w+ly)?\W+{_SAY}",
            rf"\b{_TEXTS}{_FEW}\W+{_SAY}\w*\W+(?:no|nenhuma?)\b",
            rf"\b(?:none|neither|nothing|nenhum|nada)\b{_FEW}\W*\b{_TEXTS}\b{_FEW}\W+{_SAY}",
            rf"\b{_TEXTS}\W+(?:is|are)\W+(?:silent|insufficient)\b",
            rf"\b(?:there (?:is|are|was|were)(?:n't any)? )?no\W+(?:\w+\W+)?{_KNOWLEDGE}\b"
            rf"(?:.*\b(?:{_TEXTS}|{_SAID}|about|of|on|regarding)\b|\W*$)",
            rf"\b(?:is|are|was|were)(?:n't| not| never)\W+(?:\w+ly\W+)?{_SAID}\b.*\b{_TEXTS}\b",
            rf"\b(?:i|we)\W+{_UNABLE}\W+(?:find|see|answer|determine|locate|know|tell|provide|say)",
            rf"\b(?:i|we)\W+{_UNABLE}\W+have\W+{_ANY}{_KNOWLEDGE}",
            r"\bunable to (?:find|answer|determine|locate)\b",
            rf"\bcannot be (?:determined|answered|found|inferred)\b.*\b{_TEXTS}\b",
            rf"\b(?:not enough|insufficient)\W+(?:{_KNOWLEDGE}|to answer)\b",
            rf"\b{_CONHECIMENTO}\W+insuficientes?\b",
            r"\bnao (?:ha|existem?|constam?|foi|foram|encontrei|encontramos|disponho de|tenho)\W+"
            rf"{_ANY}(?:{_CONHECIMENTO}|mencionad\w+|encontrad\w+)",
            rf"\bnao\W+{_ANY}(?:consta|aparece|mencionad|informad|especificad|fornecid|esta)\w*\b"
            rf".*\b{_TEXTS}\b",
            rf"\bnao (?:e|foi) possivel\W+{_ANY}(?:determinar|responder|encontrar|saber|"
            r"identificar|localizar)\b",
            r"\bnao (?:sei|consigo|consegui|posso|soube)\b(?:\W+\w+){0,2}?\W*"
            r"(?:responder|encontrar|determinar|dizer|localizar|$)",
        )
    )
)


def is_abstention(text: str) -> bool:
    """Return whether ``text`` is exactly an abstention, up to case and punctuation.

    The part before the colon is enough: small models often stop there.
    """
    return _plain(text) in _PLAIN


def abstains(sentence: str) -> bool:
    """Return whether a sentence says, in any wording, that the documents don't answer."""
    return is_abstention(sentence) or _DECLINING.search(fold(sentence)) is not None


def _plain(text: str) -> str:
    unquoted = _MARKER.sub(" ", text).replace("'", "").replace("’", "")
    return _NOT_WORD.sub(" ", unquoted).strip().casefold()


_PLAIN = frozenset(
    _plain(part)
    for sentence in (*ABSTENTION.values(), *UNSURE.values())
    for part in (sentence, sentence.partition(":")[0])
)
