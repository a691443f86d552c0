"""How a text matches the words of a question beyond BM25: parts of words, and words together."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ingest import Language, detect_language
from rag_app.terms import content_terms, fold, is_stopword, term, words

Scores = NDArray[np.float64]

_GRAM = 4
_WINDOW = 15
_NAME_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"\.[^./]*$")
# BM25's saturation of counts and its correction for length.
_K1, _B = 0.9, 0.4


def gram_scores(question: str, texts: Sequence[str]) -> Scores:
    """Return the BM25 score of each text by the four-letter parts of the question's words.

    They match what stemming misses: Portuguese verb forms, compounds, typing errors. Rarity is
    counted among ``texts`` (McNamee and Mayfield, "Character N-Gram Tokenization for European
    Language Text Retrieval", 2004).
    """
    wanted = set(_grams(content_terms(question, detect_language(question))))
    counted = [Counter(_grams(words(text))) for text in texts]
    weights = _rarity(wanted, counted)
    lengths = np.array([counts.total() for counts in counted], np.float64)
    norms = _K1 * (1 - _B + _B * lengths / max(float(lengths.mean()) if texts else 1.0, 1.0))
    return np.array(
        [
            sum(
                weights[gram] * counts[gram] / (counts[gram] + norm)
                for gram in wanted & counts.keys()
            )
            for counts, norm in zip(counted, norms, strict=True)
        ]
    )


def proximity_scores(question: str, texts: Sequence[str]) -> Scores:
    """Return the weighted share, 0 to 1, of the question's terms within the best 15 words in a row.

    Only words that carry meaning count; rarity is counted among ``texts``.
    """
    language = detect_language(question)
    numbers = _numbered_keys(question, language)
    found = [_occurrences(text, numbers, language) for text in texts]
    weights = _rarity(set(numbers.values()), [{number for _, number in hits} for hits in found])
    total = sum(weights.values()) or 1.0
    return np.array([_best_window(hits, weights) / total for hits in found])


def named_scores(question: str, sources: Sequence[str]) -> Scores:
    """Return how well the question names each file, 0 to 1: "revenue in Q2 2023", 2023 Q2 X.pdf.

    The share of the file names' words in the question that this name has, weighted by rarity among
    ``sources``. One word of several is too common a coincidence and counts as none.
    """
    language = detect_language(question)
    asked = set(_numbered_keys(question, language))
    names = {source: set(_name_terms(source, language)) for source in sources}
    found = {
        source: {keys for keys in name if not keys.isdisjoint(asked)}
        for source, name in names.items()
    }
    weights = _rarity(set().union(*found.values()), list(names.values()))
    total = sum(weights.values()) or 1.0
    shares = {
        source: sum(weights[keys] for keys in named) / total
        if len(named) > 1 or named == names[source]
        else 0.0
        for source, named in found.items()
    }
    return np.array([shares[source] for source in sources], np.float64)


def _name_terms(source: str, language: Language) -> Iterable[frozenset[str]]:
    """Return the keys of each word of a file's path, but for its ending."""
    return (term(word, language) for word in _NAME_WORD.findall(_ENDING.sub("", source)))


def _rarity(
    wanted: Iterable[Hashable], holders: Sequence[Iterable[Hashable]]
) -> dict[Hashable, float]:
    """Return BM25's idf of each thing among those that hold it."""
    holding = Counter(thing for holder in holders for thing in set(holder))
    return {
        thing: math.log(1 + (len(holders) - holding[thing] + 0.5) / (holding[thing] + 0.5))
        for thing in wanted
    }


def _grams(found: Iterable[str]) -> Iterable[str]:
    return (gram for word in found for gram in _word_grams(word))


@lru_cache(maxsize=1 << 16)
def _word_grams(word: str) -> tuple[str, ...]:
    marked = f"^{fold(word)}$"
    return tuple(marked[at : at + _GRAM] for at in range(max(1, len(marked) - _GRAM + 1)))


def _numbered_keys(question: str, language: Language) -> dict[str, int]:
    """Return the number of the question's term that each key stands for."""
    return {
        key: number
        for number, keys in enumerate(content_terms(question, language).values())
        for key in keys
    }


def _occurrences(text: str, numbers: dict[str, int], language: Language) -> list[tuple[int, int]]:
    """Return the place among the words that carry meaning, and the term, of each hit."""
    meaningful = (word for word in words(text) if not is_stopword(word, language))
    return [
        (place, numbers[key])
        for place, word in enumerate(meaningful)
        for key in term(word, language)
        if key in numbers
    ]


def _best_window(hits: list[tuple[int, int]], weights: dict[Hashable, float]) -> float:
    best = 0.0
    for first, (start, _) in enumerate(hits):
        inside = {number for place, number in hits[first:] if place - start < _WINDOW}
        best = max(best, sum(weights[number] for number in inside))
    return best
