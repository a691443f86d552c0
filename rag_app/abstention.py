"""What is said in place of an answer: the documents don't hold it, or none is sure."""

from __future__ import annotations

import re
from types import MappingProxyType

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


def is_abstention(text: str) -> bool:
    """Return whether ``text`` is nothing but an abstention, whatever its case and punctuation.

    The part before the colon is enough: small models often stop there.
    """
    return _plain(text) in _PLAIN


def _plain(text: str) -> str:
    unquoted = _MARKER.sub(" ", text).replace("'", "").replace("’", "")
    return _NOT_WORD.sub(" ", unquoted).strip().casefold()


_PLAIN = frozenset(
    _plain(part)
    for sentence in (*ABSTENTION.values(), *UNSURE.values())
    for part in (sentence, sentence.partition(":")[0])
)
