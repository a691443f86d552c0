"""SQuAD's text comparison for English and Portuguese; accents and possessives are ignored.

Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from ingest import Language
from ingest.text.terms import fold

_ARTICLES = {
    "en": frozenset("a an the".split()),
    "pt": frozenset("o a os as um uma uns umas".split()),
}
# After two letters, so that "the 1990's" stay the 1990s and "A's" does not become an article.
_POSSESSIVE = re.compile(r"(?<=[^\W\d_]{2})\s?'s\b")


def contains(text: str, answer: str, language: Language) -> bool:
    """Return whether ``text`` contains the words of ``answer`` in a row."""
    return any(_in_a_row(given, wanted, language) for given, wanted in _readings(text, answer))


def token_f1(text: str, answer: str, language: Language) -> float:
    """Return the F1 score of the words of ``text`` against those of ``answer``, 0 to 1."""
    return max(_f1(given, wanted, language) for given, wanted in _readings(text, answer))


def _readings(text: str, answer: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words of both with and without possessives: "McDonald's" or "McDonalds"."""
    plain = fold(text), fold(answer)
    bare = _POSSESSIVE.sub("", plain[0]), _POSSESSIVE.sub("", plain[1])
    for given, wanted in dict.fromkeys((plain, bare)):
        yield _words(given), _words(wanted)


def _words(plain: str) -> list[str]:
    """Return the words without punctuation."""
    kept = (letter for letter in plain if not unicodedata.category(letter).startswith("P"))
    return "".join(kept).split()


def _in_a_row(given: list[str], wanted: list[str], language: Language) -> bool:
    # Without its articles, an answer of articles alone, such as "A", would match any text.
    if not _ARTICLES[language].issuperset(wanted):
        wanted, given = _without_articles(wanted, language), _without_articles(given, language)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(given)} "


def _f1(given: list[str], wanted: list[str], language: Language) -> float:
    found = Counter(_without_articles(given, language))
    expected = Counter(_without_articles(wanted, language))
    common = (found & expected).total()
    return 2 * common / (found.total() + expected.total()) if common else 0.0


def _without_articles(words: list[str], language: Language) -> list[str]:
    return [word for word in words if word not in _ARTICLES[language]]
