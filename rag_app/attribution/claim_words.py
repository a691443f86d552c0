"""The words of a sentence as comparable values.

Numbers are compared by value and dates by their parts, whatever their notation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from ingest import Language
from ingest.text.terms import MONTHS, SCALES, Word, read_words

Keys = frozenset[str]

_DATE = re.compile(r"(?<!\d)(?:\d{1,2}([-/.])\d{1,2}\1\d{4}|\d{4}([-/.])\d{1,2}\2\d{1,2})(?!\d)")
_NO_MONTHS = frozenset(("may", "march"))
_ORDINAL_ENDS = frozenset(("st", "nd", "rd", "th"))
_DATE_PART = re.compile(r"d\d+")
_LINKING = ("ly", "ing", "mente", "ndo")
# Letters and similarity (0 to 1) of two spellings of one word; chosen by hand.
_SAME_BEGINNING, _ALIKE = 3, 0.8


class ClaimWord(NamedTuple):
    """A word, its keys, whether it is a content word, and whether it must match exactly."""

    text: str
    keys: Keys
    content: bool
    exact: bool


class Wording:
    """The words of a sentence or of a part of one."""

    def __init__(self, text: str, language: Language) -> None:
        self.language: Language = language
        self.words = tuple(_words(text, language))

    @cached_property
    def keys(self) -> Keys:
        """Every key of every word."""
        return frozenset().union(*(word.keys for word in self.words))

    @cached_property
    def terms(self) -> tuple[ClaimWord, ...]:
        """The content words, each term once."""
        return tuple({word.keys: word for word in self.words if word.content}.values())

    def holds(self, word: ClaimWord) -> bool:
        """Return whether the word is here, or another spelling unless it must match exactly."""
        if not self.keys.isdisjoint(word.keys):
            return True
        return not word.exact and any(_is_alike(one, key) for one in self.keys for key in word.keys)

    def share(self, other: Wording) -> float:
        """Return the share of the terms that ``other`` holds too, 0 to 1."""
        found = sum(map(other.holds, self.terms))
        return found / len(self.terms) if self.terms else 0.0

    def continues(self, said: Wording, before: Wording) -> bool:
        """Return whether this names what ``said`` refers to by a pronoun, after ``before``.

        As "the pond holds 400 litres" does for "The pond is new. It holds 400 litres."
        """
        held = [said.holds(word) for word in self.terms]
        if True not in held or not self.holds(said.terms[0]):
            return False
        subject = self.terms[: held.index(True)]
        return bool(subject) and all(map(before.holds, subject))


def _words(text: str, language: Language) -> Iterator[ClaimWord]:
    found = read_words(_DATE.sub(_parted, text), language)
    names = _names(found)
    scaled = False
    for index, word in enumerate(found):
        after = found[index + 1].folded if index + 1 < len(found) else ""
        value, month = word.value, _month(word)
        ends_number = scaled or (
            word.folded in _ORDINAL_ENDS and index and found[index - 1].text.isdigit()
        )
        scaled = value is not None and after in SCALES
        if ends_number:
            continue
        if value is not None:
            value *= SCALES.get(after, 1)
        exact = value is not None or month is not None or index in names
        itself = frozenset((word.text,))
        keys = itself if exact and word.is_stopword else _keys(word, value, month)
        yield ClaimWord(word.text, keys, exact or not word.is_stopword, exact)


def _parted(date: re.Match[str]) -> str:
    """Return a date in digits as three words that begin with a d, as no number does."""
    return " ".join(f"d{int(digits)}" for digits in re.findall(r"\d+", date[0]))


def _keys(word: Word, value: Decimal | None, month: str | None) -> Keys:
    if value is not None:
        return frozenset((f"{value.normalize():f}",))
    if _DATE_PART.fullmatch(word.text):  # a day or a month: countries differ in their order
        return frozenset((word.text[1:], f"month {word.text[1:]}"))
    return frozenset((month,)) if month else word.keys


def _month(word: Word) -> str | None:
    month = None if word.text in _NO_MONTHS else MONTHS.get(word.folded)
    return f"month {month}" if month else None


def _names(found: list[Word]) -> set[int]:
    """Return the indices of the capitalised words; the first counts if it may be a name."""
    return {
        index
        for index, word in enumerate(found)
        if (word.text[0].isupper() or _DATE_PART.fullmatch(word.text))
        and (index > 0 or not (word.is_stopword or word.text.endswith(_LINKING)))
    }


@lru_cache(maxsize=65536)
def _is_alike(one: str, other: str) -> bool:
    """Return whether two keys are spellings of one word: colour, color."""
    if one[:_SAME_BEGINNING] != other[:_SAME_BEGINNING] or one[0].isdigit():
        return False
    return Levenshtein.normalized_similarity(one, other) >= _ALIKE
