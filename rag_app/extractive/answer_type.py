"""Answer type: whether a question asks for a person, a date or a number."""

from __future__ import annotations

import re
from collections.abc import Callable

from ingest import Language
from ingest.text.terms import fold, read_words

_WHO = re.compile(
    r"\b(?:who|whom|whose|quem|which (?:person|man|woman|king|queen|president|author))\b"
)
_WHEN = re.compile(
    r"\b(?:when|quando|(?:in |on |em )?(?:what|which|que|qual|quais)(?: \w+)? "
    r"(?:year|date|day|month|century|decade|ano|data|dia|mes|seculo)|ate quando|desde quando)\b"
)
_HOW_MANY = re.compile(
    r"\b(?:how (?:many|much|long|old|far|tall|high|large|big|often|deep|wide|fast)|quant[oa]s?|"
    r"(?:what|which|qual)(?: is| was| era| foi| e)?(?: the| o| a)? "
    r"(?:number|percentage|percent|population|amount|numero|percentual|porcentagem|valor|prazo))\b"
)
_DATE = re.compile(
    r"\b(?:1[0-9]{3}|20[0-9]{2})\b|\b\d{1,2}[/.]\d{1,2}\b|\bcentur|\bsecul|\b(?:january|february|"
    r"march|april|june|july|august|september|october|november|december|janeiro|fevereiro|marco|"
    r"abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro|monday|tuesday|wednesday|"
    r"thursday|friday|saturday|sunday|segunda|terca|quarta|quinta|sexta|sabado|domingo)\b"
)


def asked_for(question: str, language: Language) -> Callable[[str], bool]:
    """Return a predicate: whether a text holds an answer of the type that is asked for."""
    plain = fold(question)
    if _WHEN.search(plain):
        return lambda text: _DATE.search(fold(text)) is not None
    if _HOW_MANY.search(plain):
        return lambda text: any(word.is_number for word in read_words(text, language))
    if _WHO.search(plain):
        known = frozenset(word.folded for word in read_words(question, language))
        return lambda text: any(
            word.text[0].isupper() and not word.is_stopword and word.folded not in known
            for word in read_words(text, language)[1:]
        )
    return lambda text: False
