"""Turn text into the terms that BM25 counts: accents folded, stop words left out, stemmed."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

import Stemmer

from ingest.language import STOP_WORDS, Language, detect_language

_WORD = re.compile(r"\w+")
_STEMMERS: dict[Language, Any] = {
    "en": Stemmer.Stemmer("english"),
    "pt": Stemmer.Stemmer("portuguese"),
}


def document_terms(text: str, language: str) -> list[str]:
    """Return the terms of a document's text, in order; other languages are taken as English."""
    stemmed: Language = "pt" if language == "pt" else "en"
    return [_term(word, stemmed) for word in _content_words(text, stemmed)]


def question_terms(question: str) -> list[str]:
    """Return the distinct terms a question looks for, in both languages.

    Each word is stemmed as English and as Portuguese, because a question in one language is often
    answered by a document in the other that shares its names and technical words.
    """
    words = _content_words(question, detect_language(question))
    return list(dict.fromkeys(_term(word, language) for word in words for language in _STEMMERS))


def _content_words(text: str, language: Language) -> list[str]:
    stop_words = STOP_WORDS[language]
    return [word for word in _WORD.findall(text.lower()) if word not in stop_words]


@lru_cache(maxsize=1 << 17)
def _term(word: str, language: Language) -> str:
    stem: str = _STEMMERS[language].stemWord(word)
    return f"{language}:{_fold_accents(stem)}"


def _fold_accents(word: str) -> str:
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(character for character in decomposed if not unicodedata.combining(character))
