"""Compare texts as SQuAD does, in English and Portuguese.

Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

from ingest import Language

_ARTICLES = {
    "en": frozenset("a an the".split()),
    "pt": frozenset("o a os as um uma uns umas".split()),
}


def contains(text: str, answer: str, language: Language) -> bool:
    """Return whether the words of ``answer`` stand in a row in ``text``."""
    wanted, given = _words(answer), _words(text)
    # An answer of articles alone, such as "A", would be held by any text without them.
    if not _ARTICLES[language].issuperset(wanted):
        wanted, given = _without_articles(wanted, language), _without_articles(given, language)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(given)} "


def token_f1(text: str, answer: str, language: Language) -> float:
    """Return the harmonic mean of the precision and the recall of the words of ``text``, 0 to 1."""
    given = Counter(_without_articles(_words(text), language))
    wanted = Counter(_without_articles(_words(answer), language))
    common = (given & wanted).total()
    return 2 * common / (given.total() + wanted.total()) if common else 0.0


def _words(text: str) -> list[str]:
    """Return the words without case and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = (letter for letter in plain if not unicodedata.category(letter).startswith("P"))
    return "".join(kept).split()


def _without_articles(words: list[str], language: Language) -> list[str]:
    return [word for word in words if word not in _ARTICLES[language]]
