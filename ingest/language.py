"""Tell English from Portuguese by the words that only one of them uses."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "pt"]

_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = frozenset(
    "the of and to in is that was for it with on by this are from at which be have has what who "
    "when where why how does did do not can you your an its were will would their been".split()
)
_PORTUGUESE = frozenset(
    "de que e o da do em um para é com não uma os no se na por mais as dos como mas foi ao "
    "ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso "
    "ela entre era depois sem mesmo aos ter seus quem nas me esse eles são qual quais onde "
    "quanto quantos quantas porque pode podem quê você vocês às num numa deve devem foram "
    "sobre".split()
)
STOP_WORDS: dict[Language, frozenset[str]] = {"en": _ENGLISH, "pt": _PORTUGUESE}


def detect_language(text: str) -> Language:
    """Return the language of ``text``; English when nothing tells."""
    words = [word.lower() for word in _WORD.findall(text[:5000])]
    english = sum(word in STOP_WORDS["en"] for word in words)
    portuguese = sum(word in STOP_WORDS["pt"] for word in words)
    return "pt" if portuguese > english else "en"
